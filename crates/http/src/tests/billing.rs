//! What users are shown of what they pay.

use alpine_domain::{
    Clock as _,
    account::{Role, Tier, UserId},
    billing::{BillingInterval, CurrentSubscription, Entitlement, Reading},
    ports::payments::{ProviderInvoice, SubscriptionStatus},
};
use serde_json::{Value, json};

use super::harness::{World, wait, world};

fn user_of(token: &str) -> UserId {
    token.split('.').next().unwrap().parse().unwrap()
}

impl World {
    /// A user who pays for Pro by the month, with so many invoices, each of another second; an access token.
    fn subscriber(&self, invoices: i64) -> String {
        let token = self.token(Tier::Free, Role::User);
        let (user, now) = (user_of(&token), self.clock.now());
        wait(self.stores.billing.link(user, "cus_1", now, now)).unwrap();
        let invoice = |number: i64| ProviderInvoice {
            id: format!("in_{number}"),
            number: None,
            subscription: Some("sub_1".to_owned()),
            status: "paid".to_owned(),
            due_cents: 9_900,
            paid_cents: 9_900,
            refunded_cents: 0,
            is_disputed: false,
            currency: "usd".to_owned(),
            created_at: now.earlier(std::time::Duration::from_secs(number.unsigned_abs())),
            paid_at: Some(now),
            url: None,
            pdf: None,
        };
        let invoices = (0..invoices).map(|number| (invoice(number), Some(Tier::Pro))).collect();
        self.read(user, Some(Tier::Pro), invoices);
        token
    }

    /// What the provider says is read: a subscription for Pro that gives this.
    fn read(
        &self,
        user: UserId,
        granted: Option<Tier>,
        invoices: Vec<(ProviderInvoice, Option<Tier>)>,
    ) {
        let (billing, now) = (&self.stores.billing, self.clock.now());
        let subscription = CurrentSubscription {
            id: "sub_1".to_owned(),
            item: "si_1".to_owned(),
            status: SubscriptionStatus::Active,
            tier: Some(Tier::Pro),
            interval: Some(BillingInterval::Month),
            cents: Some(9_900),
            period_end: now,
            is_ending: false,
            trial_end: None,
        };
        let entitlement =
            Entitlement { subscribed: Some(Tier::Pro), granted, ..Entitlement::default() };
        wait(async {
            let number = billing.begin_reading(user).await.unwrap();
            let subscription = Some(subscription);
            let reading = Reading { user, number, entitlement, subscription, invoices, now };
            billing.apply(reading).await.unwrap();
        });
    }
}

#[actix_web::test]
async fn what_gives_nothing_has_no_price_though_it_goes_on() {
    let world = world();
    let token = world.subscriber(1);
    let shown = async || {
        let plan = world.get_as(&token, "/api/v1/subscriptions/plan").await.json();
        ["tier", "is_active", "price", "status", "interval"].map(|name| plan[name].clone())
    };
    let words = |tier, is_active, price| {
        [json!(tier), json!(is_active), json!(price), json!("active"), json!("month")]
    };
    assert_eq!(shown().await, words("pro", true, 99.0));
    // The money went back.
    world.read(user_of(&token), None, Vec::new());
    assert_eq!(shown().await, words("free", false, 0.0));
}

/// Pages of every size hold what the whole list holds, in its order.
#[actix_web::test]
async fn pages_of_invoices_lead_to_each_other_and_skip_none() {
    let world = world();
    let token = world.subscriber(6);
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let whole = ids(&world.get_as(&token, "/api/v1/subscriptions/invoices").await.json());
    let newest_first: Vec<_> = (0..6).map(|number| format!("in_{number}")).collect();
    assert_eq!(whole, newest_first);
    for limit in [1, 2, 3, 5, 6] {
        let mut path = format!("/api/v1/subscriptions/invoices?limit={limit}");
        let mut read = Vec::new();
        loop {
            let answer = world.get_as(&token, &path).await;
            let page = answer.json();
            read.extend(ids(&page));
            assert_eq!(page["has_more"].as_bool(), Some(read.len() < whole.len()), "{limit}");
            let link = answer.header("link").strip_prefix('<');
            let Some((next, _)) = link.and_then(|link| link.split_once('>')) else { break };
            let cursor = page["next_cursor"].as_str().unwrap();
            assert!(next.contains(&format!("limit={limit}")) && next.ends_with(cursor), "{next}");
            path = next.to_owned();
        }
        assert_eq!(read, whole, "{limit}");
    }
}
