//! Each fault of the proxy really happens, holds from the moment it is set, and ends when it is
//! lifted. The server behind it is an echo.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up must panic"
)]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use alpine_testing::FaultProxy;

/// Echoes on every connection until the test process ends.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                std::io::copy(&mut stream.try_clone().unwrap(), &mut stream)
            });
        }
    });
    address
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Sends `sent` and reads as much back.
fn ask(stream: &mut TcpStream, sent: &[u8]) -> std::io::Result<Duration> {
    let started = Instant::now();
    stream.write_all(sent)?;
    let mut answer = vec![0; sent.len()];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, sent);
    Ok(started.elapsed())
}

/// What a client sees of a connection that has died.
fn how_it_ended(stream: &mut TcpStream) -> ErrorKind {
    stream.read(&mut [0; 8]).expect_err("it is dead").kind()
}

/// Whether nothing, not even an end, arrives for a while.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let result = stream.read(&mut [0; 8]);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn without_a_fault_everything_arrives_and_is_counted() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    let megabyte: Vec<u8> = (0..1_048_576_u32).map(|index| index.to_le_bytes()[1]).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = megabyte.clone();
    let sending = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    // The half-closed connection still carries the answer, and then the echo's own end.
    stream.read_to_end(&mut received).unwrap();
    sending.join().unwrap();
    assert!(received == megabyte);
    let traffic = proxy.traffic();
    assert_eq!(traffic.accepted, 1);
    assert_eq!((traffic.bytes_to_server, traffic.bytes_to_client), (1_048_576, 1_048_576));
    assert_eq!(traffic.bytes_swallowed, 0);
}

#[test]
fn a_delay_adds_up_over_both_directions_and_can_be_lifted_under_way() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    assert!(ask(&mut stream, b"quick").unwrap() < Duration::from_millis(300));
    proxy.delay(Duration::from_millis(100), Duration::from_millis(200));
    let slow = ask(&mut stream, b"slow").unwrap();
    assert!((300..2_500).contains(&slow.as_millis()), "{slow:?}");
    // A delay is no throttle: many chunks are as late as one.
    let long = ask(&mut stream, &vec![7; 400_000]).unwrap();
    assert!((300..2_500).contains(&long.as_millis()), "{long:?}");

    proxy.delay(Duration::from_mins(1), Duration::ZERO);
    stream.write_all(b"late").unwrap();
    assert!(is_silent(&mut stream));
    proxy.pass();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"late");
}

#[test]
fn a_throttle_limits_the_rate() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    proxy.throttle(100_000);
    let took = ask(&mut stream, &vec![7; 50_000]).unwrap();
    assert!((400..4_000).contains(&took.as_millis()), "{took:?}");
    proxy.pass();
    assert!(ask(&mut stream, &vec![7; 50_000]).unwrap() < Duration::from_millis(400));
}

#[test]
fn a_cut_resets_what_is_open_and_spares_what_comes() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut streams = [connect(&proxy), connect(&proxy)];
    for stream in &mut streams {
        ask(stream, b"alive").unwrap();
    }
    // The third is cut even though nothing has gone through it.
    let mut fresh = connect(&proxy);
    proxy.cut();
    assert_eq!(proxy.traffic().open, 0);
    for stream in streams.iter_mut().chain([&mut fresh]) {
        assert_eq!(how_it_ended(stream), ErrorKind::ConnectionReset);
    }
    ask(&mut connect(&proxy), b"new").unwrap();
}

#[test]
fn an_answer_is_cut_after_the_byte_that_was_said() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"not counted").unwrap();
    proxy.cut_after_bytes(5);
    for mut stream in [stream, connect(&proxy)] {
        stream.write_all(b"0123456789").unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"01234");
    }
    proxy.cut_after_bytes(0);
    let mut stream = connect(&proxy);
    stream.write_all(b"0123456789").unwrap();
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);

    // What is cut is the sum, over several answers.
    proxy.cut_after_bytes(15);
    let mut stream = connect(&proxy);
    ask(&mut stream, b"0123456789").unwrap();
    stream.write_all(b"0123456789").unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"01234");
}

#[test]
fn a_black_hole_is_silent_for_old_and_new_and_none_that_lost_bytes_survives_it() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut old = connect(&proxy);
    ask(&mut old, b"alive").unwrap();
    let mut idle = connect(&proxy);
    ask(&mut idle, b"alive").unwrap();

    proxy.black_hole();
    let mut new = connect(&proxy);
    for stream in [&mut old, &mut new] {
        stream.write_all(b"anybody").unwrap();
        assert!(is_silent(stream));
    }
    assert_eq!(proxy.traffic().bytes_swallowed, 14);

    proxy.pass();
    for stream in [&mut old, &mut new] {
        assert_eq!(how_it_ended(stream), ErrorKind::ConnectionReset);
    }
    ask(&mut idle, b"lost nothing").unwrap();
    ask(&mut connect(&proxy), b"new").unwrap();
}

#[test]
fn a_black_hole_hides_the_end_of_the_server() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).unwrap();
    let mut client = connect(&proxy);
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hi").unwrap();
    client.read_exact(&mut [0; 2]).unwrap();
    proxy.black_hole();
    drop(server);
    assert!(is_silent(&mut client));
    proxy.pass();
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn refusing_is_done_by_the_system_and_leaves_what_is_open() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut old = connect(&proxy);
    ask(&mut old, b"alive").unwrap();
    for _ in 0..20 {
        proxy.refuse();
        let refused = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        // The port is still ours: nobody else is given it.
        assert!(TcpListener::bind(proxy.address()).is_err());
        ask(&mut old, b"still there").unwrap();
        proxy.pass();
        ask(&mut connect(&proxy), b"back").unwrap();
    }
}

#[test]
fn a_server_that_is_away_shows_as_a_reset() {
    let away = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(away).unwrap();
    assert_eq!(how_it_ended(&mut connect(&proxy)), ErrorKind::ConnectionReset);
}

#[test]
fn after_the_drop_nothing_listens_and_nothing_is_open() {
    let proxy = FaultProxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"alive").unwrap();
    let address = proxy.address();
    drop(proxy);
    assert!(!is_silent(&mut stream));
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn it_may_be_used_and_dropped_inside_a_runtime() {
    let proxy = FaultProxy::start(echo()).unwrap();
    proxy.refuse();
    assert!(tokio::net::TcpStream::connect(proxy.address()).await.is_err());
    proxy.pass();
    assert!(tokio::net::TcpStream::connect(proxy.address()).await.is_ok());
}

#[test]
fn urls_lead_through_the_proxy() {
    let target = echo();
    let original = format!("redis://user:secret@127.0.0.1:{}/3?timeout=1", target.port());
    let proxy = FaultProxy::before(&original).unwrap();
    let port = proxy.address().port();
    let expected = format!("redis://user:secret@127.0.0.1:{port}/3?timeout=1");
    assert_eq!(proxy.url(&original).unwrap(), expected);
    let named = proxy.url("postgres://a@localhost/x").unwrap();
    assert_eq!(named, format!("postgres://a@localhost:{port}/x"));
    ask(&mut connect(&proxy), b"through").unwrap();
    assert!(FaultProxy::before("no url").is_err());
}
