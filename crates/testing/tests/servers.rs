//! The servers really die, stand still and come back, and nothing of them is left behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up must panic")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use alpine_testing::{
    FaultProxy, Memory, Redis, TestDatabase, Wait, own_postgres, own_redis, redis_prefix,
    redis_url, servers::Guard,
};

/// Set in a child that is this test binary again.
const ROLE: &str = "ALPINE_TESTING_ROLE";

/// Whether the server answers a PING on a new connection within 300 ms.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    };
    ask().unwrap_or(false)
}

fn set(redis: &Redis, key: &str) {
    assert_eq!(redis.command(&["SET", key, "value"]).unwrap(), "OK");
}

#[test]
fn redis_dies_stands_still_and_comes_back_empty() {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let port = redis.port();
    set(&redis, "key");
    assert!(answers(port));

    redis.stop().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "the kernel still accepts");
    assert!(!answers(port));
    redis.resume().unwrap();
    assert!(answers(port));
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "value");

    redis.kill().unwrap();
    let refused = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(redis.stop().is_err() && redis.resume().is_err());
    redis.kill().unwrap();

    redis.restart().unwrap();
    assert_eq!(redis.port(), port);
    assert_eq!(redis.command(&["GET", "key"]).unwrap(), "");
    assert!(redis.command(&["NONSENSE"]).is_err());
}

#[test]
fn redis_comes_back_with_what_it_acknowledged() {
    let Some(mut redis) = own_redis(Memory::Kept) else { return };
    for round in 0..3 {
        let key = format!("key{round}");
        set(&redis, &key);
        redis.restart().unwrap();
        assert_eq!(redis.command(&["GET", &key]).unwrap(), "value");
    }
    // Killed while it stands still, too.
    redis.stop().unwrap();
    redis.restart().unwrap();
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "3");
}

#[test]
fn redis_behind_the_proxy_gives_half_an_answer() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    set(&redis, "key");
    let proxy = FaultProxy::before(&redis.url()).unwrap();
    let ask = || {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(b"GET key\r\n").unwrap();
        let mut answer = Vec::new();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let _either_way = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    assert_eq!(ask(), "$5\r\nvalue\r\n");
    proxy.cut_after_bytes(6);
    assert_eq!(ask(), "$5\r\nva");
    proxy.black_hole();
    assert_eq!(ask(), "");
    proxy.pass();
    assert_eq!(ask(), "$5\r\nvalue\r\n");
}

#[test]
fn postgres_keeps_what_it_acknowledged_and_loses_what_was_open() {
    let Some(mut postgres) = own_postgres() else { return };
    postgres.execute("CREATE TABLE seen (id int)").unwrap();
    postgres.execute("INSERT INTO seen VALUES (1)").unwrap();
    let url = postgres.url();
    let open = "INSERT INTO seen VALUES (2); SELECT pg_sleep(600)";
    let mut client = psql(&url, open);
    let is_sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    Wait::unpromised("psql connects when it has started")
        .until_blocking("the open transaction", || postgres.execute(is_sleeping).unwrap() == "1");

    // A stopped server has stopped backends, so its sleeper cannot be asked about either.
    postgres.stop().unwrap();
    let mut during = psql(&url, "SELECT 1");
    std::thread::sleep(Duration::from_millis(300));
    assert!(during.try_wait().unwrap().is_none() && client.try_wait().unwrap().is_none());
    postgres.resume().unwrap();
    assert!(during.wait().unwrap().success());

    postgres.restart().unwrap();
    assert!(!client.wait().unwrap().success());
    assert_eq!(postgres.url(), url);
    assert_eq!(postgres.execute("SELECT id FROM seen").unwrap(), "1");
}

#[test]
fn postgres_stops_its_backends_too() {
    let Some(mut postgres) = own_postgres() else { return };
    let url = postgres.url();
    let mut client = psql(&url, "SELECT pg_sleep(1)");
    let is_sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    Wait::unpromised("psql connects when it has started")
        .until_blocking("the sleeper", || postgres.execute(is_sleeping).unwrap() == "1");
    postgres.stop().unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(client.try_wait().unwrap().is_none(), "its backend has answered while stopped");
    postgres.resume().unwrap();
    assert!(client.wait().unwrap().success());
    // Dropped while it stands still: the next test proves for all that nothing stays.
    let mut client = psql(&url, "SELECT pg_sleep(600)");
    Wait::unpromised("psql connects when it has started")
        .until_blocking("the sleeper", || postgres.execute(is_sleeping).unwrap() == "1");
    postgres.stop().unwrap();
    let started = Instant::now();
    drop(postgres);
    assert!(started.elapsed() < Duration::from_secs(9), "it had to be killed");
    assert!(!client.wait().unwrap().success());
}

fn psql(url: &str, sql: &str) -> std::process::Child {
    Command::new("psql")
        .args([url, "-X", "-q", "-c", sql])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The clean-up runs whether the test process is interrupted or killed, with a server that runs or
/// that stands still.
#[test]
fn nothing_is_left_behind_a_process_that_is_killed() {
    if std::env::var(ROLE).is_ok_and(|role| role == "victim") {
        return be_the_victim();
    }
    if own_redis(Memory::Lost).is_none() {
        return;
    }
    for signal in ["INT", "KILL"] {
        let mut victim = again("nothing_is_left_behind_a_process_that_is_killed", "victim")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let said = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("victim: ").map(|(_, said)| said.to_owned()));
        let said = said.expect("the victim says what it has started");
        let [folder, one, two] = said.split(' ').collect::<Vec<_>>()[..] else { panic!("{said}") };
        let ports = [one, two].map(|port| port.parse::<u16>().unwrap());
        let listens = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
        assert!(Path::new(folder).exists() && ports.iter().all(listens));

        let kill = format!("kill -{signal} {}", victim.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert!(!victim.wait().unwrap().success());
        let guard = Wait::unpromised("the guard stops the servers first, each as long as it takes");
        guard.until_blocking("the folder is gone", || !Path::new(folder).exists());
        guard.until_blocking("the servers are gone", || !ports.iter().any(listens));
    }
}

fn be_the_victim() {
    let mut guard = Guard::new().unwrap();
    let folder = guard.folder().unwrap();
    let running = own_redis(Memory::Kept).unwrap();
    let mut stopped = own_redis(Memory::Lost).unwrap();
    stopped.stop().unwrap();
    println!("\nvictim: {} {} {}", folder.display(), running.port(), stopped.port());
    std::thread::sleep(Duration::from_mins(1));
    panic!("nobody has killed the victim");
}

/// This test again, in a process of its own.
fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ROLE, role).stdin(Stdio::null());
    command
}

/// The rule, with the real environment: neither variable nor CI, skipped; with CI, a failure.
#[test]
fn a_missing_server_fails_in_ci_only() {
    let name = "a_missing_server_fails_in_ci_only";
    if std::env::var(ROLE).is_ok_and(|role| role == "asks") {
        assert!(TestDatabase::create().is_none() && redis_url().is_none());
        return;
    }
    let run = |ci: &str| {
        let mut command = again(name, "asks");
        command.env_remove("ALPINE_TEST_POSTGRES_URL").env_remove("ALPINE_TEST_REDIS_URL");
        command.env("CI", ci).output().unwrap()
    };
    let text = |output: &[u8]| String::from_utf8_lossy(output).into_owned();
    let desk = run("");
    assert!(desk.status.success());
    assert!(text(&desk.stderr).contains("skipped: ALPINE_TEST_POSTGRES_URL is not set"));
    let ci = run("true");
    assert!(!ci.status.success());
    assert!(text(&ci.stderr).contains("ALPINE_TEST_POSTGRES_URL is not set"));
}

#[test]
fn a_test_database_is_empty_and_goes_with_whoever_is_connected() {
    let Some(database) = TestDatabase::create() else { return };
    let other = TestDatabase::create().unwrap();
    database.execute("CREATE TABLE mine (id int)");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!((database.execute(tables).as_str(), other.execute(tables).as_str()), ("1", "0"));

    let mut client = psql(database.url(), "SELECT pg_sleep(600)");
    let connected =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'", database.name());
    Wait::unpromised("psql connects when it has started")
        .until_blocking("the client is connected", || other.execute(&connected) == "1");
    let exists = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", database.name());
    assert_eq!(other.execute(&exists), "1");
    drop(database);
    assert_eq!(other.execute(&exists), "0");
    assert!(!client.wait().unwrap().success());
}

#[test]
fn the_shared_redis_is_reached_through_a_proxy() {
    let Some(url) = redis_url() else { return };
    let proxy = FaultProxy::before(&url).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let request = format!("SET {}key value EX 5\r\n", redis_prefix());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}
