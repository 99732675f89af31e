//! Handlers that wait, without handlers: so many slots, each busy for a while with every job.
//!
//! A slot is free again when the time is over; settling is the business of the connections, and goes before acquiring.
//! One connection acquires at a time. Up to a batch of jobs more than there are slots are held, so that none is idle.

use crate::load::{Connection, Task};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5); // after an acquire that found nothing

struct State {
    waiting: VecDeque<String>,
    /// All take equally long, so the first is the one that ends first.
    running: VecDeque<(Instant, String)>,
    acquiring: bool,
    not_before: Instant,
}

enum Step {
    Complete(String),
    Acquire(usize),
    Wait(Duration),
}

pub fn run(task: Arc<Task>, connections: Vec<Connection>, slots: usize, sleep: Duration) {
    let state =
        State { waiting: VecDeque::new(), running: VecDeque::new(), acquiring: false, not_before: Instant::now() };
    let shared = Arc::new((Mutex::new(state), Condvar::new()));
    let threads: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            let (task, shared) = (Arc::clone(&task), Arc::clone(&shared));
            thread::spawn(move || work(&task, connection, &shared, slots, sleep))
        })
        .collect();
    for thread in threads {
        let _ = thread.join();
    }
}

fn work(task: &Task, mut connection: Connection, shared: &(Mutex<State>, Condvar), slots: usize, sleep: Duration) {
    let (lock, changed) = shared;
    while !task.over() {
        let mut state = lock.lock().unwrap();
        let step = state.next(task.batch, slots, sleep);
        match step {
            Step::Wait(time) => {
                let _ = changed.wait_timeout(state, time);
            }
            Step::Complete(id) => {
                drop(state);
                connection.complete(&id);
            }
            Step::Acquire(number) => {
                state.acquiring = true;
                drop(state);
                let ids = connection.acquire(number);
                let mut state = lock.lock().unwrap();
                state.acquiring = false;
                if ids.is_empty() {
                    state.not_before = Instant::now() + PAUSE;
                }
                state.waiting.extend(ids);
                changed.notify_all();
            }
        }
    }
}

impl State {
    fn next(&mut self, batch: usize, slots: usize, sleep: Duration) -> Step {
        let now = Instant::now();
        let busy = self.running.iter().filter(|(ends, _)| *ends > now).count();
        for _ in busy..slots {
            match self.waiting.pop_front() {
                Some(id) => self.running.push_back((now + sleep, id)),
                None => break,
            }
        }
        if self.running.front().is_some_and(|(ends, _)| *ends <= now) {
            if let Some((_, id)) = self.running.pop_front() {
                return Step::Complete(id);
            }
        }
        let room = (slots + batch).saturating_sub(self.running.len() + self.waiting.len());
        if !self.acquiring && room >= batch.min(slots) && now >= self.not_before {
            return Step::Acquire(room.min(batch));
        }
        let soon = self.running.front().map_or(PAUSE, |(ends, _)| ends.saturating_duration_since(now));
        Step::Wait(soon.min(PAUSE).max(Duration::from_micros(100)))
    }
}
