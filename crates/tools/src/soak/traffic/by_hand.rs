//! Requests by hand on a socket of their own: clients that go away, and clients that read no further.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{Client, PASSWORD, PATIENCE};
use crate::instance::PRODUCER_KEY;

/// How long a client that stopped reading keeps its connection: longer than instances wait for it.
const STOPPED: Duration = Duration::from_secs(10);

impl Client {
    /// Goes away in the middle of a head, a body, the wait for an answer, or an answer.
    pub(super) async fn break_off(&mut self) {
        let address = self.api.address(self.random.next());
        let Raw { head, body, signals, sessions } = self.raw();
        let end = self.random.below(4);
        let whole = format!("{head}{body}");
        let sent = match end {
            0 => head.len() / 2,
            1 => head.len() + body.len() / 2,
            _ => whole.len(),
        };
        let read = usize::try_from(self.random.below(4_000)).unwrap_or(0);
        let answer = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&whole.as_bytes()[..sent]).await?;
            if end == 3 {
                return stream.read_exact(&mut vec![0; read]).await.map(|_| ());
            }
            sleep(Duration::from_millis(read as u64 / 200)).await;
            Ok(())
        };
        // Whatever becomes of it, nobody is there to be told.
        let _ = timeout(Duration::from_secs(2), answer).await;
        let mut tally = self.tally();
        tally.broken_off += 1;
        // Of a body that did not come whole nothing may be kept.
        if sent == whole.len() {
            tally.unknown_signals.extend(signals);
            tally.unknown_sessions += sessions;
        }
    }

    /// A request to be broken off.
    fn raw(&mut self) -> Raw {
        match self.random.below(10) {
            0..3 => {
                let (_, body) = self.signal();
                Raw::signals("signal", body.clone(), vec![body])
            }
            3..5 => {
                let (body, good) = self.batch();
                Raw::signals("batch", body, good)
            }
            5 => {
                let body = json!({ "email": self.email, "password": PASSWORD }).to_string();
                let head = head_of_post("auth/login", "", body.len());
                Raw { head, body, signals: Vec::new(), sessions: 1 }
            }
            kind => {
                let path = if kind < 8 { self.export() } else { self.list() };
                let head = self.head_of_get(&path);
                Raw { head, body: String::new(), signals: Vec::new(), sessions: 0 }
            }
        }
    }

    fn head_of_get(&self, path: &str) -> String {
        format!(
            "GET /api/v1/{path} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {}\r\n\r\n",
            self.access
        )
    }

    /// Begins an export and reads no further, every other time a compressed one. The connection is kept, so
    /// it is the instance that has to end it.
    pub(super) async fn stop_reading(&mut self) {
        if self.stopped.as_ref().is_some_and(|(since, _)| since.elapsed() < STOPPED) {
            return;
        }
        let address = self.api.address(self.random.next());
        let mut head = self.head_of_get("signals/export?format=ndjson&days=30");
        if self.random.below(2) == 0 {
            head = head.replacen("\r\n", "\r\nAccept-Encoding: gzip\r\n", 1);
        }
        let begun = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(8 * 1024)?;
            let mut stream = socket.connect(address).await?;
            stream.write_all(head.as_bytes()).await?;
            stream.read_u8().await?;
            std::io::Result::Ok(stream)
        };
        let begun = timeout(PATIENCE, begun).await;
        self.stopped = begun.ok().and_then(Result::ok).map(|stream| (Instant::now(), stream));
        self.tally().stopped += 1;
    }
}

/// A request, as it is sent.
struct Raw {
    head: String,
    body: String,
    /// What it may store, each by itself.
    signals: Vec<String>,
    /// How many sessions it may open.
    sessions: u64,
}

impl Raw {
    fn signals(route: &str, body: String, signals: Vec<String>) -> Self {
        let key = format!("X-API-Key: {PRODUCER_KEY}\r\n");
        let head = head_of_post(&format!("external-signals/sync/{route}"), &key, body.len());
        Self { head, body, signals, sessions: 0 }
    }
}

fn head_of_post(path: &str, headers: &str, length: usize) -> String {
    format!(
        "POST /api/v1/{path} HTTP/1.1\r\nHost: soak\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
