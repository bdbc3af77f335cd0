//! The API's description: well-formed, complete, and honest about errors.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use serde_json::{Map, Value, json};

const METHODS: &[&str] = &["get", "put", "post", "delete", "patch", "head", "options", "trace"];

#[test]
fn the_description_is_complete() {
    let text = alpine_server::openapi_document().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let (problems, operations) = problems(&document);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(operations > 0);
}

/// What is wrong, one sentence each, and how many operations there are.
fn problems(document: &Value) -> (Vec<String>, usize) {
    let mut problems = Vec::new();
    let version = document["openapi"].as_str().unwrap_or_default();
    if !version.starts_with("3.1.") {
        problems.push(format!("openapi is `{version}`, not 3.1"));
    }
    for key in ["title", "version"] {
        if document["info"][key].as_str().is_none_or(str::is_empty) {
            problems.push(format!("info.{key} is missing"));
        }
    }
    let schemes = document["components"]["securitySchemes"].as_object();
    if schemes.is_none_or(Map::is_empty) {
        problems.push("there are no security schemes".to_owned());
    }
    references(document, "#", document, &mut problems);

    let mut ids = std::collections::BTreeSet::new();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            operations += 1;
            let name = format!("{} {path}", method.to_uppercase());
            operation_problems(&name, operation, schemes, document, &mut problems);
            path_problems(&name, path, item, operation, &mut problems);
            match operation["operationId"].as_str() {
                None => problems.push(format!("{name} has no operationId")),
                Some(id) if !ids.insert(id.to_owned()) => {
                    problems.push(format!("{name}: the operationId {id} is taken"));
                }
                Some(_) => {}
            }
        }
    }
    if operations == 0 {
        problems.push("there are no operations".to_owned());
    }
    (problems, operations)
}

/// Every `$ref` points to something.
fn references(node: &Value, at: &str, document: &Value, problems: &mut Vec<String>) {
    match node {
        Value::Object(members) => {
            for (key, value) in members {
                if key == "$ref"
                    && let Value::String(target) = value
                    && target.strip_prefix('#').is_none_or(|path| document.pointer(path).is_none())
                {
                    problems.push(format!("{at}: `{target}` points nowhere"));
                }
                references(value, &format!("{at}/{key}"), document, problems);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                references(item, &format!("{at}/{index}"), document, problems);
            }
        }
        _ => {}
    }
}

fn operation_problems(
    name: &str,
    operation: &Value,
    schemes: Option<&Map<String, Value>>,
    document: &Value,
    problems: &mut Vec<String>,
) {
    // Without a list of its own an operation has the document's, and without that one it is public.
    let security = operation["security"].as_array().or_else(|| document["security"].as_array());
    let named = security.into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys);
    let mut is_public = true;
    for scheme in named {
        is_public = false;
        if schemes.is_none_or(|schemes| !schemes.contains_key(scheme)) {
            problems.push(format!("{name} names the unknown security scheme {scheme}"));
        }
    }
    let parameters = operation["parameters"].as_array();
    // A trace header is never refused.
    let takes_input = !operation["requestBody"].is_null()
        || parameters.into_iter().flatten().any(|parameter| parameter["in"] != "header");
    let empty = Map::new();
    let responses = operation["responses"].as_object().unwrap_or(&empty);
    if !responses.keys().any(|status| status.starts_with(['1', '2', '3'])) {
        problems.push(format!("{name} states no success"));
    }
    let mut errors = 0;
    for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('4')) {
        errors += 1;
        let response = resolved(response, document);
        if response["content"]["application/problem+json"].is_null() {
            problems.push(format!("{name}: {status} is no problem document"));
        }
    }
    // Who takes nothing from the caller and asks nobody's name has nothing to refuse.
    if errors == 0 && (takes_input || !is_public) {
        problems.push(format!("{name} states no 4xx problem"));
    }
}

/// Parameters in the path are declared, and required.
fn path_problems(
    name: &str,
    path: &str,
    item: &Value,
    operation: &Value,
    problems: &mut Vec<String>,
) {
    let declared: Vec<&Value> = [item, operation]
        .into_iter()
        .filter_map(|owner| owner["parameters"].as_array())
        .flatten()
        .collect();
    for wanted in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let is_declared = declared.iter().any(|parameter| {
            parameter["in"] == "path"
                && parameter["name"] == wanted
                && parameter["required"] == true
        });
        if !is_declared {
            problems.push(format!("{name} does not declare its path parameter {wanted}"));
        }
    }
}

fn resolved<'a>(node: &'a Value, document: &'a Value) -> &'a Value {
    node["$ref"]
        .as_str()
        .and_then(|target| document.pointer(target.strip_prefix('#')?))
        .unwrap_or(node)
}

fn good() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a/{id}": {"get": {
            "operationId": "a",
            "security": [{"bearer": []}],
            "parameters": [{"in": "path", "name": "id", "required": true}],
            "responses": {
                "200": {"description": "x"},
                "404": {"$ref": "#/components/responses/NotFound"}
            }
        }}},
        "components": {
            "securitySchemes": {"bearer": {"type": "http"}},
            "responses": {"NotFound": {"content": {"application/problem+json": {}}}}
        }
    })
}

#[test]
fn a_complete_document_passes() {
    assert_eq!(problems(&good()), (Vec::new(), 1));
}

#[test]
fn each_fault_is_found() {
    let operation = "/paths/~1a~1{id}/get";
    let cases = [
        ("/openapi", json!("3.0.3"), "not 3.1"),
        (&format!("{operation}/security/0"), json!({"x": []}), "unknown security scheme x"),
        (&format!("{operation}/parameters"), json!([]), "path parameter id"),
        (&format!("{operation}/responses"), json!({"200": {}}), "no 4xx problem"),
        (&format!("{operation}/responses/404"), json!({"$ref": "#/x"}), "points nowhere"),
        (&format!("{operation}/responses/404"), json!({}), "no problem document"),
        (&format!("{operation}/operationId"), Value::Null, "no operationId"),
        ("/paths", json!({}), "no operations"),
    ];
    for (pointer, value, expected) in cases {
        let mut document = good();
        *document.pointer_mut(pointer).unwrap() = value;
        let found = problems(&document).0.join("\n");
        assert!(found.contains(expected), "{pointer}: {found}");
    }
}
