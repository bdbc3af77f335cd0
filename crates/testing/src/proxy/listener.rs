//! Accepts connections, or has the system refuse them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
};

use super::{
    connection::{self, Context},
    fault::Fault,
};

const MAX_CONNECTIONS: usize = 1_024;
const BACKLOG: u32 = 1_024;

/// A port that stays ours while nobody listens on it: this socket is bound to it and never listens.
pub(super) struct ReservedPort {
    address: SocketAddr,
    #[expect(dead_code, reason = "it is enough that the socket exists")]
    bound: TcpSocket,
}

impl ReservedPort {
    pub(super) fn reserve() -> io::Result<Self> {
        let bound = shared_socket()?;
        bound.bind(any_port())?;
        Ok(Self { address: bound.local_addr()?, bound })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = shared_socket()?;
        socket.bind(self.address)?;
        socket.listen(BACKLOG)
    }
}

/// The reserving and the listening socket share the port.
fn shared_socket() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Not SO_REUSEADDR: with that, a stranger could bind the port while nobody listens on it.
    socket.set_reuseport(true)?;
    Ok(socket)
}

/// Serves until a socket call fails.
pub(super) async fn run(port: ReservedPort, mut context: Context) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut listener: Option<TcpListener> = None;
    let mut epoch = Arc::clone(context.state.borrow().epoch());
    loop {
        let (fault, changes, is_cut) = {
            let state = context.state.borrow_and_update();
            let is_cut = !Arc::ptr_eq(&epoch, state.epoch());
            epoch = Arc::clone(state.epoch());
            (state.fault(), state.changes(), is_cut)
        };
        if fault == Fault::Refuse || is_cut {
            // Who was in the backlog gets a reset.
            listener = None;
        }
        if fault != Fault::Refuse && listener.is_none() {
            listener = Some(port.listen()?);
        }
        context.counters.applied.store(changes, Ordering::SeqCst);

        let accept = async {
            match &listener {
                Some(listener) => {
                    let slot = Arc::clone(&slots).acquire_owned().await;
                    let slot = slot.map_err(|_| aborted("no more slots"))?;
                    listener.accept().await.map(|(client, _)| (client, slot))
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = context.state.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            accepted = accept => {
                let (client, slot) = accepted?;
                let connection = connection::Connection::new(client, context.clone(), Arc::clone(&epoch));
                tokio::spawn(async move {
                    connection.serve().await;
                    drop(slot);
                });
            }
        }
    }
}

/// A free port of the loopback interface, to be chosen by the system.
fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn aborted(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}
