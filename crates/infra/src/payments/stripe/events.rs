//! Events as Stripe sends them: docs.stripe.com/api/events/object. They are read for ids alone.

use alpine_domain::{
    Error, Result,
    ports::payments::{EventSubject, ProviderEvent},
};
use serde::Deserialize;
use serde_json::Value;

/// The longest id and kind that are kept; Stripe's are at most 255 characters long.
const MOST_CHARS: usize = 255;

#[derive(Deserialize)]
struct EventShape {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    livemode: bool,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

pub(super) fn read(body: &[u8], is_live: bool) -> Result<ProviderEvent> {
    let event: EventShape = serde_json::from_slice(body).map_err(|error| {
        Error::malformed("body", format!("must be an event of Stripe's: {error}"))
    })?;
    let EventShape { id, kind, livemode, data } = event;
    if livemode != is_live {
        let (theirs, ours) = (mode(livemode), mode(is_live));
        let told = format!("is of {theirs}, and the key is of {ours}: give the endpoint of {ours}");
        return Err(Error::malformed("livemode", told));
    }
    for (field, text) in [("id", &id), ("type", &kind)] {
        if text.is_empty() || text.chars().count() > MOST_CHARS {
            return Err(Error::malformed(field, "must have 1 to 255 characters"));
        }
    }
    Ok(ProviderEvent { id, kind, subject: subject(&data.object) })
}

const fn mode(is_live: bool) -> &'static str {
    if is_live { "live mode" } else { "test mode" }
}

fn subject(object: &Value) -> EventSubject {
    let id_of = |value: &Value| {
        let id = value.as_str().or_else(|| value.get("id").and_then(Value::as_str));
        id.filter(|id| !id.is_empty() && id.chars().count() <= MOST_CHARS).map(str::to_owned)
    };
    let member = |name| object.get(name).and_then(id_of);
    if object.get("object").and_then(Value::as_str) == Some("customer") {
        return id_of(object).map_or(EventSubject::Nobody, EventSubject::Customer);
    }
    match (member("customer"), member("charge")) {
        (Some(customer), _) => EventSubject::Customer(customer),
        (None, Some(charge)) => EventSubject::Charge(charge),
        (None, None) => EventSubject::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(object: &str) -> EventSubject {
        let body =
            format!(r#"{{"id":"evt_1","type":"x","livemode":false,"data":{{"object":{object}}}}}"#);
        read(body.as_bytes(), false).unwrap().subject
    }

    #[test]
    fn whoever_is_concerned_is_named() {
        let customer = || EventSubject::Customer("cus_1".to_owned());
        assert_eq!(subject_of(r#"{"object":"customer","id":"cus_1"}"#), customer());
        assert_eq!(subject_of(r#"{"object":"invoice","customer":"cus_1"}"#), customer());
        assert_eq!(subject_of(r#"{"object":"invoice","customer":{"id":"cus_1"}}"#), customer());
        let charge = EventSubject::Charge("ch_1".to_owned());
        assert_eq!(subject_of(r#"{"object":"dispute","charge":"ch_1"}"#), charge);
        for nobody in ["{}", r#"{"customer":null}"#, r#"{"customer":""}"#, "[]", "null", "7"] {
            assert_eq!(subject_of(nobody), EventSubject::Nobody, "{nobody}");
        }
    }

    #[test]
    fn another_mode_and_what_is_no_event_are_refused() {
        let event = r#"{"id":"evt_1","type":"x","livemode":true,"data":{"object":{}}}"#;
        assert!(read(event.as_bytes(), true).is_ok());
        let told = read(event.as_bytes(), false).unwrap_err().to_string();
        assert!(told.contains("live mode") && told.contains("test mode"), "{told}");
        for broken in
            ["", "{}", "[]", r#"{"id":"","type":"x","livemode":true,"data":{"object":{}}}"#]
        {
            assert!(read(broken.as_bytes(), true).is_err(), "{broken}");
        }
    }
}
