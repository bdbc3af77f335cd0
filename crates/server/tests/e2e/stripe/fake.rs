//! A Stripe of the tests' own: the shapes, errors, pages and idempotency of API 2025-02-24.acacia, as far as Alpine asks.
//! What it sends is held to the fields of Stripe's own description (`shapes.rs`), and whatever a plain object has is there,
//! so that a reader of the real objects is tried.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{Method, StatusCode},
    web::{self, Bytes},
};
use serde_json::{Value, json};

use super::shapes::{completed, faults, list, sent};

pub const KEY: &str = "sk_test_0123456789abcdef";
pub const WEBHOOK_SECRET: &str = "whsec_0123456789abcdef";

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// They are answered with this status.
    Failing(u16),
    /// They are answered after a minute.
    Hanging,
}

#[derive(Default)]
pub struct Books {
    pub mood: Mood,
    /// Of each kind the objects, the newest first.
    pub objects: BTreeMap<&'static str, Vec<Value>>,
    /// What was answered to which idempotency key.
    answered: BTreeMap<String, (String, Answer)>,
    made: u32,
    /// Method and path of each request.
    pub asked: Vec<String>,
    /// What was sent and is not as Stripe sends it.
    pub faults: Vec<String>,
}

#[derive(Clone)]
pub struct FakeStripe {
    pub url: String,
    books: Arc<Mutex<Books>>,
}

impl FakeStripe {
    /// Serves on a free port until the test's runtime ends.
    pub fn start() -> Self {
        let books = Arc::new(Mutex::new(Books::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { url, books };
        let shared = fake.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(answer))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        fake.price("price_starter", 4_900, "month");
        fake.price("price_pro", 9_900, "month");
        fake.price("price_elite", 24_900, "month");
        fake.price("price_pro_year", 99_000, "year");
        fake
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// Panics if something was sent that is not as Stripe sends it.
    pub fn expect_faultless(&self) {
        let faults = std::mem::take(&mut self.books().faults);
        assert!(faults.is_empty(), "what the fake sent is not as Stripe sends it: {faults:#?}");
    }

    pub fn set(&self, mood: Mood) {
        self.books().mood = mood;
    }

    fn price(&self, id: &str, cents: u32, interval: &str) {
        self.books().objects.entry("prices").or_default().push(completed(json!({
            "id": id, "object": "price", "active": true, "billing_scheme": "per_unit", "created": 1_735_689_600,
            "currency": "usd", "livemode": false, "product": "prod_1", "tax_behavior": "unspecified",
            "recurring": {"interval": interval, "interval_count": 1, "usage_type": "licensed"},
            "type": "recurring", "unit_amount": cents, "unit_amount_decimal": cents.to_string(),
        })));
    }

    /// The payer pays the newest checkout of this customer, from `from` on for `days`. The subscription.
    pub fn pay(&self, customer: &str, from: i64, days: i64) -> String {
        let mut books = self.books();
        let checkouts = &books.objects["checkout/sessions"];
        let session = checkouts.iter().find(|it| it["customer"] == customer).unwrap();
        let price = session["price_of_the_test"].as_str().unwrap().to_owned();
        let id = books.subscribe(customer, &price, from, days);
        books.bill(customer, &id, from, true);
        id
    }

    /// Changes the subscription.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let mut books = self.books();
        change(books.find_mut("subscriptions", id).unwrap());
    }

    /// Changes the newest charge of this customer; its id.
    pub fn change_charge(&self, customer: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut books = self.books();
        let charges = books.objects.get_mut("charges").unwrap();
        let charge = charges.iter_mut().find(|it| it["customer"] == customer).unwrap();
        change(charge);
        charge["id"].as_str().unwrap().to_owned()
    }

    /// A renewal: the period moves on, and an invoice is paid, or is not.
    pub fn renew(&self, customer: &str, id: &str, from: i64, days: i64, is_paid: bool) {
        let mut books = self.books();
        let it = books.find_mut("subscriptions", id).unwrap();
        it["current_period_start"] = json!(from);
        it["current_period_end"] = json!(from + days * 86_400);
        it["status"] = json!(if is_paid { "active" } else { "past_due" });
        books.bill(customer, id, from, is_paid);
    }

    /// An event as it is sent, with its id.
    pub fn event(&self, kind: &str, object: &Value) -> (String, String) {
        let mut books = self.books();
        let id = books.new_id("evt");
        let event = json!({
            "id": id, "object": "event", "api_version": "2025-02-24.acacia", "created": 1_767_225_600,
            "data": {"object": object}, "livemode": false, "pending_webhooks": 1,
            "request": {"id": "req_1", "idempotency_key": null}, "type": kind,
        });
        books.faults.extend(faults(&event));
        (id, event.to_string())
    }
}

impl Books {
    fn new_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:014}", self.made)
    }

    pub fn find_mut(&mut self, kind: &'static str, id: &str) -> Option<&mut Value> {
        self.objects.get_mut(kind)?.iter_mut().find(|it| it["id"] == id)
    }

    fn find(&self, kind: &str, id: &str) -> Option<&Value> {
        self.objects.get(kind)?.iter().find(|it| it["id"] == id)
    }

    pub fn add(&mut self, kind: &'static str, object: Value) -> Value {
        let object = completed(object);
        self.objects.entry(kind).or_default().insert(0, object.clone());
        object
    }

    pub fn subscribe(&mut self, customer: &str, price: &str, from: i64, days: i64) -> String {
        let (id, item) = (self.new_id("sub"), self.new_id("si"));
        let price = self.find("prices", price).unwrap().clone();
        let plan = json!({"id": price["id"], "object": "plan", "active": true, "currency": "usd", "interval": "month",
            "interval_count": 1, "billing_scheme": "per_unit", "usage_type": "licensed"});
        let mut item = json!({"id": item, "object": "subscription_item", "created": from, "plan": plan,
            "quantity": 1, "subscription": id});
        item["price"] = price;
        let subscription = json!({
            "id": id, "object": "subscription", "billing_cycle_anchor": from, "cancel_at_period_end": false,
            "collection_method": "charge_automatically", "created": from, "currency": "usd",
            "current_period_end": from + days * 86_400, "current_period_start": from, "customer": customer,
            "default_payment_method": "pm_1", "livemode": false, "start_date": from, "status": "active",
            "items": list("/v1/subscription_items", &[item], false),
        });
        self.add("subscriptions", subscription);
        id
    }

    fn bill(&mut self, customer: &str, subscription: &str, at: i64, is_paid: bool) {
        let amount = self.find("subscriptions", subscription).unwrap()["items"]["data"][0]["price"]
            ["unit_amount"]
            .clone();
        let (id, charge) = (self.new_id("in"), self.new_id("ch"));
        let invoice = json!({
            "id": id, "object": "invoice", "amount_due": amount, "amount_paid": if is_paid { amount.clone() } else { json!(0) },
            "amount_remaining": if is_paid { json!(0) } else { amount.clone() }, "attempt_count": 1, "attempted": true,
            "billing_reason": "subscription_cycle", "charge": charge, "collection_method": "charge_automatically",
            "created": at, "currency": "usd", "customer": customer, "hosted_invoice_url": format!("https://invoice.example.com/{id}"),
            "invoice_pdf": format!("https://invoice.example.com/{id}/pdf"), "livemode": false, "metadata": {},
            "number": format!("ALPINE-{}", self.made), "paid": is_paid, "payment_intent": "pi_1",
            "status": if is_paid { "paid" } else { "open" },
            "status_transitions": {"finalized_at": at, "marked_uncollectible_at": null,
                "paid_at": is_paid.then_some(at), "voided_at": null},
            "subscription": subscription, "total": amount,
        });
        self.add("invoices", invoice);
        if is_paid {
            self.add("charges", json!({
                "id": charge, "object": "charge", "amount": amount, "amount_captured": amount, "amount_refunded": 0,
                "captured": true, "created": at, "currency": "usd", "customer": customer, "disputed": false,
                "invoice": id, "livemode": false, "paid": true, "payment_intent": "pi_1", "refunded": false,
                "status": "succeeded",
            }));
        }
    }

    fn post(&mut self, path: &str, form: &BTreeMap<String, String>) -> Answer {
        let of = |name: &str| form.get(name).cloned();
        match path.split('/').collect::<Vec<_>>()[..] {
            ["customers"] => {
                known(form, &["email", "metadata[reference]"])?;
                let id = self.new_id("cus");
                Ok(self.add("customers", json!({
                    "id": id, "object": "customer", "balance": 0, "created": 1_767_225_600, "currency": null,
                    "default_source": null, "delinquent": false, "description": null, "discount": null,
                    "email": of("email"), "livemode": false, "metadata": {"reference": of("metadata[reference]")},
                    "name": null, "phone": null, "preferred_locales": [], "shipping": null, "tax_exempt": "none",
                })))
            }
            ["checkout", "sessions"] => {
                known(
                    form,
                    &[
                        "mode",
                        "customer",
                        "client_reference_id",
                        "line_items[0][price]",
                        "line_items[0][quantity]",
                        "metadata[price]",
                        "success_url",
                        "cancel_url",
                    ],
                )?;
                let price = of("line_items[0][price]").unwrap();
                let customer = of("customer").unwrap();
                if self.find("prices", &price).is_none()
                    || self.find("customers", &customer).is_none()
                {
                    return Err((
                        StatusCode::BAD_REQUEST,
                        "invalid_request_error",
                        "resource_missing",
                    ));
                }
                let id = self.new_id("cs_test");
                let url = format!("https://checkout.example.com/c/pay/{id}");
                Ok(self.add("checkout/sessions", json!({
                    "id": id, "object": "checkout.session", "amount_total": null, "cancel_url": of("cancel_url"),
                    "client_reference_id": of("client_reference_id"), "currency": "usd", "customer": customer,
                    "livemode": false, "mode": "subscription", "payment_status": "unpaid", "status": "open",
                    "subscription": null, "success_url": of("success_url"), "url": url,
                    "metadata": {"price": of("metadata[price]")}, "price_of_the_test": price,
                })))
            }
            ["checkout", "sessions", id, "expire"] => {
                let session = self.find_mut("checkout/sessions", id).ok_or(MISSING)?;
                session["status"] = json!("expired");
                session["url"] = Value::Null;
                Ok(session.clone())
            }
            ["billing_portal", "sessions"] => {
                known(form, &["customer", "return_url"])?;
                let id = self.new_id("bps");
                Ok(completed(json!({
                    "id": id, "object": "billing_portal.session", "customer": of("customer"), "livemode": false,
                    "return_url": of("return_url"), "url": format!("https://portal.example.com/{id}"),
                })))
            }
            ["subscriptions", id] => self.change_subscription(id, form),
            _ => Err(MISSING),
        }
    }

    fn change_subscription(&mut self, id: &str, form: &BTreeMap<String, String>) -> Answer {
        let of = |name: &str| form.get(name).cloned();
        known(
            form,
            &[
                "items[0][id]",
                "items[0][price]",
                "cancel_at_period_end",
                "proration_behavior",
                "payment_behavior",
            ],
        )?;
        let price = of("items[0][price]").map(|id| self.find("prices", &id).cloned().unwrap());
        let it = self.find_mut("subscriptions", id).ok_or(MISSING)?;
        if it["status"] == "canceled" {
            return Err((StatusCode::BAD_REQUEST, "invalid_request_error", "resource_missing"));
        }
        if it["declines_of_the_test"] == true {
            return Err((StatusCode::PAYMENT_REQUIRED, "card_error", "card_declined"));
        }
        if let Some(price) = price {
            if it["items"]["data"][0]["id"] != of("items[0][id]").unwrap() {
                return Err(MISSING);
            }
            it["items"]["data"][0]["price"] = price;
        }
        if let Some(ending) = of("cancel_at_period_end") {
            it["cancel_at_period_end"] = json!(ending == "true");
            it["cancel_at"] =
                if ending == "true" { it["current_period_end"].clone() } else { Value::Null };
        }
        Ok(it.clone())
    }

    fn list(&self, kind: &str, query: &BTreeMap<String, String>) -> Answer {
        known(
            query,
            &[
                "customer",
                "status",
                "limit",
                "starting_after",
                "charge",
                "created[gte]",
                "expand[]",
            ],
        )?;
        let nothing = Vec::new();
        let all = self.objects.get(kind).unwrap_or(&nothing);
        let is_wanted = |it: &&Value| {
            let same = |name: &str| query.get(name).is_none_or(|wanted| it[name] == **wanted);
            let is_live = match (kind, query.get("status").map(String::as_str)) {
                ("subscriptions", None) => it["status"] != "canceled",
                (_, None | Some("all")) => true,
                (_, Some(status)) => it["status"] == status,
            };
            let is_recent = query.get("created[gte]").is_none_or(|since| {
                it["created"].as_i64().unwrap() >= since.parse::<i64>().unwrap()
            });
            same("customer") && same("charge") && is_live && is_recent
        };
        let wanted: Vec<&Value> = all.iter().filter(is_wanted).collect();
        let from = match query.get("starting_after") {
            Some(id) => wanted.iter().position(|it| it["id"] == **id).ok_or(MISSING)? + 1,
            None => 0,
        };
        let limit = query.get("limit").map_or(10, |text| text.parse::<usize>().unwrap());
        assert!((1..=100).contains(&limit), "Stripe's bounds");
        let mut page: Vec<Value> =
            wanted[from..].iter().take(limit).map(|it| (*it).clone()).collect();
        let has_more = wanted.len() > from + page.len();
        if query.get("expand[]").is_some_and(|what| what == "data.charge") {
            for it in &mut page {
                let id = it["charge"].as_str().unwrap().to_owned();
                let of_others = || object("charge", json!({"id": id, "customer": "cus_of_others"}));
                it["charge"] = self.find("charges", &id).cloned().unwrap_or_else(of_others);
            }
        }
        Ok(list(&format!("/v1/{kind}"), &page, has_more))
    }

    fn get(&self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        match path.split('/').collect::<Vec<_>>()[..] {
            ["checkout", "sessions"] => self.list("checkout/sessions", query),
            [kind @ ("subscriptions" | "invoices" | "charges" | "disputes" | "refunds")] => {
                self.list(kind, query)
            }
            [kind @ ("customers" | "prices" | "charges"), id] => {
                self.find(kind, id).cloned().ok_or(MISSING)
            }
            _ => Err(MISSING),
        }
    }

    fn delete(&mut self, path: &str) -> Answer {
        let id = path.strip_prefix("subscriptions/").ok_or(MISSING)?;
        let it = self
            .find_mut("subscriptions", id)
            .filter(|it| it["status"] != "canceled")
            .ok_or(MISSING)?;
        it["status"] = json!("canceled");
        Ok(it.clone())
    }
}

/// Or a status, with the error's type and code.
type Answer = Result<Value, (StatusCode, &'static str, &'static str)>;

const MISSING: (StatusCode, &str, &str) =
    (StatusCode::NOT_FOUND, "invalid_request_error", "resource_missing");

/// Stripe refuses parameters that it does not know.
fn known(
    given: &BTreeMap<String, String>,
    names: &[&str],
) -> Result<(), (StatusCode, &'static str, &'static str)> {
    if given.keys().all(|name| names.contains(&name.as_str())) {
        Ok(())
    } else {
        Err((StatusCode::BAD_REQUEST, "invalid_request_error", "parameter_unknown"))
    }
}

fn error((status, kind, code): (StatusCode, &str, &str)) -> (StatusCode, Value) {
    (status, json!({"error": {"type": kind, "code": code, "message": "of the test"}}))
}

/// Answers, and notes what is not as Stripe answers.
async fn answer(request: HttpRequest, body: Bytes, stripe: web::Data<FakeStripe>) -> HttpResponse {
    let (status, told) = found(&request, &body, &stripe).await;
    let told = sent(told);
    stripe.books().faults.extend(faults(&told));
    HttpResponse::build(status).json(told)
}

async fn found(request: &HttpRequest, body: &Bytes, stripe: &FakeStripe) -> (StatusCode, Value) {
    let mood = stripe.books().mood;
    match mood {
        Mood::Good => {}
        Mood::Failing(status) => {
            return error((StatusCode::from_u16(status).unwrap(), "api_error", "lock_timeout"));
        }
        Mood::Hanging => tokio::time::sleep(Duration::from_mins(1)).await,
    }
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    if header("authorization") != Some(format!("Bearer {KEY}")) {
        return error((StatusCode::UNAUTHORIZED, "invalid_request_error", "api_key_invalid"));
    }
    assert_eq!(header("stripe-version").as_deref(), Some("2025-02-24.acacia"), "it is pinned");
    let parsed = |text: &[u8]| -> BTreeMap<String, String> {
        url::form_urlencoded::parse(text).into_owned().collect()
    };
    let path = request.path().strip_prefix("/v1/").unwrap_or_default().to_owned();
    let mut books = stripe.books();
    books.asked.push(format!("{} {path}", request.method()));
    let key = header("idempotency-key");
    let wish = format!("{path} {}", String::from_utf8_lossy(body));
    let before = key.as_ref().and_then(|key| books.answered.get(key)).cloned();
    let found = match before {
        Some((asked, _)) if asked != wish => {
            Err((StatusCode::BAD_REQUEST, "idempotency_error", "idempotency_key_in_use"))
        }
        // What was refused is refused again: docs.stripe.com/api/idempotent_requests.
        Some((_, answered)) => answered,
        None => match *request.method() {
            Method::POST => books.post(&path, &parsed(body)),
            Method::DELETE => books.delete(&path),
            _ => books.get(&path, &parsed(request.query_string().as_bytes())),
        },
    };
    if let Some(key) = key {
        books.answered.entry(key).or_insert((wish, found.clone()));
    }
    found.map_or_else(error, |object| (StatusCode::OK, object))
}

/// An object with these members, and whatever a plain one has besides.
pub fn object(kind: &str, mut members: Value) -> Value {
    members["object"] = json!(kind);
    completed(members)
}
