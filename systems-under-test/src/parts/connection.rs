//! A connection that is written without waiting: whoever has something to say puts it into the buffer and goes on;
//! what the kernel does not take at once, a task of the connection writes later.
//!
//! All of this lives on one thread. A message is put into the buffer of every connection that it is meant for, and
//! each buffer is written once per turn: few system calls, few packets.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::frame::{self, Frames};

/// A peer that lets this much pile up is given up.
const LONGEST_BACKLOG: usize = 512 * 1024 * 1024;

/// The side that is written.
#[derive(Debug)]
pub struct Outbox {
    write: OwnedWriteHalf,
    buffer: RefCell<BytesMut>,
    stuck: Notify,
    closed: Cell<bool>,
    close: Notify,
}

/// The side that is read.
#[derive(Debug)]
pub struct Inbox {
    read: OwnedReadHalf,
    buffer: BytesMut,
    frames: Frames,
}

/// Splits a stream. The outbox's task ends when the outbox is closed.
pub fn split(stream: TcpStream) -> io::Result<(Rc<Outbox>, Inbox)> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let outbox = Rc::new(Outbox {
        write,
        buffer: RefCell::new(BytesMut::new()),
        stuck: Notify::new(),
        closed: Cell::new(false),
        close: Notify::new(),
    });
    tokio::task::spawn_local(drain(outbox.clone()));
    Ok((outbox, Inbox { read, buffer: BytesMut::with_capacity(16 * 1024), frames: Frames::default() }))
}

impl Outbox {
    /// Puts a message into the buffer. Nothing happens on a closed connection.
    pub fn put<T: Serialize>(&self, message: &T) {
        self.put_with(|bytes| frame::put(message, bytes));
    }

    /// Puts what `write` appends into the buffer.
    pub fn put_with(&self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) {
        if self.closed.get() {
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        if write(&mut buffer).is_err() || buffer.len() > LONGEST_BACKLOG {
            self.close();
        }
    }

    /// Hands the buffer to the kernel, as much as it takes.
    pub fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        while !buffer.is_empty() && !self.closed.get() {
            match self.write.try_write(&buffer) {
                Ok(0) => self.close(),
                Ok(n) => drop(buffer.split_to(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.stuck.notify_one(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.close(),
            }
        }
    }

    /// Gives the connection up: nothing more is written, and the reader sees its end.
    pub fn close(&self) {
        self.closed.set(true);
        self.close.notify_waiters();
        self.stuck.notify_one();
    }

    /// Whether it was given up.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }
}

async fn drain(outbox: Rc<Outbox>) {
    loop {
        outbox.stuck.notified().await;
        while !outbox.buffer.borrow().is_empty() && !outbox.is_closed() {
            let closed = outbox.close.notified();
            tokio::select! {
                ready = outbox.write.writable() => if ready.is_err() { outbox.close() },
                () = closed => {}
            }
            outbox.flush();
        }
        if outbox.is_closed() {
            return;
        }
    }
}

impl Inbox {
    /// A message that has arrived already, without waiting.
    pub fn arrived(&mut self) -> io::Result<Option<BytesMut>> {
        self.frames.decode(&mut self.buffer)
    }

    /// Waits for more bytes. `false` at the end of the stream, or when `outbox`, the other side of the same
    /// connection, was closed.
    pub async fn more(&mut self, outbox: &Outbox) -> io::Result<bool> {
        let closed = outbox.close.notified();
        if outbox.is_closed() {
            return Ok(false);
        }
        self.buffer.reserve(8 * 1024);
        tokio::select! {
            read = self.read.read_buf(&mut self.buffer) => Ok(read? > 0),
            () = closed => Ok(false),
        }
    }
}
