//! Pages of what a user is told.

use alpine_domain::account::{AccountChanges, Role, Tier};
use serde_json::{Value, json};

use super::harness::{wait, world};

/// A last page is told to be the last one, also when it is full.
#[actix_web::test]
async fn a_page_says_whether_more_follow() {
    let world = world();
    let token = world.token(Tier::Free, Role::User);
    let user = token.split('.').next().unwrap().parse().unwrap();
    for tier in [Tier::Starter, Tier::Pro, Tier::Elite] {
        world.clock.advance(std::time::Duration::from_secs(1));
        let changes = AccountChanges { tier: Some(tier), is_active: None };
        wait(world.state.services.use_cases.administration.change(user, changes, None)).unwrap();
    }
    for list in ["notifications", "notifications/unread"] {
        let page = async |query: &str| -> (usize, Value, bool, bool) {
            let answer = world.get_as(&token, &format!("/api/v1/{list}?{query}")).await;
            let page = answer.json();
            let told = page["items"].as_array().unwrap().len();
            let has_link = !answer.header("link").is_empty();
            (told, page["has_more"].clone(), page["next_cursor"].is_string(), has_link)
        };
        let follow = |told| (told, json!(true), true, true);
        let last = |told| (told, json!(false), false, false);
        assert_eq!(page("limit=2").await, follow(2), "{list}");
        assert_eq!(page("limit=3").await, last(3), "{list}: full, and the last one");
        assert_eq!(page("limit=4").await, last(3), "{list}");
        assert_eq!(page("limit=2&offset=1").await, last(2), "{list}: full, and the last one");
    }
}
