//! The description says what the table says.

use std::collections::BTreeSet;

use alpine_domain::signal::{Strategy, Symbol};
use serde_json::Value;

use super::harness::world;
use crate::{HttpSettings, endpoint::Access, routes};

fn described() -> Value {
    let document = crate::api_description(&HttpSettings::default());
    serde_json::from_str(&document.to_json().unwrap()).unwrap()
}

#[test]
fn it_lists_exactly_the_table() {
    let mut listed = BTreeSet::new();
    let document = described();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schemes: BTreeSet<String> = operation["security"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| one.as_object().unwrap().keys().cloned().collect())
                .collect();
            listed.insert((method.to_uppercase(), path.clone(), schemes));
        }
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let table: BTreeSet<(String, String, BTreeSet<String>)> =
        routes::table(&HttpSettings::default())
            .into_iter()
            .map(|route| route.endpoint)
            .filter(|endpoint| endpoint.doc.is_some())
            .map(|endpoint| {
                let security = match endpoint.access {
                    Access::Public => words(&[]),
                    Access::Optional => words(&["", "bearerAuth", "userApiKey"]),
                    Access::Bearer | Access::Admin => words(&["bearerAuth"]),
                    Access::BearerOrKey => words(&["bearerAuth", "userApiKey"]),
                    Access::Producer => words(&["producerKey"]),
                };
                (endpoint.method.to_string(), endpoint.canonical_path(), security)
            })
            .collect();
    assert_eq!(listed, table);
    assert!(table.len() >= 29);
}

#[test]
fn every_route_is_documented_but_the_files_of_the_page() {
    let settings = HttpSettings { serve_metrics: true, ..HttpSettings::default() };
    let table = routes::table(&settings).into_iter().map(|route| route.endpoint);
    let silent: Vec<_> =
        table.filter(|endpoint| endpoint.doc.is_none()).map(|endpoint| endpoint.path).collect();
    assert_eq!(silent, ["docs/{file:.*}"]);
}

#[test]
fn every_reference_resolves_and_every_operation_is_documented() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name == "$ref" {
                        found.insert(member.as_str().unwrap().to_owned());
                    }
                    references(member, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = described();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in &found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(operation["responses"]["500"].is_object());
        }
    }
}

#[test]
fn security_schemes_are_those_of_the_contract() {
    let schemes = described()["components"]["securitySchemes"].clone();
    assert_eq!(schemes["bearerAuth"]["scheme"], "bearer");
    assert_eq!(schemes["userApiKey"]["name"], "X-API-Key");
    assert_eq!(schemes["producerKey"]["in"], "header");
}

#[actix_web::test]
async fn it_is_served_with_a_page_that_needs_no_other_host() {
    let world = world();
    assert_eq!(world.get("/openapi.json").await.json()["info"]["title"], "Alpine");
    let answer = world.get("/docs").await;
    assert_eq!((answer.status, answer.header("location")), (308, "/docs/"));
    let page = world.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    let script = world.get("/docs/swagger-initializer.js").await;
    assert!(String::from_utf8_lossy(&script.body).contains("/openapi.json"));
    assert_eq!(world.get("/docs/../../etc/passwd").await.status, 404);
    // Made once: asked for again, it is validated and compressed without being made anew.
    let bundle = super::harness::get("/docs/swagger-ui-bundle.js");
    let bundle = world.send(bundle.insert_header(("accept-encoding", "gzip"))).await;
    assert_eq!(bundle.header("content-encoding"), "gzip");
    let again = super::harness::get("/docs/swagger-ui-bundle.js")
        .insert_header(("accept-encoding", "gzip"))
        .insert_header(("if-none-match", bundle.header("etag")));
    assert_eq!(world.send(again).await.status, 304);
}

/// The description's attributes are literals; this holds them to the types that refuse.
#[test]
fn bounds_of_a_submission_are_those_of_its_types() {
    let document = described();
    let bound = |field: &str| {
        document["components"]["schemas"]["SignalSubmission"]["properties"][field]["maxLength"]
            .clone()
    };
    assert_eq!(bound("symbol"), Symbol::MAX_CHARS);
    assert_eq!(bound("strategy"), Strategy::MAX_CHARS);
}

#[test]
fn a_limit_of_one_route_is_told_from_its_row() {
    let table = routes::table(&HttpSettings::default()).into_iter();
    let exports = table.filter(|route| route.endpoint.name == "export_signals");
    let endpoints: Vec<_> = exports.map(|route| route.limited_by("refresh").endpoint).collect();
    let document = crate::openapi::document(&endpoints).to_json().unwrap();
    assert!(document.contains("counted under the limit `refresh` besides"), "{document}");
}
