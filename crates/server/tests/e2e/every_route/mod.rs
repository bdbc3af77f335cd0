//! Every route of the description, asked by everybody and in every wrong way: who may not call is told so, what
//! is wrong is named, and nothing is written. A route without a row in `rows.rs` fails.

mod caller;
pub mod rows;
mod stored;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Options, TestApp, backends};
use caller::{Callers, Kind};
use rows::{ROWS, Row, Takes, Who};
use stored::Stored;

/// One documented operation with its row.
struct Operation<'a> {
    row: &'a Row,
    method: Method,
    path: String,
    described: &'a Value,
    /// The methods of the path.
    methods: BTreeSet<String>,
    /// The schema of its JSON body, references resolved.
    schema: Option<&'a Value>,
}

impl Operation<'_> {
    /// A request that this operation answers with success to whoever may call, or that it refuses for its
    /// content, so that nobody changes anything with it.
    fn harmless_body(&self) -> Option<Value> {
        self.schema.map(|_| json!({}))
    }
}

#[tokio::test]
async fn every_route_refuses_who_may_not_call_and_what_is_wrong_and_writes_nothing() {
    for backend in backends() {
        let options = Options::default()
            .set("ALPINE__ACCOUNTS__SIGNUP_TIER", "elite")
            .set("ALPINE__HTTP__BATCH_BODY_LIMIT", "256KiB");
        let app = TestApp::spawn_with(&backend, options).await;
        let callers = Callers::of(&app).await;
        let document = app.client().get("/openapi.json").await.expect(200);
        let operations = operations(&document, &callers);
        let before = Stored::in_(&app).await;
        for operation in &operations {
            let name = operation.row.operation;
            everybody_asks(operation, &callers).await;
            wrong_methods(operation, &callers).await;
            if operation.row.is_of_a_user {
                another_users_object(operation, &callers).await;
            }
            if let Some(schema) = operation.schema {
                wrong_members(operation, schema, &callers).await;
                too_large(operation, &callers, &app).await;
            }
            assert_eq!(Stored::in_(&app).await, before, "{name} wrote something");
        }
    }
}

/// The operations of the description, each with its row.
fn operations<'a>(document: &'a Value, callers: &Callers) -> Vec<Operation<'a>> {
    let mut operations = Vec::new();
    let mut without = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let item = item.as_object().unwrap();
        for (method, described) in item {
            let name = described["operationId"].as_str().unwrap();
            let Some(row) = ROWS.iter().find(|row| row.operation == name) else {
                without.insert(name);
                continue;
            };
            let path = match row.id {
                Some(id) => path.replace("{id}", &callers.id(id)).replace("{kind}", "not-found"),
                None => path.clone(),
            };
            operations.push(Operation {
                row,
                method: method.to_uppercase().parse().unwrap(),
                path,
                described,
                methods: item.keys().map(|method| method.to_uppercase()).collect(),
                schema: json_schema(document, described),
            });
        }
    }
    assert_eq!(without, BTreeSet::new(), "give them rows in `rows.rs`");
    let found: BTreeSet<_> = operations.iter().map(|operation| operation.row.operation).collect();
    let listed: BTreeSet<_> = ROWS.iter().map(|row| row.operation).collect();
    assert_eq!(found, listed, "rows of routes that are gone");
    operations
}

fn json_schema<'a>(document: &'a Value, described: &'a Value) -> Option<&'a Value> {
    let mut schema = described.pointer("/requestBody/content/application~1json/schema")?;
    if schema["type"] == "array" {
        schema = &schema["items"];
    }
    let reference = schema["$ref"].as_str().expect("a type with a name");
    document.pointer(reference.strip_prefix('#').unwrap())
}

/// Whoever may not call is told so; whoever may is not.
async fn everybody_asks(operation: &Operation<'_>, callers: &Callers) {
    let Operation { row, method, path, described, .. } = operation;
    let schemes: Vec<&str> = described["security"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one.as_object().unwrap().keys().map(String::as_str))
        .collect();
    assert_eq!(
        schemes,
        row.who.schemes(),
        "{}: the row or the description is wrong",
        row.operation
    );
    for kind in Kind::ALL {
        let expected = row.who.refuses(kind);
        // What this changes would change for everybody: nobody who may call does so here.
        if expected.is_none() && (row.acts_at_once || row.is_of_a_user) {
            continue;
        }
        let body = operation.harmless_body();
        let answer = callers.ask(kind, method, path, body.as_ref()).await;
        let at = format!("{kind:?} {method} {path}: {}", answer.text);
        match expected {
            Some((status, problem)) => {
                assert_problem(&answer, status, problem, &at);
                let asks = answer.header("www-authenticate");
                assert_eq!(!asks.is_empty(), status == 401, "{at}");
            }
            None => assert!(![401, 403, 500, 503].contains(&answer.status.as_u16()), "{at}"),
        }
    }
}

/// Other methods are answered with those that there are.
async fn wrong_methods(operation: &Operation<'_>, callers: &Callers) {
    let Operation { path, methods, .. } = operation;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
        if methods.contains(method) {
            continue;
        }
        let method: Method = method.parse().unwrap();
        for kind in [Kind::Anonymous, Kind::Admin] {
            let answer = callers.ask(kind, &method, path, None).await;
            let at = format!("{kind:?} {method} {path}: {}", answer.text);
            assert_problem(&answer, 405, "method-not-allowed", &at);
            let allowed: BTreeSet<String> =
                answer.header("allow").split(", ").map(str::to_owned).collect();
            let mut expected = methods.clone();
            expected.insert("OPTIONS".to_owned());
            if methods.contains("GET") {
                expected.insert("HEAD".to_owned());
            }
            assert_eq!(allowed, expected, "{at}");
        }
    }
}

/// What belongs to one user does not exist for another one, administrators included.
async fn another_users_object(operation: &Operation<'_>, callers: &Callers) {
    let Operation { row, method, path, .. } = operation;
    let body = operation.schema.map(|_| row.body());
    for kind in [Kind::OtherUser, Kind::Admin] {
        let answer = callers.ask(kind, method, path, body.as_ref()).await;
        let at = format!("{kind:?} {method} {path}: {}", answer.text);
        assert_problem(&answer, 404, "not-found", &at);
    }
}

/// Each member with a value of another type, and each that must not be missing left out: it is named.
async fn wrong_members(operation: &Operation<'_>, schema: &Value, callers: &Callers) {
    let Operation { row, method, path, .. } = operation;
    let kind = row.who.somebody();
    let empty = Vec::new();
    let required = schema["required"].as_array().unwrap_or(&empty);
    let valid = row.body();
    for (member, described) in schema["properties"].as_object().unwrap() {
        let mut bodies = Vec::new();
        // No member of any body is an object.
        bodies.push((json!({"an": "object"}), "a value of another type"));
        if !described["type"].to_string().contains("boolean") {
            bodies.push((json!(true), "a value of another type"));
        }
        for (wrong, what) in bodies {
            let mut body = valid.clone();
            body[member] = wrong;
            let answer = callers.ask(kind, method, path, Some(&body)).await;
            let at = format!("{method} {path}, {member} is {what}: {}", answer.text);
            refuses_member(row, &answer, member, &at);
        }
        if required.contains(&json!(member)) {
            let mut body = valid.clone();
            body.as_object_mut().unwrap().remove(member);
            let answer = callers.ask(kind, method, path, Some(&body)).await;
            refuses_member(
                row,
                &answer,
                member,
                &format!("{method} {path} without {member}: {}", answer.text),
            );
        }
    }
    if row.takes == Takes::Lines {
        return;
    }
    for (text, what) in [("[]", "an array"), ("7", "a number"), ("{\"a\":", "half of an object")] {
        let answer = callers.ask_text(kind, method, path, text).await;
        assert_problem(&answer, 400, "malformed", &format!("{method} {path} with {what}"));
    }
}

fn refuses_member(row: &Row, answer: &Answer, member: &str, at: &str) {
    if let Takes::SignedEvent(header) = row.takes {
        assert_problem(answer, 400, "malformed", at);
        assert_eq!(answer.refused_fields(), [header], "{at}");
    } else if row.takes == Takes::Lines {
        let result = answer.expect(200);
        let kept = if row.operation == "report_outcomes" { "closed" } else { "stored" };
        assert_eq!((&result[kept], &result["refused"]), (&json!(0), &json!(1)), "{at}");
        let errors = result["results"][0]["errors"].as_array().unwrap();
        assert!(errors.iter().any(|error| error["field"] == member), "{at}");
    } else {
        assert_problem(answer, 422, "invalid", at);
        assert!(answer.refused_fields().iter().any(|field| field == member), "{at}");
    }
}

/// A body that is longer than it may be is refused, whoever sends it and whatever it holds.
async fn too_large(operation: &Operation<'_>, callers: &Callers, app: &TestApp) {
    let Operation { row, method, path, .. } = operation;
    let http = &app.config.http;
    let limit = match row.takes {
        Takes::Lines => http.batch_body_limit,
        // `BodyLimit::Webhook`.
        Takes::SignedEvent(_) => 1 << 20,
        Takes::Object => http.body_limit,
    };
    let text = format!("{{\"a\":\"{}\"}}", "x".repeat(limit));
    for kind in [row.who.somebody(), Kind::Anonymous] {
        let answer = callers.ask_text(kind, method, path, &text).await;
        assert_problem(&answer, 413, "body-too-large", &format!("{kind:?} {method} {path}"));
    }
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, problem: &str, at: &str) {
    assert_eq!(answer.status.as_u16(), status, "{at}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{at}");
    assert_eq!(answer.json()["type"], format!("/problems/{problem}"), "{at}");
}

#[test]
fn every_row_stands_once() {
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.operation).collect();
    assert_eq!(names.len(), ROWS.len());
    // Nobody but administrators passes where only they may.
    let passing = Kind::ALL.into_iter().filter(|kind| Who::Admin.refuses(*kind).is_none());
    assert_eq!(passing.collect::<Vec<_>>(), [Kind::Admin]);
}
