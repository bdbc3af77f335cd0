//! HTTP as RFC 9110 to 9112 have it.

use std::net::SocketAddr;

use alpine_domain::account::{Role, Tier};
use reqwest::{Method, header};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::assert_refused;
use crate::{
    alpine::Alpine,
    support::{Answer, Client, SignalBody},
};

/// RFC 9110, section 11.6.1: which credential is wanted, and whether one was refused.
#[tokio::test]
async fn http_401_says_which_credential_is_wanted() {
    Alpine::on_every_back_end(async |alpine| {
        let anybody = alpine.as_holder(None);
        let none = anybody.get("auth/me").await;
        let bad = anybody.with_token("guess").get("auth/me").await;
        let producer = anybody.post("external-signals/sync/signal", &json!({})).await;
        for (answer, challenge) in [
            (&none, "Bearer realm=\"alpine\""),
            (&bad, "Bearer realm=\"alpine\", error=\"invalid_token\""),
            (&producer, "ApiKey realm=\"alpine producers\", header=\"X-API-Key\""),
        ] {
            assert_refused(answer, 401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), challenge);
        }
    })
    .await;
}

/// RFC 9110, section 15.5.6.
#[tokio::test]
async fn http_405_says_what_is_allowed() {
    Alpine::on_every_back_end(async |alpine| {
        for (method, path, allowed) in [
            (Method::POST, "signals/latest", "GET, HEAD"),
            (Method::GET, "auth/login", "POST"),
            (Method::PATCH, "users/profile", "GET, HEAD, PUT"),
        ] {
            let client = alpine.as_holder(None);
            let answer = client.send(client.request(method, path)).await;
            assert_refused(&answer, 405, "method-not-allowed");
            let mut allow: Vec<_> = answer.header("allow").split(", ").collect();
            allow.retain(|method| *method != "OPTIONS");
            allow.sort_unstable();
            assert_eq!(allow.join(", "), allowed, "{path}");
        }
    })
    .await;
}

/// RFC 9110, section 9.3.2.
#[tokio::test]
async fn http_head_is_get_without_the_body() {
    Alpine::on_every_back_end(async |alpine| {
        let elite = alpine.as_holder(Some(&alpine.token_of(Tier::Elite, Role::User).await));
        alpine.ingest(&SignalBody::new("one", "70").to_json()).await.expect(201);
        for path in [
            "signals/latest",
            "signals/history",
            "auth/me",
            "symbols",
            "signals/0",
            "/health/liveness",
        ] {
            let get = elite.get(path).await;
            let head = elite.send(elite.request(Method::HEAD, path)).await;
            assert_eq!(head.text, "", "{path}");
            let ((status, headers, _), (of_get, headers_of_get, _)) = (head.told(), get.told());
            let without = |headers: Vec<(String, String)>| -> Vec<(String, String)> {
                // Where the answer came from is no part of it; what is streamed has no length.
                let volatile = ["x-cache", "content-length", "transfer-encoding", "age"];
                headers.into_iter().filter(|(name, _)| !volatile.contains(&name.as_str())).collect()
            };
            assert_eq!((status, without(headers)), (of_get, without(headers_of_get)), "{path}");
        }
    })
    .await;
}

/// RFC 9110, sections 15.5.7 and 15.5.16.
#[tokio::test]
async fn http_406_and_415_are_told_apart() {
    Alpine::on_every_back_end(async |alpine| {
        let client = alpine.as_holder(None);
        let elite = alpine.as_holder(Some(&alpine.token_of(Tier::Elite, Role::User).await));
        let request = elite.request(Method::GET, "signals/export").header("Accept", "image/png");
        assert_refused(&elite.send(request).await, 406, "not-acceptable");
        let request =
            client.request(Method::POST, "auth/login").header("Content-Type", "text/plain");
        let answer = client.send(request.body("email=x")).await;
        assert_refused(&answer, 415, "unsupported-media-type");
        let request = client
            .request(Method::POST, "auth/login")
            .header("Content-Type", "application/json")
            .header("Content-Encoding", "gzip");
        let answer = client.send(request.body("x")).await;
        assert_refused(&answer, 415, "unsupported-media-type");
    })
    .await;
}

async fn list(client: &Client, encoding: &str) -> Answer {
    let request = client.request(Method::GET, "signals/latest").header("Accept-Encoding", encoding);
    client.send(request).await
}

/// RFC 9110, sections 8.8.3.3 and 12.5.5; RFC 9111, section 5.2.2.7.
#[tokio::test]
async fn http_answers_vary_and_tags_differ_by_encoding_and_tier_and_what_is_personal_is_private() {
    Alpine::on_every_back_end(async |alpine| {
        for n in 0..40 {
            let signal = SignalBody::new(&format!("s{n}"), if n == 39 { "97" } else { "70" });
            alpine.ingest(&signal.to_json()).await.expect(201);
        }
        let elite = alpine.as_holder(Some(&alpine.token_of(Tier::Elite, Role::User).await));
        let pro = alpine.as_holder(Some(&alpine.token_of(Tier::Pro, Role::User).await));
        let plain = list(&elite, "identity").await;
        let gzip = list(&elite, "gzip").await;
        let other = list(&pro, "identity").await;
        let tags = [&plain, &gzip, &other].map(|answer| answer.header("etag"));
        assert!(tags.iter().all(|tag| tag.len() > 2), "{tags:?}");
        assert!(tags[0] != tags[1] && tags[0] != tags[2] && tags[1] != tags[2], "{tags:?}");
        for answer in [&plain, &gzip, &other] {
            let all: Vec<_> = answer.headers.get_all(header::VARY).iter().collect();
            let all = format!("{all:?}").to_lowercase();
            for name in ["accept-encoding", "authorization", "origin"] {
                assert!(all.contains(name), "{name}: {all}");
            }
            assert!(answer.header("cache-control").contains("private"));
        }
        // Each is good for its own representation alone.
        for (client, encoding, tag, status) in [
            (&elite, "identity", tags[0], 304),
            (&elite, "gzip", tags[1], 304),
            (&elite, "gzip", tags[0], 200),
            (&pro, "identity", tags[0], 200),
        ] {
            let request = client.request(Method::GET, "signals/latest");
            let request = request.header("Accept-Encoding", encoding).header("If-None-Match", tag);
            assert_eq!(client.send(request).await.status, status, "{encoding} {tag}");
        }
        for path in ["auth/me", "users/sessions", "users/api-keys", "signals/history", "signals/0"]
        {
            let answer = elite.get(path).await;
            let control = answer.header("cache-control");
            assert!(
                control.contains("private") || control.contains("no-store"),
                "{path}: {control}"
            );
        }
    })
    .await;
}

/// RFC 9110, sections 15.5.14 and 15.5.15; RFC 6585, section 5.
#[tokio::test]
async fn http_413_414_and_431_are_told_apart() {
    Alpine::on_every_back_end(async |alpine| {
        let client = alpine.as_holder(None);
        let large = json!({"email": "a@example.com", "password": "x".repeat(1 << 20)});
        assert_refused(&client.post("auth/login", &large).await, 413, "body-too-large");
        let long = format!("signals/latest?symbol={}", "A".repeat(9_000));
        assert_refused(&client.get(&long).await, 414, "uri-too-long");
        let request = client.request(Method::GET, "signals/latest");
        let answer = client.send(request.header("X-Long", "x".repeat(200_000))).await;
        assert_eq!(answer.status, 431);
    })
    .await;
}

/// RFC 9110, section 15.3.2.
#[tokio::test]
async fn http_201_says_where_what_was_made_stands() {
    Alpine::on_every_back_end(async |alpine| {
        let elite = alpine.as_holder(Some(&alpine.token_of(Tier::Elite, Role::User).await));
        let stored = alpine.ingest(&SignalBody::new("one", "70").to_json()).await;
        let id = stored.expect(201)["alpine_signal_id"].to_string();
        let id = id.trim_matches('"');
        let place = stored.header("location");
        // The producer may read it there; others where signals are read.
        assert_eq!(place, "/api/v1/external-signals/signals/one");
        let producer = alpine.app.client().with_key(&alpine.producer_key);
        assert_eq!(producer.get(place).await.expect(200)["id"], id);
        assert_eq!(elite.get(&format!("signals/{id}")).await.expect(200)["id"], id);
        for (path, body) in [
            ("users/api-keys", json!({"name": "bot"})),
            ("auth/signup", json!({"email": "eve@example.com", "password": Client::PASSWORD, "full_name": "Eve"})),
        ] {
            let made = elite.post(path, &body).await;
            made.expect(201);
            assert!(made.header("location").starts_with("/api/v1/"), "{path}");
        }
    })
    .await;
}

/// RFC 9112, sections 6.1 and 6.3: what two readers would end in two places is answered and closed.
#[tokio::test]
async fn http_conflicting_lengths_are_400_and_the_connection_is_closed() {
    Alpine::on_every_back_end(async |alpine| {
        let address: SocketAddr = alpine.app.base.trim_start_matches("http://").parse().unwrap();
        for headers in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: -5\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
        ] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "POST /api/v1/auth/login HTTP/1.1\r\nHost: alpine\r\n\
                 Content-Type: application/json\r\n{headers}\r\n\
                 0\r\n\r\nGET /health/liveness HTTP/1.1\r\nHost: alpine\r\n\r\n"
            );
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: {answer}");
        }
    })
    .await;
}
