//! What ended long ago is deleted while Alpine serves.

use std::time::{Duration, Instant};

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use serde_json::json;

use crate::{alpine::Alpine, support::Options};

const DAY: Duration = Duration::from_hours(24);

async fn has_deleted(alpine: &Alpine, table: &str, rows: u32) -> bool {
    let line = format!("retention_deleted_rows_total{{table=\"{table}\"}} {rows}\n");
    alpine.get("/metrics", None).await.text.contains(&line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_deleted_ninety_days_after_its_last_refresh_could_have_been() {
    let often = || Options::default().set("ALPINE__RETENTION__INTERVAL", "20ms");
    Alpine::with(often, async |alpine| {
        let first = alpine.sign_in_as(Tier::Pro, Role::User).await;
        let body = json!({"refresh_token": first.refresh_token});
        let second = alpine.post("auth/refresh", &body, None).await.expect(200);
        alpine.clock.advance(120 * DAY);
        // Later sign-ins are deleted later; this one lasts as long as its own month.
        let third = alpine.sign_in_as(Tier::Pro, Role::User).await;
        // Many runs, none of which finds anything due yet.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!has_deleted(&alpine, "sessions", 1).await);
        let due = Instant::now();
        alpine.clock.advance(Duration::from_secs(1));
        let promise = "`retention.interval`, 20 ms here; two seconds for a busy machine";
        Wait::promised(Duration::from_millis(2_020), due, promise)
            .until("it is deleted", async || has_deleted(&alpine, "sessions", 1).await)
            .await;
        assert!(has_deleted(&alpine, "refresh_tokens", 2).await);
        for token in [&first.refresh_token, second["refresh_token"].as_str().unwrap()] {
            let gone = alpine.post("auth/refresh", &json!({"refresh_token": token}), None).await;
            assert_eq!(gone.status, 401);
        }
        let body = json!({"refresh_token": third.refresh_token});
        alpine.post("auth/refresh", &body, None).await.expect(200);
        assert!(has_deleted(&alpine, "sessions", 1).await, "and no other");
    })
    .await;
}
