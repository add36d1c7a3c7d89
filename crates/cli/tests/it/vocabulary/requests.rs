//! What a client asks of a service, noted on its way, in the lines that the service's own tests replay
//! (`crates/server/tests/service/conformance.rs` says how they are written).

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;

use crate::service::PASSWORD;

/// What is other each time: instants, identifiers that somebody made up, digests.
const VOLATILE: &str = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32,}\b";

/// Letters from which on a part of an answer that a client sends back is named and not repeated.
const LONG: usize = 200;

/// Stands between clients and a service.
pub(super) struct Recorder {
    /// The address to give to clients.
    pub(super) url: String,
    heard: Arc<Mutex<Vec<Exchange>>>,
}

/// A request and its answer.
struct Exchange {
    /// What begins the line, if it is not the administrator who asks for himself.
    who: String,
    method: String,
    path: String,
    content_type: String,
    body: String,
    answer: Value,
}

/// A part of an answer that a later request sends back.
struct Kept {
    name: String,
    /// The number of the answer.
    of: usize,
    pointer: String,
}

impl Recorder {
    /// In front of the service at `address`, until the process ends.
    pub(super) fn start(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let url = format!("http://{}/v1", listener.local_addr().expect("a bound socket has an address"));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                pass(client, &address, &noted);
            }
        });
        Self { url, heard }
    }

    /// What was asked since the last time. `known` are values, and how they are written.
    pub(super) fn lines(&self, known: &[(String, &str)]) -> String {
        let heard = std::mem::take(&mut *self.heard.lock().expect("nobody panicked"));
        let mut kept = Vec::new();
        let asked = |(number, exchange): (usize, &Exchange)| exchange.line(&heard[..number], known, &mut kept);
        let lines: Vec<String> = heard.iter().enumerate().map(asked).collect();
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            // Whoever waits asks the same again and again.
            if number == 0 || lines[number - 1] != *line {
                writeln!(text, "{line}").expect("a string is writable");
            }
            for Kept { name, pointer, .. } in kept.iter().filter(|kept| kept.of == number) {
                writeln!(text, "> {name} {pointer}").expect("a string is writable");
            }
        }
        let changes = heard.iter().any(|exchange| exchange.method != "GET");
        text + if changes { "work\n" } else { "" }
    }
}

/// Hands a client's request on and the answer back, and notes both.
fn pass(mut client: TcpStream, address: &str, noted: &Mutex<Vec<Exchange>>) {
    let mut request = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 4096];
        let count = client.read(&mut buffer).expect("the client writes");
        request.extend(&buffer[..count]);
        let text = String::from_utf8(request.clone()).expect("requests of this client are text");
        assert!(count > 0, "the client broke off");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").map_or(0, |length| length.parse().expect("a number"));
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut service = TcpStream::connect(address).expect("the service answers");
    // It closes the connection then, which shows where its answer ends.
    let others = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let handed_on: String = others.map(|line| format!("{line}\r\n")).collect();
    write!(service, "{handed_on}Connection: close\r\n\r\n{body}").expect("the service reads");
    let mut answer = String::new();
    service.read_to_string(&mut answer).expect("the service answers in text");
    let mut first = head.split(' ').map(str::to_owned);
    let exchange = Exchange {
        who: who(&head),
        method: first.next().expect("a method"),
        path: first.next().expect("a path"),
        content_type: header(&head, "content-type").unwrap_or_default().to_owned(),
        body,
        answer: serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head").1).unwrap_or_default(),
    };
    noted.lock().expect("nobody panicked").push(exchange);
    // Last, because then the client may end.
    client.write_all(answer.as_bytes()).expect("the client reads");
}

impl Exchange {
    /// The line of the request; what it took from answers before is kept under a name.
    fn line(&self, before: &[Self], known: &[(String, &str)], kept: &mut Vec<Kept>) -> String {
        let written = |text: &str| known.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name));
        let mut taken = |member: &str, value: &Value| name(member, value, before, kept);
        let volatile = Regex::new(VOLATILE).expect("a pattern");
        let path = written(&self.path);
        let path = volatile.replace_all(&path, |found: &regex::Captures<'_>| {
            taken("", &Value::from(&found[0])).unwrap_or_else(|| found[0].to_owned())
        });
        let body = match serde_json::from_str(&self.body) {
            Ok(body) => with_names("", &body, &mut |member, value| {
                let is_other = value.as_str().is_some_and(|text| volatile.is_match(text) && written(text) == text);
                let is_long = !value.is_string() && value.to_string().len() > LONG;
                (is_other || is_long).then(|| taken(member, value)).flatten()
            }),
            Err(_) => self.body.clone(),
        };
        let kind = match &*self.content_type {
            "application/json" => String::new(),
            kind => format!(" ({kind})"),
        };
        let line = format!("{}{} {path}{kind} {}", self.who, self.method, written(&body));
        line.trim_end().to_owned()
    }
}

/// Whose login a request has, and for which account it speaks.
fn who(head: &str) -> String {
    let account = header(head, "x-anchore-account").map(|account| format!("@{account}")).unwrap_or_default();
    let admin = format!("Basic {}", STANDARD.encode(format!("admin:{PASSWORD}")));
    match header(head, "authorization") {
        None => format!("nobody{account} "),
        Some(login) => {
            assert_eq!(login, admin, "nobody else asks");
            if account.is_empty() { account } else { format!("admin{account} ") }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// How a value of this member is called, from now on at least, if an answer before holds it: there by preference in a
/// member of the same name.
fn name(member: &str, value: &Value, before: &[Exchange], kept: &mut Vec<Kept>) -> Option<String> {
    let answers = before.iter().enumerate().rev();
    let places =
        answers.flat_map(|(of, exchange)| pointers(&exchange.answer, value).into_iter().map(move |at| (of, at)));
    let places: Vec<(usize, String)> = places.collect();
    let namesake = places.iter().find(|(_, pointer)| pointer.ends_with(&format!("/{member}")));
    let (of, pointer) = namesake.or(places.first())?.clone();
    if let Some(kept) = kept.iter().find(|kept| kept.of == of && kept.pointer == pointer) {
        return Some(format!("${}", kept.name));
    }
    let last = pointer.rsplit('/').find(|part| part.parse::<usize>().is_err()).unwrap_or("kept");
    let namesakes = kept.iter().filter(|kept| kept.pointer.ends_with(last)).count();
    let name = if namesakes == 0 { last.to_owned() } else { format!("{last}_{}", namesakes + 1) };
    kept.push(Kept { name: name.clone(), of, pointer });
    Some(format!("${name}"))
}

/// Where in `whole` a value is.
fn pointers(whole: &Value, value: &Value) -> Vec<String> {
    if whole == value {
        return vec![String::new()];
    }
    let parts: Vec<(String, &Value)> = match whole {
        Value::Object(members) => members.iter().map(|(name, part)| (name.clone(), part)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    let within = |(name, part): (String, &Value)| {
        pointers(part, value).into_iter().map(move |below| format!("/{name}{below}")).collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(within).collect()
}

/// A body in which what has a name is written by it: a text within its quotes, anything else bare.
fn with_names(member: &str, value: &Value, named: &mut impl FnMut(&str, &Value) -> Option<String>) -> String {
    if let Some(name) = named(member, value) {
        return if value.is_string() { format!("\"{name}\"") } else { name };
    }
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(&**name), with_names(name, value, named)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| with_names("", item, named)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
