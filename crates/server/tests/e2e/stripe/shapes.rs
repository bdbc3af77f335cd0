//! The fields of Stripe's objects at the version of its API that Alpine pins, by `tests/data/stripe-fields.tsv`: what the
//! fake sends is held to them, field by field.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};

/// See `stripe_fields.py` beside it.
const TABLE: &str = include_str!("../../data/stripe-fields.tsv");

/// What the fake keeps for itself and does not send ends so.
const OWN: &str = "_of_the_test";

struct Field {
    name: &'static str,
    must: bool,
    kinds: Vec<&'static str>,
}

static SHAPES: LazyLock<BTreeMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let mut shapes: BTreeMap<_, Vec<Field>> = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split('\t').collect();
        let &[shape, name, must, kinds] = &columns[..] else { panic!("{line}") };
        let field = Field { name, must: must == "must", kinds: kinds.split(" | ").collect() };
        shapes.entry(shape).or_default().push(field);
    }
    shapes
});

/// What the table calls an object, by its `object`.
fn shape_of(value: &Value) -> Option<&'static str> {
    Some(match value["object"].as_str()? {
        "customer" if value["deleted"] == true => "DeletedCustomer",
        "customer" => "Customer",
        "subscription" => "Subscription",
        "subscription_item" => "SubscriptionItem",
        "price" => "Price",
        "plan" => "Plan",
        "invoice" => "Invoice",
        "charge" => "Charge",
        "refund" => "Refund",
        "dispute" => "Dispute",
        "checkout.session" => "Checkout.Session",
        "billing_portal.session" => "BillingPortal.Session",
        "event" => "EventBase",
        _ => return None,
    })
}

/// The same with whatever a plain object has besides: null where that may be.
pub fn completed(mut value: Value) -> Value {
    let shape = shape_of(&value).expect("an object of the table");
    complete(shape, value.as_object_mut().expect("an object"));
    value
}

fn complete(shape: &str, object: &mut Map<String, Value>) {
    for Field { name, must, kinds } in &SHAPES[shape] {
        match object.get_mut(*name) {
            None if *must => {
                object.insert((*name).to_owned(), plain(kinds));
            }
            None => {}
            Some(value) => kinds.iter().for_each(|kind| complete_inside(kind, value)),
        }
    }
}

fn complete_inside(kind: &str, value: &mut Value) {
    let own = |value: &mut Value, inner: &str| {
        if let (Some(shape), Some(object)) = (inner.strip_prefix('@'), value.as_object_mut())
            && SHAPES.contains_key(shape)
        {
            complete(shape, object);
        }
    };
    match kind.split_once(' ') {
        Some(("list", inner)) => {
            let items = value["data"].as_array_mut().into_iter().flatten();
            items.for_each(|item| own(item, inner));
        }
        _ => own(value, kind),
    }
}

/// What stands in a field of which nothing is known.
fn plain(kinds: &[&str]) -> Value {
    if kinds.contains(&"null") {
        return Value::Null;
    }
    match kinds[0] {
        "string" => json!("text"),
        "number" => json!(0),
        "boolean" => json!(false),
        "true" => json!(true),
        "object" => json!({}),
        kind if kind.starts_with("list ") => list("/v1/of_the_object", &[], false),
        kind if kind.starts_with("[] ") => json!([]),
        kind => match kind.strip_prefix('@') {
            Some(shape) if SHAPES.contains_key(shape) => {
                let mut object = Map::new();
                complete(shape, &mut object);
                Value::Object(object)
            }
            // Any object will do: nobody looks at it.
            Some(_) => json!({}),
            None => json!(kind.trim_matches('\'')),
        },
    }
}

/// A part of a list.
pub fn list(url: &str, data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "url": url})
}

/// The same without what the fake keeps for itself.
pub fn sent(mut value: Value) -> Value {
    if value["object"] == "list" {
        for item in value["data"].as_array_mut().into_iter().flatten() {
            *item = sent(item.take());
        }
    } else if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !name.ends_with(OWN));
    }
    value
}

/// What is not as Stripe sends it.
pub fn faults(value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if value["object"] == "list" {
        of_list(value, "list", &mut faults, |item, at| {
            self::faults(item).into_iter().map(|it| format!("{at}: {it}")).collect()
        });
    } else if let Some(error) = value.get("error") {
        of_object("Error", error, "error", &mut faults);
    } else {
        match shape_of(value) {
            Some(shape) => of_object(shape, value, shape, &mut faults),
            None => faults.push(format!("{} is no object of the table", value["object"])),
        }
    }
    faults
}

fn of_list(
    list: &Value,
    at: &str,
    faults: &mut Vec<String>,
    of_item: impl Fn(&Value, &str) -> Vec<String>,
) {
    let members = list.as_object().into_iter().flat_map(Map::keys);
    let strange =
        members.filter(|name| !["object", "data", "has_more", "url"].contains(&name.as_str()));
    faults.extend(strange.map(|name| format!("{at}.{name} is no field")));
    if !(list["has_more"].is_boolean() && list["url"].is_string() && list["data"].is_array()) {
        faults.push(format!("{at} is no whole list"));
    }
    let items = list["data"].as_array().into_iter().flatten().enumerate();
    faults.extend(items.flat_map(|(n, item)| of_item(item, &format!("{at}[{n}]"))));
}

fn of_object(shape: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        return faults.push(format!("{at} is no object"));
    };
    let fields = &SHAPES[shape];
    for Field { name, must, kinds } in fields {
        match object.get(*name) {
            Some(value) => faults.extend(of_field(kinds, value, &format!("{at}.{name}"))),
            None if *must => faults.push(format!("{at}.{name} is missing")),
            None => {}
        }
    }
    let strange = object.keys().filter(|name| !fields.iter().any(|field| field.name == **name));
    faults.extend(strange.map(|name| format!("{at}.{name} is no field")));
}

/// Nothing, if one of the alternatives fits; otherwise what is nearest.
fn of_field(kinds: &[&str], value: &Value, at: &str) -> Vec<String> {
    let mut nearest = vec![format!("{at} is {value}, and not {}", kinds.join(" | "))];
    for kind in kinds {
        match of_kind(kind, value, at) {
            Ok(faults) if faults.is_empty() => return faults,
            Ok(faults) => nearest = faults,
            Err(()) => {}
        }
    }
    nearest
}

/// What is wrong with the value as one of this kind, or that it is of another.
fn of_kind(kind: &str, value: &Value, at: &str) -> Result<Vec<String>, ()> {
    let fits = match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "true" => *value == json!(true),
        "object" => value.is_object(),
        _ => return of_parts(kind, value, at),
    };
    if fits { Ok(Vec::new()) } else { Err(()) }
}

fn of_parts(kind: &str, value: &Value, at: &str) -> Result<Vec<String>, ()> {
    let mut faults = Vec::new();
    let inner = |inner: &str, value: &Value, at: &str| {
        of_field(&inner.split('|').collect::<Vec<_>>(), value, at)
    };
    if let Some(shape) = kind.strip_prefix('@') {
        value.as_object().ok_or(())?;
        // Objects that the table does not have are sent by nobody here, but for those without anything.
        match SHAPES.contains_key(shape) {
            true => of_object(shape, value, at, &mut faults),
            false if shape == "Event.Data.Object" => faults.extend(self::faults(value)),
            false if *value == json!({}) => {}
            false => faults.push(format!("{at} is an object that the table does not have")),
        }
    } else if let Some(kinds) = kind.strip_prefix("list ") {
        (value["object"] == "list").then_some(()).ok_or(())?;
        of_list(value, at, &mut faults, |item, at| inner(kinds, item, at));
    } else if let Some(kinds) = kind.strip_prefix("[] ") {
        let items = value.as_array().ok_or(())?.iter().enumerate();
        faults.extend(items.flat_map(|(n, item)| inner(kinds, item, &format!("{at}[{n}]"))));
    } else {
        (*value == json!(kind.trim_matches('\''))).then_some(()).ok_or(())?;
    }
    Ok(faults)
}

#[test]
fn what_is_not_as_stripe_sends_it_is_found() {
    let refund = || {
        completed(
            json!({"object": "refund", "id": "re_1", "amount": 1, "created": 2, "currency": "usd"}),
        )
    };
    assert_eq!(faults(&refund()), [""; 0]);
    assert_eq!(refund()["charge"], Value::Null, "what may be null is");
    let broken = |name: &str, value: Option<Value>| {
        let mut refund = refund();
        match value {
            Some(value) => refund[name] = value,
            None => drop(refund.as_object_mut().unwrap().remove(name)),
        }
        faults(&refund).join(", ")
    };
    assert_eq!(broken("amount", None), "Refund.amount is missing");
    assert_eq!(broken("amount", Some(json!("1"))), "Refund.amount is \"1\", and not number");
    assert_eq!(broken("amout", Some(json!(1))), "Refund.amout is no field");
    assert_eq!(broken("charge", Some(json!("ch_1"))), "");
    let of_others = broken("charge", Some(json!({"object": "charge", "id": "ch_1"})));
    assert!(of_others.contains("Refund.charge.amount is missing"), "{of_others}");
    let listed = list("/v1/refunds", &[json!({"object": "refund"})], false);
    assert!(faults(&listed).contains(&"list[0]: Refund.id is missing".to_owned()));
    let subscription = completed(
        json!({"object": "subscription", "items": list("/v1/x", &[json!({"id": 7})], false)}),
    );
    assert_eq!(faults(&subscription), ["Subscription.items[0].id is 7, and not string"]);
    let error = json!({"error": {"type": "a_new_error", "param": null}});
    assert_eq!(faults(&error).len(), 2, "{:?}", faults(&error));
}
