//! One connection through the proxy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    counters::Counters,
    fault::{CutBudget, Direction, Fault, State},
};

/// Of each chunk that is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks under way in one direction; with more, reading waits.
const CHUNKS_UNDER_WAY: usize = 64;
/// How long a client may take to close after it was sent the end.
const LINGER: Duration = Duration::from_secs(1);
/// A throttled direction sends about that often.
const PIECES_PER_SECOND: u32 = 20;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) state: watch::Receiver<State>,
    pub(super) counters: Arc<Counters>,
}

/// Why a connection is over.
enum End {
    /// Both sides have closed, or a cut is to look like that.
    Closed,
    Reset,
}

/// One accepted connection. The order of the fields is the order in which they go: first the socket,
/// then the count, at last the sign that the epoch has one connection less.
pub(super) struct Connection {
    client: TcpStream,
    link: Link,
}

impl Connection {
    /// `epoch` is the listener's: a connection that it accepts before it has seen a cut is cut.
    pub(super) fn new(client: TcpStream, context: Context, epoch: Arc<()>) -> Self {
        context.counters.accepted.fetch_add(1, Ordering::SeqCst);
        context.counters.open.fetch_add(1, Ordering::SeqCst);
        let open = OpenCount(Arc::clone(&context.counters));
        Self {
            client,
            link: Link { context, has_lost: AtomicBool::new(false), _open: open, epoch },
        }
    }

    /// Carries bytes until one side, or a fault, ends it.
    pub(super) async fn serve(self) {
        let Self { mut client, link } = self;
        let end = tokio::select! {
            biased;
            () = link.is_cut() => End::Reset,
            end = link.carry(&mut client) => end,
        };
        match end {
            End::Reset => reset_on_drop(&client),
            End::Closed => tokio::select! {
                biased;
                () = link.is_cut() => reset_on_drop(&client),
                () = close(&mut client) => {}
            },
        }
        drop(client);
        drop(link);
    }
}

/// Takes one off the open connections when it goes.
struct OpenCount(Arc<Counters>);

impl Drop for OpenCount {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What both directions of a connection know.
struct Link {
    context: Context,
    /// Whether a black hole has swallowed anything, after which the connection must not go on.
    has_lost: AtomicBool,
    _open: OpenCount,
    epoch: Arc<()>,
}

impl Link {
    async fn carry(&self, client: &mut TcpStream) -> End {
        if self.fault().0 == Fault::BlackHole {
            return self.swallow(client).await;
        }
        let target = self.context.state.borrow().target();
        let Ok(mut server) = TcpStream::connect(target).await else {
            return End::Reset;
        };
        for socket in [&*client, &server] {
            if socket.set_nodelay(true).is_err() {
                return End::Reset;
            }
        }
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::try_join!(
                self.pump(from_client, to_server, Direction::ToServer),
                self.pump(from_server, to_client, Direction::ToClient),
            )
        };
        let end = tokio::select! {
            biased;
            () = self.must_reset() => End::Reset,
            ended = both => ended.err().unwrap_or(End::Closed),
        };
        if matches!(end, End::Reset) {
            reset_on_drop(&server);
        }
        end
    }

    /// A connection that is born in the black hole: the server never hears of it.
    async fn swallow(&self, client: &mut TcpStream) -> End {
        let mut buffer = vec![0; CHUNK_BYTES];
        self.has_lost.store(true, Ordering::SeqCst);
        tokio::select! {
            () = self.must_reset() => {}
            () = async {
                while let Ok(read @ 1..) = client.read(&mut buffer).await {
                    count(&self.context.counters.swallowed, read);
                }
            } => {}
        }
        End::Reset
    }

    /// Reading and writing go on side by side: a delay must not become a throttle.
    async fn pump(
        &self,
        mut reader: ReadHalf<'_>,
        mut writer: WriteHalf<'_>,
        direction: Direction,
    ) -> Result<(), End> {
        let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_UNDER_WAY);
        let read = async move {
            let mut buffer = vec![0; CHUNK_BYTES];
            loop {
                let read = reader.read(&mut buffer).await.map_err(|_| End::Reset)?;
                let Some(bytes @ [_, ..]) = buffer.get(..read) else {
                    return Ok(());
                };
                let chunk = (Instant::now(), bytes.to_vec());
                sender.send(chunk).await.map_err(|_| End::Reset)?;
            }
        };
        let write = async {
            let mut budget = CutBudget::default();
            while let Some((arrived, bytes)) = chunks.recv().await {
                self.wait_until_due(arrived, direction).await;
                self.deliver(&mut writer, &bytes, direction, &mut budget).await?;
            }
            self.until(|state| state.fault() != Fault::BlackHole).await;
            writer.shutdown().await.map_err(|_| End::Reset)
        };
        tokio::try_join!(read, write).map(|((), ())| ())
    }

    /// Writes as the fault of each moment allows.
    async fn deliver(
        &self,
        writer: &mut WriteHalf<'_>,
        mut rest: &[u8],
        direction: Direction,
        budget: &mut CutBudget,
    ) -> Result<(), End> {
        let counters = &self.context.counters;
        let delivered = match direction {
            Direction::ToServer => &counters.to_server,
            Direction::ToClient => &counters.to_client,
        };
        while !rest.is_empty() {
            let (fault, changes) = self.fault();
            let mut pause = Duration::ZERO;
            let length = match fault {
                Fault::BlackHole => {
                    count(&counters.swallowed, rest.len());
                    self.has_lost.store(true, Ordering::SeqCst);
                    return Ok(());
                }
                Fault::Throttle { bytes_per_second } => {
                    let piece = bytes_per_second.div_ceil(PIECES_PER_SECOND);
                    pause = Duration::from_secs(1) * piece / bytes_per_second;
                    usize::try_from(piece).unwrap_or(usize::MAX).min(rest.len())
                }
                Fault::CutAfter { bytes } if direction == Direction::ToClient => {
                    let left = budget.left(changes, bytes);
                    usize::try_from(left).unwrap_or(usize::MAX).min(rest.len())
                }
                _ => rest.len(),
            };
            let (now, later) = rest.split_at(length);
            writer.write_all(now).await.map_err(|_| End::Reset)?;
            count(delivered, now.len());
            if matches!(fault, Fault::CutAfter { .. }) && budget.spend(now.len()) {
                return Err(End::Closed);
            }
            rest = later;
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        Ok(())
    }

    fn fault(&self) -> (Fault, u64) {
        let state = self.context.state.borrow();
        (state.fault(), state.changes())
    }

    async fn is_cut(&self) {
        self.until(|state| !Arc::ptr_eq(state.epoch(), &self.epoch)).await;
    }

    /// Returns when the black hole has gone and has kept something.
    async fn must_reset(&self) {
        self.until(|state| {
            self.has_lost.load(Ordering::SeqCst) && state.fault() != Fault::BlackHole
        })
        .await;
    }

    /// Returns when something that arrived then may go on now; a new fault counts at once.
    async fn wait_until_due(&self, arrived: Instant, direction: Direction) {
        let mut state = self.context.state.clone();
        loop {
            let due = arrived + state.borrow_and_update().delay(direction);
            if due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                _ = state.changed() => {}
            }
        }
    }

    async fn until(&self, holds: impl Fn(&State) -> bool + Send) {
        let mut state = self.context.state.clone();
        if state.wait_for(|state| holds(state)).await.is_err() {
            // The proxy goes, and its runtime will drop this task.
            std::future::pending::<()>().await;
        }
    }
}

fn count(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::SeqCst);
}

/// Best effort: a socket that is closed already needs no reset.
fn reset_on_drop(socket: &TcpStream) {
    let _closed = socket.set_zero_linger();
}

/// Sends the end and lets the client read it: unread bytes would turn it into a reset.
async fn close(client: &mut TcpStream) {
    let drain = async {
        client.shutdown().await?;
        let mut buffer = vec![0; CHUNK_BYTES];
        while client.read(&mut buffer).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _either_way = timeout(LINGER, drain).await;
}
