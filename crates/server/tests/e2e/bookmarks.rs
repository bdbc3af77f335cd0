//! The worked example of a capability, on every combination of back ends.

#[path = "../../examples/bookmarks/capability.rs"]
mod capability;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Backend, Client, Options, TestApp, backends};

async fn with_bookmarks(backend: &Backend) -> TestApp {
    let options = Options { more_routes: Some(capability::routes), ..Options::default() };
    let app = TestApp::spawn_with(backend, options).await;
    capability::migrate(&app.core.database).await.unwrap();
    app
}

async fn signed_in(app: &TestApp, email: &str) -> Client {
    let client = app.client();
    client.with_token(&client.sign_up(email).await.access_token)
}

#[tokio::test]
async fn what_is_bookmarked_is_true_at_once_for_its_owner_alone() {
    for backend in backends() {
        let app = with_bookmarks(&backend).await;
        let (ada, bob) =
            (signed_in(&app, "ada@example.com").await, signed_in(&app, "bob@example.com").await);
        let list = json!({"items": [], "total": 0});
        assert_eq!(ada.get("bookmarks").await.expect(200), list, "{backend:?}");
        assert_eq!(bob.get("bookmarks").await.expect(200), list);

        for (symbol, items) in [
            ("MSFT", json!(["MSFT"])),
            ("BTC/USD", json!(["BTC/USD", "MSFT"])),
            ("MSFT", json!(["BTC/USD", "MSFT"])),
        ] {
            let list = json!({"items": items, "total": items.as_array().unwrap().len()});
            let answer = ada.post("bookmarks", &json!({"symbol": symbol})).await;
            assert_eq!(answer.expect(200), list);
            assert_eq!(ada.get("bookmarks").await.expect(200), list);
        }
        let current = ada.get("bookmarks").await;
        let known = ada.request(reqwest::Method::GET, "bookmarks");
        let known = ada.send(known.header("If-None-Match", current.header("etag"))).await;
        assert_eq!(known.status, 304);

        let not_hers = bob.delete("bookmarks/BTC%2FUSD").await;
        assert_eq!(not_hers.expect(404)["type"], "/problems/not-found");
        let list = json!({"items": ["MSFT"], "total": 1});
        assert_eq!(ada.delete("bookmarks/BTC%2FUSD").await.expect(200), list);
        assert_eq!(ada.get("bookmarks").await.expect(200), list);
        let again = ada.delete("bookmarks/BTC%2FUSD").await;
        assert_eq!(again.expect(404)["type"], "/problems/not-found");

        let refused = ada.post("bookmarks", &json!({"symbol": "<none>"})).await;
        assert_eq!(refused.expect(422)["type"], "/problems/invalid");
        assert_eq!(refused.refused_fields(), ["symbol"]);
        let anonymous = app.client().get("bookmarks").await;
        assert_eq!(anonymous.expect(401)["type"], "/problems/unauthenticated");
    }
}

#[tokio::test]
async fn requests_at_once_do_not_pass_the_bound_together() {
    for backend in backends() {
        let app = with_bookmarks(&backend).await;
        let ada = signed_in(&app, "ada@example.com").await;
        let mut statuses = Vec::new();
        for wave in 0..11 {
            let posts = (0..10).map(|n| {
                let (ada, body) = (ada.clone(), json!({"symbol": format!("S{wave}-{n}")}));
                async move { ada.post("bookmarks", &body).await }
            });
            statuses.extend(join_all(posts).await.into_iter().map(|answer| {
                if answer.status == 409 {
                    assert_eq!(answer.json()["type"], "/problems/limit-reached");
                }
                answer.status.as_u16()
            }));
        }
        let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(200), count(409)), (100, 10), "{backend:?}: {statuses:?}");
        assert_eq!(ada.get("bookmarks").await.expect(200)["total"], 100);
    }
}

#[tokio::test]
async fn the_description_of_the_api_has_its_routes() {
    let app = with_bookmarks(&Backend::SqliteMemory).await;
    let document = app.client().get("/openapi.json").await.expect(200);
    let list = &document["paths"]["/api/v1/bookmarks"];
    assert_eq!(list["get"]["operationId"], "bookmarks");
    let body = &list["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(body, "#/components/schemas/BookmarkRequest");
    let one = &document["paths"]["/api/v1/bookmarks/{symbol}"]["delete"];
    let answer = &one["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(answer, "#/components/schemas/Bookmarks");
}
