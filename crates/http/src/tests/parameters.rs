//! Every parameter of every route, from the table: what is said of it is what is enforced.

use actix_web::http::StatusCode;
use alpine_domain::account::{Role, Tier};

use super::harness::{Answer, PRODUCER_KEY, World, assert_problem, bearer, request, world};
use crate::{
    HttpSettings, Route,
    extract::parameter::{Description, Rule},
    routes,
};

/// Values just outside of what is said; no rule leaves this empty.
fn refused(rule: Rule) -> Vec<String> {
    match rule {
        Rule::Whole { min, max } => {
            let below = min.checked_sub(1).map_or("-1".to_owned(), |below| below.to_string());
            vec![below, (max + 1).to_string(), "1.5".into(), String::new()]
        }
        Rule::Number { min, max } => {
            vec![(min - 0.1).to_string(), (max + 0.1).to_string(), "NaN".into(), String::new()]
        }
        Rule::Flag => vec!["maybe".into(), String::new()],
        Rule::OneOf(words) => vec![format!("{}x", words[0]), String::new()],
        Rule::Text { max_chars: Some(max), .. } => vec!["A".repeat(max + 1), String::new()],
        Rule::Text { max_chars: None, .. } => vec!["!".into(), String::new()],
    }
}

/// Values on the edge of what is said.
fn accepted(rule: Rule) -> Vec<String> {
    match rule {
        Rule::Whole { min, max } => vec![min.to_string(), max.to_string()],
        Rule::Number { min, max } => vec![min.to_string(), max.to_string()],
        Rule::Flag => vec!["true".into(), "false".into()],
        Rule::OneOf(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        // A symbol has at most 20 letters in a row.
        Rule::Text { max_chars: Some(max), .. } => vec!["A".into(), "A-".repeat(max / 2)],
        Rule::Text { max_chars: None, .. } => Vec::new(),
    }
}

async fn ask(world: &World, token: &str, path: &str, name: &str, value: &str) -> Answer {
    let path = format!("{path}?{name}={value}");
    let request = request(&actix_web::http::Method::GET, &path).insert_header(bearer(token));
    // Routes of producers look at the key alone, others at the token.
    world.send(request.insert_header(("X-API-Key", PRODUCER_KEY))).await
}

fn described() -> Vec<(String, Description)> {
    let table = routes::table(&HttpSettings::default()).into_iter();
    table
        .flat_map(|Route { endpoint, .. }| {
            let path = endpoint.canonical_path();
            let parameters = endpoint.doc.map_or_else(Vec::new, |doc| doc().parameters);
            parameters.into_iter().map(move |parameter| (path.clone(), parameter))
        })
        .collect()
}

#[actix_web::test]
async fn every_parameter_is_enforced_as_it_is_described() {
    let world = world();
    let token = world.token(Tier::Elite, Role::Admin);
    let described = described();
    assert!(described.len() >= 27, "{described:?}");
    for (path, Description { name, rule, .. }) in described {
        for value in refused(rule) {
            let answer = ask(&world, &token, &path, name, &value).await;
            assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
            let document = answer.json();
            let errors = document["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "{path}?{name}={value}: {errors:?}");
            assert_eq!(errors[0]["field"], name, "{path}?{name}={value}");
        }
        // Their own tests know which of these texts are valid.
        let forms = [
            "cursor",
            "period",
            "since",
            "until",
            "updated_after",
            "after",
            "actor",
            "subject",
            "producer",
            "from",
            "to",
        ];
        let is_of_a_form = forms.contains(&name);
        for value in accepted(rule).into_iter().filter(|_| !is_of_a_form) {
            let answer = ask(&world, &token, &path, name, &value).await;
            assert_eq!(answer.status, 200, "{path}?{name}={value}: {:?}", answer.body);
        }
        let twice = ask(&world, &token, &path, name, &format!("1&{name}=1")).await;
        assert_problem(&twice, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(twice.json()["errors"][0]["message"], "must be given once at most");
    }
}
