//! An HTTP/2 client made of frames, that can leave out whatever a library would do for its user.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection whose frames are read, whose settings and pings are acknowledged, and whose windows stay as
/// they are.
#[derive(Clone, Debug)]
pub(crate) struct Http2 {
    stream: Arc<TcpStream>,
    next: u32,
    /// The server has closed, as far as it was read.
    ended: Arc<AtomicBool>,
}

impl Http2 {
    /// Connects with this window for each stream. The connection's own is as large as can be.
    pub(crate) fn connect(address: SocketAddr, window: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let client = Self {
            stream: Arc::new(stream),
            next: 1,
            ended: Arc::default(),
        };
        let mut begin = PREFACE.to_vec();
        let initial_window = [&[0, 4], &window.to_be_bytes()[..]].concat();
        begin.extend(frame(SETTINGS, 0, 0, &initial_window));
        begin.extend(frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
        client.write(&begin)?;
        Ok(client)
    }

    /// Reads for as long as the connection lasts. Without it the server is not even answered pings.
    pub(crate) fn read_on(&self) {
        let client = self.clone();
        thread::spawn(move || {
            while client.read_frame().is_ok() {}
            client.ended.store(true, Ordering::SeqCst);
        });
    }

    fn read_frame(&self) -> io::Result<()> {
        let mut stream = &*self.stream;
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => self.write(&frame(SETTINGS, ACK, 0, &[]))?,
            (PING, 0) => self.write(&frame(PING, ACK, 0, &payload))?,
            _ => {}
        }
        Ok(())
    }

    /// Whether the server has closed, as far as it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// A request's head on a stream of its own, which is returned.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> io::Result<u32> {
        let mut block = Vec::new();
        field(&mut block, ":method", method);
        field(&mut block, ":scheme", "http");
        field(&mut block, ":path", path);
        field(&mut block, ":authority", "localhost");
        for (name, value) in fields {
            field(&mut block, name, value);
        }
        let end = if method == "GET" { END_STREAM } else { 0 };
        let stream = self.next;
        self.next += 2;
        let mut parts = block.chunks(16_384);
        let mut frames = Vec::new();
        let (mut kind, mut flags) = (HEADERS, end);
        while let Some(part) = parts.next() {
            let is_last = parts.len() == 0;
            flags |= if is_last { END_HEADERS } else { 0 };
            frames.extend(frame(kind, flags, stream, part));
            (kind, flags) = (9, 0);
        }
        self.write(&frames)?;
        Ok(stream)
    }

    /// A part of a request's body.
    pub(crate) fn body(&self, stream: u32, bytes: &[u8]) -> io::Result<()> {
        self.write(&frame(DATA, 0, stream, bytes))
    }

    /// Lets the server send so many bytes more on a stream.
    pub(crate) fn widen(&self, stream: u32, bytes: u32) -> io::Result<()> {
        self.write(&frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()))
    }

    /// Gives a stream up.
    pub(crate) fn cancel(&self, stream: u32) -> io::Result<()> {
        self.write(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()))
    }

    /// The first bytes of a head that does not go on.
    pub(crate) fn half_a_head(&self) -> io::Result<()> {
        let whole = frame(HEADERS, END_STREAM, 1, &[0x82; 64]);
        self.write(&whole[..20])
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field as it is, without table and without Huffman's code.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        let mut length = text.len();
        if length < 127 {
            block.push(u8::try_from(length).unwrap());
        } else {
            block.push(127);
            length -= 127;
            while length >= 128 {
                block.push(u8::try_from(length % 128).unwrap() | 128);
                length /= 128;
            }
            block.push(u8::try_from(length).unwrap());
        }
        block.extend(text.as_bytes());
    }
}
