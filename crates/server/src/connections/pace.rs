//! A deadline for clients that do not read what they asked for.
//!
//! Every phase of a request has a deadline but sending: an answer that the client does not read would
//! hold its connection, and a part of the answer in memory, for as long as the client likes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::per_address::CountedConnection;

/// How much a client must read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The time over which it is measured. Only time in which there is something to send that the
    /// client does not take counts.
    pub(super) window: Duration,
    /// Bytes to be taken in a window.
    pub(super) bytes: u64,
}

/// A connection of one client: it fails when the client reads too slowly.
pub(super) struct Paced {
    stream: TcpStream,
    waiting: Waiting,
    disconnected: IntCounter,
    /// The connection counts as one of its address's for as long as it is open.
    _counted: Option<CountedConnection>,
}

impl Paced {
    pub(super) const fn new(
        stream: TcpStream,
        pace: Pace,
        disconnected: IntCounter,
        counted: Option<CountedConnection>,
    ) -> Self {
        let waiting =
            Waiting { pace, sent: 0, waited: Duration::ZERO, since: None, deadline: None };
        Self { stream, waiting, disconnected, _counted: counted }
    }
}

/// What was sent, and how long was waited for it, in the current window.
struct Waiting {
    pace: Pace,
    sent: u64,
    /// Without what has passed since `since`.
    waited: Duration,
    /// Since when the client takes nothing; `None` while it does.
    since: Option<Instant>,
    /// Wakes the connection at the end of the window. Most connections never have one.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// The client has taken bytes.
    fn progressed(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// The client takes nothing for now. Ready when it was too slow, otherwise the task is woken at the
    /// end of the window.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let since = *self.since.get_or_insert(now);
            let end = since + self.pace.window.saturating_sub(self.waited);
            let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if deadline.deadline() != end {
                deadline.as_mut().reset(end);
            }
            ready!(deadline.as_mut().poll(context));
            if self.sent < self.pace.bytes {
                return Poll::Ready(());
            }
            (self.sent, self.waited, self.since) = (0, Duration::ZERO, Some(now));
        }
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(taken)) => {
                this.waiting.progressed(taken);
                Poll::Ready(Ok(taken))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(this.waiting.poll_too_slow(context));
                this.disconnected.inc();
                // The operating system must not go on holding what the client does not read. If it
                // cannot be told, it gives up by itself after some minutes.
                let _ = this.stream.set_zero_linger();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}
