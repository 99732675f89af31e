//! As much of HTTP/1.1 as both sides need.

use std::io::{self, Read};
use std::net::TcpStream;

/// One message: its first line, whether the other side closes the connection after it, and its body.
pub struct Message {
    pub first: String,
    pub closes: bool,
    pub body: Vec<u8>,
}

/// Reads message after message from a connection.
pub struct Reader {
    buffer: Vec<u8>,
    begin: usize,
}

impl Reader {
    pub fn new() -> Reader {
        Reader { buffer: Vec::with_capacity(64 * 1024), begin: 0 }
    }

    /// Return the next message; `None`: the other side closed the connection before it.
    pub fn next(&mut self, socket: &mut TcpStream) -> io::Result<Option<Message>> {
        let end = loop {
            if let Some(end) = find(&self.buffer[self.begin..], b"\r\n\r\n") {
                break self.begin + end;
            }
            let nothing_yet = self.begin == self.buffer.len();
            if !self.more(socket)? {
                return if nothing_yet { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[self.begin..end]).into_owned();
        self.begin = end + 4;
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or("").to_string();
        let (mut length, mut chunked, mut closes) = (0, false, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let body = if chunked { self.chunks(socket)? } else { self.exactly(socket, length)? };
        Ok(Some(Message { first, closes, body }))
    }

    fn chunks(&mut self, socket: &mut TcpStream) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer[self.begin..], b"\r\n") {
                    break self.begin + end;
                }
                self.must(socket)?;
            };
            let size = String::from_utf8_lossy(&self.buffer[self.begin..end]).into_owned();
            let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            self.begin = end + 2;
            body.extend(self.exactly(socket, size)?);
            self.exactly(socket, 2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, socket: &mut TcpStream, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.begin < length {
            self.must(socket)?;
        }
        let body = self.buffer[self.begin..self.begin + length].to_vec();
        self.begin += length;
        Ok(body)
    }

    fn must(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        if self.more(socket)? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn more(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        if self.begin > 0 {
            self.buffer.drain(..self.begin);
            self.begin = 0;
        }
        let mut piece = [0; 32 * 1024];
        let read = socket.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..read]);
        Ok(read > 0)
    }
}

/// Return where something is first found.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Return the text that follows `"name":` in JSON, which is not parsed: good enough for names that occur once.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let after = text.split_once(&format!("\"{name}\""))?.1.trim_start().strip_prefix(':')?.trim_start();
    match after.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => after.split([',', '}', ' ']).next(),
    }
}

/// Return HTTP Basic's text.
pub fn base64(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for piece in text.as_bytes().chunks(3) {
        let bits = piece.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - piece.len()));
        for place in 0..4 {
            let sign = SIGNS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            encoded.push(if place <= piece.len() { sign } else { '=' });
        }
    }
    encoded
}
