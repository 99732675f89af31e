//! Drains a topic with as little work as possible.
//!
//! Without `--slots` each connection acquires a batch and completes its jobs, one after the other, again and again.
//! With `--slots S --sleep-ms T` the jobs go through `waiting.rs`.

use crate::http::{Message, Reader, base64, find};
use crate::waiting;
use crate::{Options, fail};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

unsafe extern "C" {
    /// Processor time of this process, in millionths of a second on every POSIX system.
    fn clock() -> std::ffi::c_long;
}

const PAUSE: Duration = Duration::from_millis(5); // after an acquire that found nothing
const TRIES: u32 = 5; // for one request, of which the engine closed the connection

/// What all connections share.
pub struct Task {
    address: String,
    prefix: String,
    authorization: String,
    topic: String,
    pub batch: usize,
    jobs: u64,
    until: Instant,
    done: AtomicU64,
    empty: AtomicU64,
    acquires: AtomicU64,
    refused: AtomicU64,
    times: Mutex<(Option<Instant>, Option<Instant>)>,
}

impl Task {
    /// Whether there is nothing left to do, or no time to do it in.
    pub fn over(&self) -> bool {
        self.done.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed) >= self.jobs
            || Instant::now() > self.until
    }
}

/// One connection, made again when the engine closes it.
pub struct Connection {
    task: Arc<Task>,
    name: String,
    socket: Option<(TcpStream, Reader)>,
}

impl Connection {
    pub fn new(task: Arc<Task>) -> Connection {
        // One name for all: whichever is free settles.
        Connection { task, name: format!("loader-{}", std::process::id()), socket: None }
    }

    /// Return the ids of the jobs that were acquired.
    pub fn acquire(&mut self, number: usize) -> Vec<String> {
        let body = format!(
            r#"{{"topic":"{}","lockDuration":"PT10M","numberOfTasks":{number},"workerId":"{}"}}"#,
            self.task.topic, self.name
        );
        self.task.times.lock().unwrap().0.get_or_insert_with(Instant::now);
        let answer = self.send("/external-job-api/acquire/jobs", &body);
        self.task.acquires.fetch_add(1, Ordering::Relaxed);
        if !answer.first.contains(" 200") {
            fail(&format!("an acquire was answered with {}: {}", answer.first, String::from_utf8_lossy(&answer.body)));
        }
        let ids = ids(&answer.body);
        if ids.is_empty() {
            self.task.empty.fetch_add(1, Ordering::Relaxed);
        }
        ids
    }

    pub fn complete(&mut self, id: &str) {
        let body = format!(r#"{{"workerId":"{}"}}"#, self.name);
        let answer = self.send(&format!("/external-job-api/acquire/jobs/{id}/complete"), &body);
        if answer.first.contains(" 204") {
            self.task.done.fetch_add(1, Ordering::Relaxed);
        } else {
            self.task.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.task.times.lock().unwrap().1 = Some(Instant::now());
    }

    fn send(&mut self, path: &str, body: &str) -> Message {
        let text = format!(
            "POST {}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {}\r\nContent-Type: application/json\r\n\
             Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.task.prefix,
            self.task.address,
            self.task.authorization,
            body.len()
        );
        for _ in 0..TRIES {
            match self.exchange(text.as_bytes()) {
                Ok(Some(answer)) => {
                    if answer.closes {
                        self.socket = None;
                    }
                    return answer;
                }
                Ok(None) | Err(_) => self.socket = None,
            }
        }
        fail(&format!("{} does not answer", self.task.address))
    }

    fn exchange(&mut self, text: &[u8]) -> io::Result<Option<Message>> {
        if self.socket.is_none() {
            let socket = TcpStream::connect(&self.task.address)?;
            socket.set_nodelay(true)?;
            self.socket = Some((socket, Reader::new()));
        }
        match &mut self.socket {
            Some((socket, reader)) => {
                socket.write_all(text)?;
                reader.next(socket)
            }
            None => Ok(None),
        }
    }
}

fn ids(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, b"\"id\":\"") {
        rest = &rest[at + 6..];
        let end = find(rest, b"\"").unwrap_or(rest.len());
        found.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = &rest[end..];
    }
    found
}

fn drain(mut connection: Connection) {
    let task = Arc::clone(&connection.task);
    while !task.over() {
        let ids = connection.acquire(task.batch);
        if ids.is_empty() && !task.over() {
            thread::sleep(PAUSE);
        }
        for id in ids {
            connection.complete(&id);
        }
    }
}

pub fn run(options: &Options) {
    let url = options.text("url", "http://127.0.0.1:8090/flowable-rest");
    let bare = url.strip_prefix("http://").unwrap_or_else(|| fail("--url has to begin with http://"));
    let (address, prefix) = match bare.split_once('/') {
        Some((address, prefix)) => (address.to_string(), format!("/{}", prefix.trim_end_matches('/'))),
        None => (bare.to_string(), String::new()),
    };
    let credentials = format!("{}:{}", options.text("user", "rest-admin"), options.text("password", "test"));
    let task = Arc::new(Task {
        address,
        prefix: if prefix == "/" { String::new() } else { prefix },
        authorization: base64(&credentials),
        topic: options.text("topic", "bench"),
        batch: options.number("batch", 20) as usize,
        jobs: options.number("jobs", 1000),
        until: Instant::now() + Duration::from_secs(options.number("patience", 300)),
        done: AtomicU64::new(0),
        empty: AtomicU64::new(0),
        acquires: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        times: Mutex::new((None, None)),
    });
    let connections: Vec<Connection> =
        (0..options.number("connections", 4)).map(|_| Connection::new(Arc::clone(&task))).collect();
    let slots = options.number("slots", 0) as usize;
    if slots == 0 {
        let threads: Vec<_> =
            connections.into_iter().map(|connection| thread::spawn(move || drain(connection))).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|_| fail("a connection broke down"));
        }
    } else {
        waiting::run(Arc::clone(&task), connections, slots, Duration::from_millis(options.number("sleep-ms", 50)));
    }
    let seconds = match *task.times.lock().unwrap() {
        (Some(first), Some(last)) => last.saturating_duration_since(first).as_secs_f64(),
        _ => 0.0,
    };
    let cpu = unsafe { clock() } as f64 / 1e6;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        r#"{{"jobs": {}, "seconds": {seconds:.6}, "cpu_seconds": {cpu:.6}, "acquires": {}, "empty": {}, "refused": {}}}"#,
        count(&task.done),
        count(&task.acquires),
        count(&task.empty),
        count(&task.refused)
    );
}
