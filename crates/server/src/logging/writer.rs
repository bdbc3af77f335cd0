//! The buffer between those who log and the one who writes.
//!
//! A channel would wake the writer for nearly every line, and each line would be an allocation and a
//! system call of its own. Here lines are appended to one buffer, the first one wakes the writer, and
//! the writer lets a moment pass before it takes all that has gathered: under load, one wake-up and one
//! system call for a hundred lines.

use std::{
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(5);
/// What the buffer keeps of its memory between two batches, in bytes.
const KEPT: usize = 1024 * 1024;

/// Takes lines, from any thread. Clones are of the same buffer.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    buffer: Mutex<Buffer>,
    /// Told when the buffer is no longer empty, and when it is closed.
    changed: Condvar,
    max_lines: usize,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: usize,
    is_closed: bool,
}

/// Ends the writer when it is dropped, after it has written everything.
pub(super) struct Flush {
    lines: Lines,
    writer: Option<JoinHandle<()>>,
}

/// Starts a thread that writes to `out`. At most `max_lines` wait for it.
pub(super) fn start(
    out: impl Write + Send + 'static,
    max_lines: usize,
) -> io::Result<(Lines, Flush)> {
    let lines = Lines(Arc::new(Shared {
        buffer: Mutex::default(),
        changed: Condvar::new(),
        max_lines,
        dropped: AtomicU64::new(0),
    }));
    let shared = Arc::clone(&lines.0);
    let writer =
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || shared.write_to(out))?;
    Ok((lines.clone(), Flush { lines, writer: Some(writer) }))
}

impl Lines {
    /// Appends a line, its line feed included, unless the buffer is full.
    pub(super) fn push(&self, line: &[u8]) {
        let mut buffer = self.0.lock();
        if buffer.is_closed || buffer.lines >= self.0.max_lines {
            drop(buffer);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        buffer.bytes.extend_from_slice(line);
        buffer.lines += 1;
        let is_first = buffer.lines == 1;
        drop(buffer);
        if is_first {
            self.0.changed.notify_one();
        }
    }

    /// Lines that found the buffer full so far.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::new();
        loop {
            let waiting = self
                .changed
                .wait_while(self.lock(), |buffer| buffer.lines == 0 && !buffer.is_closed)
                .unwrap_or_else(PoisonError::into_inner);
            // Cut short when the buffer is closed.
            let (mut buffer, _) = self
                .changed
                .wait_timeout_while(waiting, GATHER, |buffer| !buffer.is_closed)
                .unwrap_or_else(PoisonError::into_inner);
            let is_last = buffer.is_closed;
            std::mem::swap(&mut buffer.bytes, &mut batch);
            buffer.lines = 0;
            drop(buffer);
            // There is nobody to tell that the log cannot be written.
            let _ = out.write_all(&batch).and_then(|()| out.flush());
            batch.clear();
            batch.shrink_to(KEPT);
            if is_last {
                return;
            }
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.0.lock().is_closed = true;
        self.lines.0.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            // It does not panic; if it did, there would be nothing left to write.
            let _ = writer.join();
        }
    }
}

/// For the format that people read, whose layer writes each line at once.
impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_of_every_thread_is_written_whole_and_in_its_order() {
        let sink = Sink::default();
        let (lines, flush) = start(sink.clone(), 1_000_000).unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        lines.push(format!("{thread} {n}\n").as_bytes());
                    }
                });
            }
        });
        drop(flush);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let mut next = [0; 4];
        for line in text.lines() {
            let (thread, n) = line.split_once(' ').unwrap();
            let thread: usize = thread.parse().unwrap();
            assert_eq!(n.parse(), Ok(next[thread]));
            next[thread] += 1;
        }
        assert_eq!(next, [5_000; 4]);
        assert_eq!(lines.dropped(), 0);
    }

    /// Waits in its first write until it is told to go on.
    struct Stuck {
        entered: mpsc::Sender<()>,
        go_on: mpsc::Receiver<()>,
        lines: Arc<Mutex<usize>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.entered.send(());
            let _ = self.go_on.recv();
            *self.lines.lock().unwrap() += bytes.split(|b| *b == b'\n').count() - 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_holds_nobody_up_and_what_is_lost_is_counted() {
        let (entered, is_stuck) = mpsc::channel();
        let (let_go, go_on) = mpsc::channel();
        let written = Arc::default();
        let (lines, flush) =
            start(Stuck { entered, go_on, lines: Arc::clone(&written) }, 10).unwrap();
        lines.push(b"first\n");
        is_stuck.recv().unwrap();
        for _ in 0..25 {
            lines.push(b"next\n");
        }
        assert_eq!(lines.dropped(), 15);
        drop(let_go);
        drop(flush);
        assert_eq!(*written.lock().unwrap(), 11);
        lines.push(b"too late\n");
        assert_eq!(lines.dropped(), 16);
    }
}
