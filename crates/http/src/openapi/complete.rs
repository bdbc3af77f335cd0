//! What the description of the API states of every schema and every answer alike: bounds where a type names
//! none, and the headers that any answer may carry.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Characters of a text at most, where its type has no narrower bound: what a body of 64 KiB, the default of
/// `http.body_limit`, holds whatever its characters are. No text of an answer was made of more.
const LONGEST_TEXT: usize = 16_384;
/// Items of a list at most, where its type has no narrower bound: the lines of a batch.
const LONGEST_LIST: usize = 10_000;
/// The greatest whole number that every JSON reader keeps exactly (RFC 8259, section 6): 2⁵³ − 1.
const GREATEST: i64 = 9_007_199_254_740_991;

/// The headers that answers may carry: name, what it says, an example, characters at most.
#[rustfmt::skip]
const HEADERS: &[(&str, &str, &str, usize)] = &[
    ("Access-Control-Allow-Origin", "The origin of the page that asked, if it may read the answer. Absent for who sends no `Origin`.", "https://app.example.com", 2_048),
    ("Content-Disposition", "The file's name.", "attachment; filename=\"signals_20260115.csv\"", 256),
    ("ETag", "For `If-None-Match`; another one for each coding.", "\"6d1f2c\"", 256),
    ("Idempotent-Replayed", "`true` for an answer that was given before, to the same request under the same key.", "true", 4),
    ("Link", "The next page, rel=next, if there is one.", "</api/v1/signals/subscribed?cursor=x>; rel=\"next\"", 4_096),
    ("Location", "Where the new thing is.", "/api/v1/signals/7", 2_048),
    ("RateLimit", "What is left of the window that ends first.", "\"free-minute\";r=19;t=60", 1_024),
    ("RateLimit-Policy", "Every window of the caller's policy.", "\"free-minute\";q=20;w=60", 1_024),
    ("Retry-After", "Seconds to wait.", "5", 20),
    ("WWW-Authenticate", "Which credential is asked for.", "Bearer", 1_024),
    ("X-RateLimit-Limit", "The limit of the window that ends first.", "20", 20),
    ("X-RateLimit-Remaining", "What is left of it.", "19", 20),
    ("X-RateLimit-Reset", "When it is whole again, in Unix seconds.", "1795742539", 20),
    ("X-Request-ID", "Names the request in the server's log.", "01a21a97-ae57-7e6b-b7ab-099b4d704242", 128),
];

/// What every answer may carry.
const ALWAYS: &[&str] = &["X-Request-ID", "Access-Control-Allow-Origin"];
/// What an answer to a counted request carries besides.
pub(super) const OF_LIMITS: &[&str] = &[
    "RateLimit-Policy",
    "RateLimit",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

/// The headers by these names, as references.
pub(super) fn headers(names: &[&str]) -> Map<String, Value> {
    let names = ALWAYS.iter().chain(names);
    names
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect()
}

/// Every header by its name.
pub(super) fn header_components() -> Value {
    let header = |(name, meaning, example, longest): &(&str, &str, &str, usize)| {
        let schema = json!({"type": "string", "maxLength": longest});
        let header = json!({"description": meaning, "schema": schema, "example": example});
        ((*name).to_owned(), header)
    };
    HEADERS.iter().map(header).collect::<Map<_, _>>().into()
}

/// Puts each problem that several operations answer with into `components`, once: it is told at length.
pub(super) fn share_problems(document: &mut Value) {
    let mut shared: BTreeMap<String, String> = BTreeMap::new();
    let mut components = Map::new();
    let items = document["paths"].as_object_mut().into_iter().flatten();
    let operations = items.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (status, response) in responses.filter(|(status, _)| status.starts_with(['4', '5'])) {
            let number = shared.len() + 1;
            let name = shared
                .entry(response.to_string())
                .or_insert_with(|| format!("Problem{status}-{number}"))
                .clone();
            let reference = json!({"$ref": format!("#/components/responses/{name}")});
            components.insert(name, std::mem::replace(response, reference));
        }
    }
    document["components"]["responses"] = components.into();
}

/// The one server: whoever serves the description.
pub(super) fn this_server() -> Value {
    json!([{
        "url": "/",
        "description": "The instance that serves this description, in production and locally.",
        "x-internal": false,
    }])
}

/// Gives every schema in `value` the bounds that it lacks. What a header of a request may hold is not bounded:
/// one that is longer than it should be is not refused but not used.
pub(super) fn bound(value: &mut Value) {
    if let Value::Object(members) = value {
        bound_schema(members);
    }
    match value {
        Value::Object(members) => {
            let is_header = members.get("in").is_some_and(|place| place == "header");
            members.values_mut().filter(|_| !is_header).for_each(bound);
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

fn bound_schema(schema: &mut Map<String, Value>) {
    let is_of = |word: &str| match schema.get("type") {
        Some(Value::String(kind)) => kind == word,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == word),
        _ => false,
    };
    let (is_text, is_whole, is_list) = (is_of("string"), is_of("integer"), is_of("array"));
    let mut set_default = |name: &str, value: Value| {
        schema.entry(name).or_insert(value);
    };
    if is_whole {
        set_default("format", "int64".into());
        set_default("minimum", 0.into());
        set_default("maximum", GREATEST.into());
    }
    if is_list {
        set_default("maxItems", LONGEST_LIST.into());
    }
    if is_text && !["enum", "const", "maxLength"].iter().any(|name| schema.contains_key(*name)) {
        let longest = match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => 36,
            // RFC 3339 with nanoseconds and an offset.
            Some("date-time") => 35,
            // RFC 5321, section 4.5.3.1.3, without its angle brackets.
            Some("email") => 254,
            _ => LONGEST_TEXT,
        };
        schema.insert("maxLength".to_owned(), longest.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_added_where_a_schema_has_none() {
        let mut schemas = json!({
            "a": {"type": "string"},
            "b": {"type": ["string", "null"], "format": "uuid"},
            "c": {"type": "string", "enum": ["x"]},
            "d": {"type": "string", "maxLength": 3},
            "e": {"type": "array", "items": {"type": "integer", "maximum": 9}},
            "f": {"type": "boolean"},
        });
        bound(&mut schemas);
        let expected = json!({
            "a": {"type": "string", "maxLength": LONGEST_TEXT},
            "b": {"type": ["string", "null"], "format": "uuid", "maxLength": 36},
            "c": {"type": "string", "enum": ["x"]},
            "d": {"type": "string", "maxLength": 3},
            "e": {
                "type": "array",
                "maxItems": LONGEST_LIST,
                "items": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 9},
            },
            "f": {"type": "boolean"},
        });
        assert_eq!(schemas, expected);
    }
}
