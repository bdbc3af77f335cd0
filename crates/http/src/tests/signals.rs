//! Shapes of signals, files, and bodies from the cache.

use std::{io::Read as _, sync::atomic::Ordering, time::Duration};

use actix_web::http::StatusCode;
use alpine_domain::{
    Clock as _,
    account::{Role, Tier},
    ports::cache::Scope,
    producer::ProducerId,
    signal::{Accepted, NewOutcome, NewSignal, OutcomeRecorded, SignalId, VerificationHash},
};

use super::harness::{PRODUCER_KEY, World, assert_problem, bearer, get, post, signal, world};

fn with_signals(count: usize) -> (World, Vec<SignalId>) {
    let world = world();
    let ids = world.signals(count);
    (world, ids)
}

#[actix_web::test]
async fn a_signal_keeps_the_producers_digits() {
    let (world, ids) = with_signals(1);
    let token = world.token(Tier::Starter, Role::User);
    let id = ids[0].to_string();
    let answer = world.get_as(&token, &format!("/api/v1/signals/{id}")).await;
    // Ids are random.
    insta::assert_snapshot!("signal", String::from_utf8_lossy(&answer.body).replace(&id, "1"));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    for missing in ["/api/v1/signals/2", "/api/v1/signals/x", "/api/v1/signals/-1"] {
        let answer = world.get_as(&token, missing).await;
        assert_problem(&answer, StatusCode::NOT_FOUND, "not-found");
    }
}

/// The texts that anybody can hash again give the hashes that the file holds, also of what was reported too late.
#[actix_web::test]
async fn each_text_of_a_verification_gives_its_hash_in_the_file() {
    let world = world();
    let at = world.clock.now();
    // The position had ended before the signal came.
    let exited_at = at.earlier(Duration::from_hours(1));
    let new = NewSignal { signalled_at: at.earlier(Duration::from_hours(2)), ..signal(1, at) };
    let accepted = world.stores.signals.accept(vec![new]).await.unwrap();
    let [Accepted::Stored(id)] = accepted[..] else { panic!("{accepted:?}") };
    world.clock.advance(Duration::from_hours(40 * 24));
    let (now, horizon) = (world.clock.now(), Duration::from_hours(30 * 24));
    assert_eq!(world.stores.signals.expire(now, horizon, &[], 10).await.unwrap(), [id]);
    let reported = NewOutcome {
        producer: ProducerId::new(1),
        external_id: "SIG-1".parse().unwrap(),
        exit_price: "180".parse().unwrap(),
        exit_timestamp: exited_at.to_string(),
        exited_at,
        status: None,
        recorded_at: now,
    };
    let recorded = world.stores.signals.record_outcome(reported).await.unwrap();
    assert!(matches!(recorded, OutcomeRecorded::Late(_)), "{recorded:?}");

    let token = world.token(Tier::Elite, Role::User);
    let path = format!("/api/v1/signals/{id}/verification");
    let shown = world.get_as(&token, &path).await.json();
    let file = "/api/v1/signals/export?format=ndjson&since=2025-01-01T00:00:00Z";
    let row = world.get_as(&token, file).await.json();
    for (record, column, late) in [
        (&shown["record"], "record_hash", None),
        (&shown["outcome"]["record"], "outcome_hash", Some(false)),
        (&shown["late_outcome"]["record"], "late_outcome_hash", Some(true)),
    ] {
        let text = record["text"].as_str().unwrap();
        let hash = VerificationHash::of(text);
        assert_eq!((&record["hash"], &row[column]), (&hash.as_str().into(), &hash.as_str().into()));
        let members: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(members.get("late").and_then(serde_json::Value::as_bool), late, "{column}");
    }
    // Beside the texts stands what the file says, too.
    let (ended, late) = (&shown["outcome"], &shown["late_outcome"]);
    for (told, in_file) in [
        (&ended["closed_at"], &row["closed_at"]),
        (&ended["received_at"], &row["outcome_received_at"]),
        (&ended["origin"], &row["outcome_origin"]),
        (&late["closed_at"], &row["late_outcome"]["exit_time"]),
        (&late["received_at"], &row["late_outcome"]["received_at"]),
        (&late["exit_timestamp"], &row["late_exit_timestamp"]),
    ] {
        assert!(told.is_string(), "{shown}");
        assert_eq!(told, in_file);
    }
    assert_eq!((&ended["origin"], &late["origin"]), (&"live".into(), &"backfilled".into()));
    assert_eq!(late["received_at"], now.to_string());
}

#[actix_web::test]
async fn lists_have_the_shapes_that_clients_know() {
    let (world, ids) = with_signals(3);
    let token = world.token(Tier::Starter, Role::User);
    let latest = world.get_as(&token, "/api/v1/signals/latest?limit=2").await.json();
    assert_eq!(latest.as_array().unwrap().len(), 2);
    let live = world.get_as(&token, "/api/v1/signals/live").await.json();
    assert_eq!((&live["user_tier"], &live["count"]), (&"starter".into(), &3.into()));
    let history = world.get_as(&token, "/api/v1/signals/history").await.json();
    assert_eq!(history[0]["signal_id"], ids[2].to_string());
    let path = "/api/v1/signals/subscribed?limit=2&symbol=aapl&x=%22";
    let answer = world.get_as(&token, path).await;
    let page = answer.json();
    assert_eq!((&page["total"], &page["has_more"]), (&3.into(), &true.into()));
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(
        answer.header("link"),
        format!(
            "</api/v1/signals/subscribed?limit=2&premium_only=false&symbol=AAPL&cursor={cursor}>; rel=\"next\""
        )
    );
    let next = format!("/api/v1/signals/subscribed?limit=2&cursor={cursor}");
    let answer = world.get_as(&token, &next).await;
    assert_eq!(answer.json()["items"][0]["id"], ids[0].to_string());
    assert_eq!(answer.header("link"), "");
}

#[actix_web::test]
async fn no_group_shares_an_entry_of_the_cache_with_another() {
    let (world, _) = with_signals(1);
    let free = world.token(Tier::Free, Role::User);
    let elite = world.token(Tier::Elite, Role::User);
    let path = "/api/v1/signals/latest";
    assert_eq!(world.get(path).await.json().as_array().unwrap().len(), 0);
    assert_eq!(world.get_as(&free, path).await.json().as_array().unwrap().len(), 0);
    assert_eq!(world.get_as(&elite, path).await.json().as_array().unwrap().len(), 1);
    world.get_as(&free, "/api/v1/auth/me").await;
    let keys = world.cache.keys.lock().unwrap();
    let scopes: Vec<_> = keys.iter().map(|key| key.scope.clone()).collect();
    assert_eq!(scopes[..3], ["anonymous", "free", "elite"].map(Scope::Group));
    assert!(matches!(&scopes[3], Scope::Principal(id) if free.starts_with(id.as_str())));
}

#[actix_web::test]
async fn bodies_are_made_once_and_validated_by_coding() {
    let (world, _) = with_signals(20);
    let token = world.token(Tier::Elite, Role::Admin);
    let ask = |headers: &[(&'static str, &str)]| {
        let request = get("/api/v1/signals/latest?limit=20").insert_header(bearer(&token));
        headers
            .iter()
            .fold(request, |request, (name, value)| request.insert_header((*name, *value)))
    };
    let plain = world.send(ask(&[])).await;
    let again = world.send(ask(&[])).await;
    assert_eq!((plain.header("x-cache"), again.header("x-cache")), ("MISS", "HIT"));
    assert_eq!(plain.header("cache-control"), "private, no-cache");
    for credential in ["Authorization", "X-API-Key"] {
        assert!(plain.all("vary").contains(credential), "{}", plain.all("vary"));
    }

    let packed = world.send(ask(&[("accept-encoding", "gzip")])).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    assert_ne!(plain.header("etag"), packed.header("etag"));

    let known = [("if-none-match", plain.header("etag"))];
    let unchanged = world.send(ask(&known)).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    for name in ["etag", "cache-control", "vary"] {
        assert_eq!(unchanged.all(name), plain.all(name), "RFC 9110, section 15.4.5: {name}");
    }
    let other_coding = [("accept-encoding", "gzip"), known[0]];
    assert_eq!(world.send(ask(&other_coding)).await.status, 200);
}

#[actix_web::test]
async fn files_are_streamed_in_three_forms() {
    let (world, ids) = with_signals(1_203);
    let token = world.token(Tier::Elite, Role::User);
    let answer = world.get_as(&token, "/api/v1/signals/export").await;
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"signals_20250115.csv\""
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns[..6], ["id", "symbol", "action", "entry_price", "confidence", "timestamp"]);
    let newest = lines.next().unwrap();
    let first = format!(
        "{},AAPL,BUY,175.50,80.50,2025-01-15T10:30:00+00:00,false,SIG-1203,argo,\
         2025-01-15T12:00:00Z,live,STANDARD,open,weighted_consensus_v6,stock,1e+16,,,",
        ids[1_202]
    );
    assert!(newest.starts_with(&first), "{newest}");
    assert_eq!(newest.split(',').count(), columns.len());
    assert_eq!(lines.count(), 1_202);
    let answer = world.get_as(&token, "/api/v1/signals/export?format=json").await;
    assert_eq!(answer.json().as_array().unwrap().len(), 1_203);
    let answer = world.get_as(&token, "/api/v1/signals/export?format=ndjson&period=7d").await;
    assert_eq!(String::from_utf8_lossy(&answer.body).lines().count(), 1_203);
}

/// What arrives of a file whose rest cannot be read, over a real connection: its whole chunks.
async fn broken_export(world: &World, token: &str, format: &str) -> String {
    use std::io::{Read as _, Write as _};
    let (address, handle) = world.listen();
    let head = format!(
        "GET /api/v1/signals/export?format={format} HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {token}\r\nX-Request-Id: req-{format}\r\n\r\n"
    );
    let answer = actix_web::web::block(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // However the connection ends.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    let answer = answer.await.unwrap();
    handle.stop(false).await;
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("chunked"), "{head}");
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        assert!(size > 0, "the transfer looks complete");
        body.push_str(&chunk[..size]);
        rest = chunk[size..].strip_prefix("\r\n").unwrap();
    }
    body
}

#[actix_web::test]
async fn a_file_that_cannot_be_finished_says_so() {
    for format in ["ndjson", "json", "csv"] {
        let (world, _) = with_signals(1_203);
        world.reader.lists_left.store(1, Ordering::SeqCst);
        let token = world.token(Tier::Elite, Role::User);
        let body = broken_export(&world, &token, format).await;
        assert!(!body.contains("10.1.2.3"), "{body}");
        let (rows, last) = body.trim_end().rsplit_once('\n').unwrap_or(("", &body));
        match format {
            "ndjson" => {
                assert_eq!(rows.lines().count(), 500);
                let last: serde_json::Value = serde_json::from_str(last).unwrap();
                let error = &last["error"];
                assert_eq!(error["type"], "/problems/unavailable");
                assert_eq!(
                    (&error["request_id"], &error["status"]),
                    (&"req-ndjson".into(), &503.into())
                );
            }
            "json" => {
                assert!(serde_json::from_str::<serde_json::Value>(&body).is_err());
                let closed: serde_json::Value = serde_json::from_str(&format!("{body}]")).unwrap();
                let closed = closed.as_array().unwrap();
                assert_eq!(closed.len(), 501);
                assert_eq!(closed[500]["error"]["request_id"], "req-json");
            }
            _ => {
                assert_eq!(rows.lines().count(), 501);
                assert!(last.starts_with("\"the export broke off here: {\"\"type"), "{last}");
                assert_eq!(body.matches('"').count() % 2, 1, "the last cell is not closed");
            }
        }
        let metrics = world.get("/metrics").await;
        let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
        assert!(metrics.contains("http_exports_broken_off_total 1\n"));
        // Its place is free again.
        world.reader.lists_left.store(usize::MAX, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(world.get_as(&token, "/api/v1/signals/export").await.status, 200);
        }
    }
}

#[actix_web::test]
async fn a_signal_is_stored_once_and_named() {
    let body = r#"{"action": "BUY", "confidence": 95.5, "entry_price": 175.5, "signal_id": "SIG-1",
        "stop_price": 171.0, "strategy": "weighted_consensus_v6", "symbol": "AAPL",
        "target_price": 184.25, "timestamp": "2025-01-15T10:30:00+00:00",
        "sha256": "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9"}"#;
    let world = world();
    let push = |body: &str| {
        post("/api/v1/external-signals/sync/signal", body)
            .insert_header(("x-api-key", PRODUCER_KEY))
    };
    let elite = world.token(Tier::Elite, Role::User);
    let list = "/api/v1/signals/latest";
    assert_eq!(world.get_as(&elite, list).await.body, "[]");
    let answer = world.send(push(body)).await;
    assert_eq!(answer.header("location"), "/api/v1/external-signals/signals/SIG-1");
    let id = answer.json()["alpine_signal_id"].to_string();
    let id = id.as_str();
    assert_eq!(answer.status, 201);
    // Ids are random.
    insta::assert_snapshot!("stored", String::from_utf8_lossy(&answer.body).replace(id, "1"));
    assert_eq!(world.get_as(&elite, list).await.json()[0]["type"], "PREMIUM");
    let answer = world.send(push(body)).await;
    assert_problem(&answer, StatusCode::CONFLICT, "duplicate-signal");
    assert_eq!(answer.json()["existing_signal_id"].to_string(), id);
    let answer = world.send(push(&body.replace("SIG-1", "SIG-2"))).await;
    assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed");
    assert_eq!(answer.json()["errors"][0]["field"], "sha256");
    let line = body.replace('\n', " ");
    let batch = format!("{line}\n{{\"signal_id\": \"SIG-3\"}}\n");
    let batch = post("/api/v1/external-signals/sync/batch", &batch)
        .insert_header(("content-type", "application/x-ndjson"))
        .insert_header(("x-api-key", PRODUCER_KEY));
    let result = world.send(batch).await.json();
    assert_eq!((&result["duplicates"], &result["refused"]), (&1.into(), &1.into()));
    assert_eq!(result["results"][1]["line"], 2);
    assert_eq!(result["results"][1]["errors"][0]["field"], "symbol");
}

/// A body of 30 kB, in which every line has seven errors.
#[actix_web::test]
async fn refused_lines_are_told_within_a_bound_and_counted_beyond() {
    let world = world();
    let batch = post("/api/v1/external-signals/sync/batch", &"{}\n".repeat(10_000))
        .insert_header(("content-type", "application/x-ndjson"))
        .insert_header(("x-api-key", PRODUCER_KEY));
    let answer = world.send(batch).await;
    assert!(answer.body.len() < 100_000, "{}", answer.body.len());
    let result = answer.json();
    assert_eq!((&result["refused"], &result["refused_untold"]), (&10_000.into(), &9_858.into()));
    let told = result["results"].as_array().unwrap();
    assert!(told.iter().all(|line| line["errors"].as_array().unwrap().len() == 7));
    assert_eq!((told.len(), &told[141]["line"]), (142, &142.into()));
}
