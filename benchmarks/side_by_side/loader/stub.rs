//! An engine that costs next to nothing: it makes jobs up when it is asked for them, and takes one result for each.
//!
//! Besides the external worker API, under any prefix:
//!
//! - `POST /reset?jobs=N&topics=K`: N jobs are there; with K, each topic that is asked for has its own N/K of them
//! - `GET /counts`: what was asked since then, and the seconds from the first acquire to the last result
//! - `GET /wait?seconds=S`: the same, once all jobs are settled or the time is over

use crate::http::{Message, Reader, find, member};
use crate::{Options, fail};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Default)]
struct State {
    jobs: u64,
    topics: u64,
    left: u64,
    /// What is left of each topic, when each has its own.
    left_of: HashMap<String, u64>,
    /// Handed out, without a result yet.
    open: HashSet<u64>,
    settled: u64,
    counts: HashMap<&'static str, u64>,
    connections: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Never begins anew: the stub does not use an id twice.
    number: u64,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

pub fn run(options: &Options) {
    let listener = TcpListener::bind(("127.0.0.1", options.number("port", 0) as u16))
        .unwrap_or_else(|error| fail(&format!("cannot listen: {error}")));
    let port = listener.local_addr().map_or(0, |address| address.port());
    println!(r#"{{"port": {port}}}"#);
    let close_after = options.number("close-after", 0);
    let shared: Shared = Arc::default();
    // Ends with whoever started it.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0)
    });
    for socket in listener.incoming().flatten() {
        let shared = Arc::clone(&shared);
        thread::spawn(move || serve(socket, &shared, port, close_after));
    }
}

fn serve(mut socket: TcpStream, shared: &Shared, port: u16, close_after: u64) {
    let _ = socket.set_nodelay(true);
    shared.0.lock().unwrap().connections += 1;
    let mut reader = Reader::new();
    let mut served = 0;
    while let Ok(Some(request)) = reader.next(&mut socket) {
        served += 1;
        let closes = request.closes || served == close_after;
        let body = answer(&request, shared, port);
        if socket.write_all(&response(body, closes)).is_err() || closes {
            return;
        }
    }
}

enum Answer {
    Body(String),
    NoContent,
    NotFound,
}

fn response(answer: Answer, closes: bool) -> Vec<u8> {
    let connection = if closes { "close" } else { "keep-alive" };
    let (status, body) = match answer {
        Answer::NoContent => return format!("HTTP/1.1 204 \r\nConnection: {connection}\r\n\r\n").into_bytes(),
        Answer::Body(body) => (200, body),
        Answer::NotFound => (404, r#"{"message":"Not found","exception":"no such job is open"}"#.to_string()),
    };
    format!(
        "HTTP/1.1 {status} \r\nContent-Type: application/json\r\nConnection: {connection}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn answer(request: &Message, shared: &Shared, port: u16) -> Answer {
    let target = request.first.split(' ').nth(1).unwrap_or("");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let last = path.rsplit('/').next().unwrap_or("");
    let body = String::from_utf8_lossy(&request.body);
    let mut state = shared.0.lock().unwrap();
    match last {
        "jobs" if request.first.starts_with("GET") => {
            state.count("list");
            Answer::Body(r#"{"data":[],"total":0,"start":0,"sort":"id","order":"asc","size":0}"#.to_string())
        }
        "jobs" if path.ends_with("/acquire/jobs") => {
            let numbers = state.hand_out(&body);
            drop(state);
            Answer::Body(jobs(numbers, member(&body, "workerId").unwrap_or(""), port))
        }
        "complete" | "bpmnError" | "cmmnTerminate" | "fail" if find(path.as_bytes(), b"/acquire/jobs/").is_some() => {
            if !number_in(path).is_some_and(|number| state.open.remove(&number)) {
                state.count("unknown");
                return Answer::NotFound;
            }
            state.count(match last {
                "complete" => "complete",
                "fail" => "fail",
                _ => "error",
            });
            state.settled += 1;
            state.last = Some(Instant::now());
            if state.settled >= state.jobs {
                shared.1.notify_all();
            }
            Answer::NoContent
        }
        "reset" => {
            let (jobs, topics) = (parameter(query, "jobs"), parameter(query, "topics"));
            *state = State { jobs, topics, left: jobs, number: state.number, ..State::default() };
            Answer::NoContent
        }
        "counts" => Answer::Body(state.text()),
        "wait" => {
            let time = Duration::from_secs(parameter(query, "seconds"));
            let (state, _) = shared.1.wait_timeout_while(state, time, |state| state.settled < state.jobs).unwrap();
            Answer::Body(state.text())
        }
        _ => {
            state.count("other");
            Answer::NoContent
        }
    }
}

impl State {
    fn count(&mut self, kind: &'static str) {
        *self.counts.entry(kind).or_insert(0) += 1;
    }

    /// Return the numbers of the jobs for one acquire.
    fn hand_out(&mut self, body: &str) -> std::ops::Range<u64> {
        self.first.get_or_insert_with(Instant::now);
        let wanted = member(body, "numberOfTasks").and_then(|text| text.parse().ok()).unwrap_or(1);
        let begin = self.number;
        let left = match self.topics {
            0 => &mut self.left,
            topics => {
                let share = self.jobs / topics;
                self.left_of.entry(member(body, "topic").unwrap_or("").to_string()).or_insert(share)
            }
        };
        let number = wanted.min(*left);
        *left -= number;
        self.number += number;
        self.open.extend(begin..begin + number);
        self.count(if number == 0 { "acquire_empty" } else { "acquire" });
        begin..begin + number
    }

    fn text(&self) -> String {
        let seconds = match (self.first, self.last) {
            (Some(first), Some(last)) => last.saturating_duration_since(first).as_secs_f64(),
            _ => 0.0,
        };
        let kinds = ["acquire", "acquire_empty", "complete", "error", "fail", "unknown", "list", "other"];
        let counts: Vec<String> =
            kinds.iter().map(|kind| format!(r#""{kind}": {}"#, self.counts.get(kind).unwrap_or(&0))).collect();
        format!(
            r#"{{"jobs": {}, "settled": {}, "seconds": {seconds:.6}, "connections": {}, {}}}"#,
            self.jobs,
            self.settled,
            self.connections,
            counts.join(", ")
        )
    }
}

/// Return the number in the id of a job that a path is about.
fn number_in(path: &str) -> Option<u64> {
    u64::from_str_radix(path.rsplit('/').nth(1)?.rsplit('-').next()?, 16).ok()
}

fn parameter(query: &str, name: &str) -> u64 {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(found, _)| *found == name)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// Return jobs as Flowable 7.2.0 writes them, with one variable.
fn jobs(numbers: std::ops::Range<u64>, owner: &str, port: u16) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (created, ends) = (date(now), date(now + Duration::from_secs(600)));
    let mut text = String::with_capacity(900 * (numbers.end - numbers.start) as usize + 2);
    text.push('[');
    for number in numbers.clone() {
        if number > numbers.start {
            text.push(',');
        }
        let uuid = |kind: u32| format!("{kind:08x}-57b1-11f0-9d1c-{number:012x}");
        text.push_str(&format!(
            r#"{{"id":"{id}","url":"http://127.0.0.1:{port}/external-job-api/jobs/{id}","correlationId":"{correlation}","processInstanceId":"{instance}","processDefinitionId":"bench:1:{definition}","executionId":"{execution}","scopeId":null,"subScopeId":null,"scopeDefinitionId":null,"scopeType":null,"elementId":"work","elementName":"Work","retries":3,"exceptionMessage":null,"dueDate":null,"createTime":"{created}","tenantId":"","lockOwner":"{owner}","lockExpirationTime":"{ends}","variables":[{{"name":"number","type":"integer","value":{number}}}]}}"#,
            id = uuid(1),
            correlation = uuid(2),
            instance = uuid(3),
            definition = "d3b07384-57b1-11f0-9d1c-0242ac110002",
            execution = uuid(4),
        ));
    }
    text.push(']');
    text
}

/// Return a moment as the engine writes it: `2026-01-31T12:30:15.250Z`.
fn date(since_1970: Duration) -> String {
    let (seconds, millis) = (since_1970.as_secs(), since_1970.subsec_millis());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, in eras of 400 years, so that the day of the leap year is the last one.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
