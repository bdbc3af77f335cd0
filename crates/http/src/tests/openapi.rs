//! The description says what the table says.

use std::collections::BTreeSet;

use alpine_domain::signal::{Strategy, Symbol};
use serde_json::Value;

use super::harness::world;
use crate::{HttpSettings, endpoint::Access, routes};

fn described() -> Value {
    crate::api_description(&HttpSettings::default()).unwrap()
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
                    Access::Optional(_) => words(&["", "bearerAuth", "userApiKey"]),
                    Access::Bearer | Access::Admin => words(&["bearerAuth"]),
                    Access::BearerOrKey(_) => words(&["bearerAuth", "userApiKey"]),
                    Access::Producer => words(&["producerKey"]),
                };
                (endpoint.method.to_string(), endpoint.canonical_path(), security)
            })
            .collect();
    assert_eq!(listed, table);
    assert!(table.len() >= 29);
}

/// Every success names the request; those with a limit of their callers say what is left of it.
#[test]
fn headers_of_a_success_are_those_that_it_has() {
    let document = described();
    let names = |path: &str, method: &str, status: &str| -> Vec<String> {
        let response = &document["paths"][path][method]["responses"][status];
        let shared = response["$ref"].as_str().and_then(|at| document.pointer(&at[1..]));
        let headers = &shared.unwrap_or(response)["headers"];
        headers.as_object().unwrap().keys().cloned().collect()
    };
    let with_limit = |others: &[&str]| {
        let limit = ["RateLimit", "RateLimit-Policy"];
        let old = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
        let always = ["X-Request-ID", "Access-Control-Allow-Origin"];
        let all = limit.iter().chain(&old).chain(&always).chain(others);
        all.map(|&name| name.to_owned()).collect::<BTreeSet<_>>()
    };
    let found =
        |path, method, status| names(path, method, status).into_iter().collect::<BTreeSet<_>>();
    let always = ["Access-Control-Allow-Origin", "X-Request-ID"];
    assert_eq!(names("/health/liveness", "get", "200"), always);
    let latest = found("/api/v1/signals/latest", "get", "200");
    assert_eq!(latest, with_limit(&["ETag"]));
    let export = found("/api/v1/signals/export", "get", "200");
    assert_eq!(export, with_limit(&["Content-Disposition"]));
    let subscribed = found("/api/v1/signals/subscribed", "get", "200");
    assert_eq!(subscribed, with_limit(&["ETag", "Link"]));
    // Problems carry what a limit says as well, and say what to do.
    let refused = found("/api/v1/signals/subscribed", "get", "401");
    assert_eq!(refused, with_limit(&["WWW-Authenticate"]));
    let busy = found("/api/v1/signals/subscribed", "get", "429");
    assert_eq!(busy, with_limit(&["Retry-After"]));
}

/// Whoever reads the description alone knows how long, how many and how large everything can be, and which
/// operations refuse what they are given.
#[test]
fn everything_is_bounded_and_whatever_takes_input_says_how_it_is_refused() {
    fn unbounded(at: &str, value: &Value, found: &mut Vec<String>) {
        let is_of = |word: &str| match &value["type"] {
            Value::String(kind) => kind == word,
            Value::Array(kinds) => kinds.iter().any(|kind| kind == word),
            _ => false,
        };
        let lacks = |names: &[&str]| names.iter().all(|name| value.get(name).is_none());
        if (is_of("string") && lacks(&["maxLength", "enum", "const"]))
            || (is_of("integer") && (lacks(&["maximum"]) || lacks(&["minimum"])))
            || (is_of("array") && lacks(&["maxItems"]))
        {
            found.push(at.to_owned());
        }
        match value {
            // A header that is longer than it should be is not used, and not refused.
            Value::Object(members) if members.get("in").is_some_and(|it| it == "header") => {}
            Value::Object(members) => {
                members.iter().for_each(|(name, it)| unbounded(&format!("{at}/{name}"), it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| unbounded(at, it, found)),
            _ => {}
        }
    }
    let document = described();
    let mut found = Vec::new();
    unbounded("", &document, &mut found);
    assert_eq!(found, Vec::<String>::new());

    let is_shared = |parameter: &Value| parameter.get("$ref").is_some();
    let mut with_input = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().unwrap();
            let takes_query = parameters.iter().any(|it| !is_shared(it) && it["in"] == "query");
            if takes_query || operation.get("requestBody").is_some() {
                with_input += 1;
                let responses = &operation["responses"];
                assert!(responses["400"].is_object() && responses["422"].is_object(), "{path}");
            }
        }
    }
    assert!(with_input > 15, "{with_input}");
}

#[test]
fn every_route_is_documented_but_the_files_of_the_page() {
    let settings = HttpSettings { serve_metrics: true, ..HttpSettings::default() };
    let table = routes::table(&settings).into_iter().map(|route| route.endpoint);
    let silent: Vec<_> =
        table.filter(|endpoint| endpoint.doc.is_none()).map(|endpoint| endpoint.path).collect();
    assert_eq!(silent, ["", "favicon.ico", "robots.txt", "docs/{file:.*}"]);
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

/// Two types of one name would be one in the description, and one of them wrong.
#[test]
fn no_two_types_have_one_name() {
    let mut seen = std::collections::BTreeMap::new();
    for route in routes::table(&HttpSettings::default()) {
        let schemas = route.endpoint.doc.map_or_else(Vec::new, |doc| doc().schemas);
        for (name, schema) in schemas {
            let text = serde_json::to_string(&schema).unwrap();
            let before = seen.insert(name.clone(), text.clone());
            assert!(before.is_none_or(|before| before == text), "{name}");
        }
    }
    assert!(seen.len() > 30);
}

#[test]
fn every_heading_says_what_stands_under_it() {
    let document = described();
    let tags = document["tags"].as_array().unwrap();
    assert!(tags.len() >= 6);
    for tag in tags {
        assert!(tag["description"].is_string(), "{tag}: give it a line in `tag_description`");
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
    let document = crate::openapi::document(&endpoints).unwrap().to_string();
    assert!(document.contains("counted under the limit `refresh` besides"), "{document}");
}
