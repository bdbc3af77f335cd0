//! Clients of the Python original work unchanged: its paths, and its producer's requests.

use serde_json::{Value, json};

use crate::alpine::Alpine;

/// The same handlers answer under the canonical prefix and under the original one.
#[tokio::test]
async fn the_originals_paths_reach_the_same_handlers() {
    Alpine::on_every_back_end(async |alpine| {
        let body = json!({"email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"});
        assert_eq!(alpine.post("/api/auth/signup", &body, None).await.status, 201);
        let form = [("username", "ada@example.com"), ("password", "a quiet river at dawn")];
        let answer: Value = alpine.post_form("/api/auth/login", &form).await.json();
        let token = answer["access_token"].as_str().unwrap();
        for path in [
            "signals/latest", "signals/latest?limit=5&premium_only=true", "signals/subscribed",
            "signals/live", "signals/history", "signals/export", "auth/me", "users/profile",
            "performance/stats", "performance/equity-curve", "symbols", "external-signals/sync/health",
        ] {
            let old = alpine.get(&format!("/api/{path}"), Some(token)).await;
            let new = alpine.get(&format!("/api/v1/{path}"), Some(token)).await;
            assert_eq!((old.status.as_u16(), new.status.as_u16()), (200, 200), "{path}");
            assert_eq!(old.text, new.text, "{path}");
        }
        assert_eq!(alpine.post("/api/auth/logout", &json!({}), Some(token)).await.status, 200);
        assert_eq!(alpine.get("/api/users/profile", Some(token)).await.status, 401);
    })
    .await;
}

/// The original producer's request: `verification_hash`, explicit nulls, its own answer's names.
#[tokio::test]
async fn the_original_producers_requests_work() {
    Alpine::on_every_back_end(async |alpine| {
        let request = r#"{"signal_id": "SIG-1", "symbol": "AAPL", "action": "BUY", "entry_price": 175.5,
            "target_price": null, "stop_price": null, "confidence": 95.5, "strategy": "weighted_consensus_v6",
            "asset_type": "stock", "data_source": "weighted_consensus", "timestamp": "2025-01-15T10:30:00+00:00",
            "reasoning": null, "regime": null, "consensus_agreement": null, "sources_count": null,
            "verification_hash": "c06f39e9228f34088b9940470d7b36ec33f3388135a74d758638c7812b8b77f0"}"#;
        let path = "/api/external-signals/sync/signal";
        let answer = alpine.post_as_producer(path, request.to_owned()).await;
        assert_eq!(answer.status, 201);
        let answer: Value = answer.json();
        assert_eq!(answer["status"], "success");
        assert_eq!(answer["external_signal_id"], "SIG-1");
        assert_eq!(answer["signal_id"], answer["alpine_signal_id"]);
        assert!(answer["alpine_signal_id"].is_i64());

        let again: Value = alpine.post_as_producer(path, request.to_owned()).await.json();
        assert_eq!((&again["status"], &again["existing_signal_id"]), (&json!(409), &answer["alpine_signal_id"]));
        for key in ["error", "message", "path"] {
            assert!(again[key].is_string(), "the original's {key}");
        }
        let wrong = request.replace("c06f39e9", "00000000");
        assert_eq!(alpine.post_as_producer(path, wrong).await.status, 400);
        assert_eq!(alpine.post(path, &json!({}), None).await.status, 401);
        let health = alpine.json("/api/external-signals/sync/health", None).await;
        assert!(health["status"].is_string() && health["service"].is_string() && health["endpoint"].is_string());
    })
    .await;
}
