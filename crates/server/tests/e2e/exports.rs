//! How many files one account may fetch at once.

use alpine_domain::account::{Role, Tier};
use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    alpine::Alpine,
    support::{Options, SignalBody},
};

const PATH: &str = "/api/v1/signals/export?format=ndjson";

/// A client that has begun a file and does not read on. The file is larger than what is held for it.
async fn begun(alpine: &Alpine, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let address = alpine.app.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: alpine\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    socket
}

async fn status(alpine: &Alpine, token: &str) -> u16 {
    let client = alpine.as_holder(Some(token));
    let answer = client.request(Method::GET, PATH).send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_bounded_number_of_exports_at_once() {
    let options = || Options::default().set("ALPINE__HTTP__MAX_EXPORTS_PER_ACCOUNT", "2");
    Alpine::with(options, async |alpine| {
        let lines: Vec<String> = (0..4_000)
            .map(|n| SignalBody::new(&format!("SIG-{n}"), "60.0").to_json().replace('\n', " "))
            .collect();
        let answer = alpine.post_as_producer("external-signals/sync/batch", lines.join("\n")).await;
        assert_eq!(answer.expect(200)["stored"], 4_000);
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        let first = begun(&alpine, &ada).await;
        let mut second = begun(&alpine, &ada).await;

        let refused = alpine.get(PATH, Some(&ada)).await;
        assert_eq!(refused.headers["retry-after"], "10");
        let problem: Value = refused.expect(429);
        assert_eq!(problem["type"], "/problems/rate-limited");
        assert!(problem["detail"].as_str().unwrap().starts_with("2 exports at once"), "{problem}");
        // Nobody else is held up.
        let other = alpine.token_of(Tier::Pro, Role::User).await;
        assert_eq!(status(&alpine, &other).await, 200);

        // A client that goes away gives its place back, and so does a file that ends.
        drop(first);
        alpine.eventually("a place is free", async || status(&alpine, &ada).await == 200).await;
        let third = begun(&alpine, &ada).await;
        assert_eq!(alpine.get(PATH, Some(&ada)).await.status, 429);
        let mut rest = Vec::new();
        second.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"));
        assert_eq!(status(&alpine, &ada).await, 200);
        drop(third);
    })
    .await;
}
