//! Messengers that ask for a pause: no call is made before it is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Error,
    account::Secret,
    ports::channels::{ChannelPlatform, Presence},
};
use alpine_infra::channels::{
    DiscordChannels, DiscordSettings, TelegramChannels, TelegramSettings,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const MEMBER: &str = "623456789012345678";
const ROLE: &str = "423456789012345678";
const ROLES: &str = r#"{"roles": ["423456789012345678"]}"#;

/// A server that answers every request with this status line, these headers and this body.
struct Server {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
            body.len()
        );
        let count = asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                // Small enough to arrive at once.
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn discord(&self) -> DiscordChannels {
        DiscordChannels::new(DiscordSettings {
            token: Secret::new("token"),
            client_id: "123456789012345678".to_owned(),
            client_secret: Secret::new("secret"),
            guild: "223456789012345678".to_owned(),
            redirect_url: "https://www.example.com/channels/discord".to_owned(),
            url: self.url.clone(),
            timeout: Duration::from_secs(5),
        })
        .unwrap()
    }

    fn telegram(&self) -> TelegramChannels {
        TelegramChannels::new(TelegramSettings {
            token: Secret::new("1:token"),
            webhook_secret: Secret::new("secret"),
            url: self.url.clone(),
            timeout: Duration::from_secs(5),
        })
        .unwrap()
    }
}

/// How long the service asks to be left alone.
#[track_caller]
fn pause(error: &Error) -> Duration {
    let Error::Unavailable { retry_after, .. } = error else { panic!("{error:?}") };
    *retry_after
}

#[tokio::test]
async fn a_spent_bucket_of_discord_is_left_alone_until_it_is_full() {
    let headers = |left: &str, seconds: &str| {
        format!("x-ratelimit-remaining: {left}\r\nx-ratelimit-reset-after: {seconds}\r\n")
    };
    let server = Server::start("200 OK", &headers("0", "60"), ROLES).await;
    let discord = server.discord();
    assert_eq!(discord.presence(ROLE, MEMBER).await.unwrap(), Presence::In);
    let error = discord.presence(ROLE, MEMBER).await.unwrap_err();
    assert!((55..=60).contains(&pause(&error).as_secs()), "{error:?}");
    assert_eq!(server.asked(), 1, "the call that would be refused is not made");

    // What is left may be used, however long it takes until the bucket is full.
    let server = Server::start("200 OK", &headers("1", "60"), ROLES).await;
    let discord = server.discord();
    for _ in 0..2 {
        assert_eq!(discord.presence(ROLE, MEMBER).await.unwrap(), Presence::In);
    }
    assert_eq!(server.asked(), 2);

    // A short pause is waited for.
    let server = Server::start("200 OK", &headers("0", "0.3"), ROLES).await;
    let discord = server.discord();
    discord.presence(ROLE, MEMBER).await.unwrap();
    let started = Instant::now();
    discord.presence(ROLE, MEMBER).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(250), "{:?}", started.elapsed());
}

/// The body says it best, then `Retry-After`, then the bucket; who says nothing is left alone for five seconds.
#[tokio::test]
async fn a_refusal_by_discord_says_how_long_to_wait() {
    let spent = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset-after: 40\r\n";
    let both = format!("retry-after: 30\r\n{spent}");
    for (headers, body, seconds) in [
        (both.as_str(), r#"{"retry_after": 20.0}"#, 20),
        (both.as_str(), "{}", 30),
        (spent, "{}", 40),
        ("", "", 5),
    ] {
        let server = Server::start("429 Too Many Requests", headers, body).await;
        let discord = server.discord();
        for _ in 0..2 {
            let error = discord.presence(ROLE, MEMBER).await.unwrap_err();
            let told = pause(&error).as_secs_f64().ceil();
            assert!((told - f64::from(seconds)).abs() <= 1.0, "{headers}{body}: {error:?}");
        }
        assert_eq!(server.asked(), 1, "{headers}{body}");
    }
}

#[tokio::test]
async fn a_refusal_by_telegram_says_how_long_to_wait() {
    let refused = |parameters: &str| {
        format!(
            r#"{{"ok": false, "error_code": 429, "description": "Too Many Requests"{parameters}}}"#
        )
    };
    for (parameters, seconds) in [(r#", "parameters": {"retry_after": 17}"#, 17), ("", 5)] {
        let server = Server::start("429 Too Many Requests", "", &refused(parameters)).await;
        let telegram = server.telegram();
        for _ in 0..2 {
            let error = telegram.presence("-1001", "7").await.unwrap_err();
            let told = pause(&error).as_secs_f64().ceil();
            assert!((told - f64::from(seconds)).abs() <= 1.0, "{parameters}: {error:?}");
        }
        assert_eq!(server.asked(), 1, "{parameters}");
    }
}
