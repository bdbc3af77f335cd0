//! A worked example: one capability from its migration to its route.
//!
//! Subscribers keep bookmarks of instruments. `capability.rs` holds all of it, side by side,
//! so that the whole way can be read at once. Run it with `cargo run --example bookmarks`: it signs a user
//! up, bookmarks instruments over HTTP and prints the answers. `tests/e2e/bookmarks.rs` proves it on
//! every combination of back ends.

mod capability;

use alpine_server::{
    application::{Application, Ports},
    config::{Sources, keep_generated_secrets, load},
};
use reqwest::Method;
use serde_json::{Value, json};

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut loaded = load(&Sources {
        arguments: vec![
            ("http.bind", "127.0.0.1:0".into(), "--bind"),
            ("data_dir", folder.path().display().to_string().into(), "--data-dir"),
        ],
        ..Sources::default()
    })?;
    keep_generated_secrets(&mut loaded.config, &mut loaded.layers)?;
    let (ports, registry) = (Ports::default(), prometheus::Registry::new());
    let application =
        Application::build_with(&loaded.config, &ports, capability::routes, registry).await?;
    capability::migrate(&application.core().database).await?;

    let (base, stop) =
        (format!("http://{}/api/v1", application.address()), application.stop_handle());
    let serving = actix_web::rt::spawn(application.run());
    try_it(&base).await?;
    stop.stop();
    serving.await?
}

async fn try_it(base: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let account = json!({
        "email": "ada@example.com", "password": "a quiet river at dawn", "full_name": "Ada"
    });
    let answer = client.post(format!("{base}/auth/signup")).json(&account).send().await?;
    let signed_in: Value = answer.error_for_status()?.json().await?;
    let token = signed_in["access_token"].as_str().unwrap_or_default();
    for (method, path, body) in [
        (Method::POST, "bookmarks", json!({"symbol": "MSFT"})),
        (Method::POST, "bookmarks", json!({"symbol": "BTC/USD"})),
        (Method::POST, "bookmarks", json!({"symbol": "<none>"})),
        (Method::GET, "bookmarks", Value::Null),
        (Method::DELETE, "bookmarks/BTC%2FUSD", Value::Null),
        (Method::GET, "bookmarks", Value::Null),
    ] {
        let mut request =
            client.request(method.clone(), format!("{base}/{path}")).bearer_auth(token);
        let mut shown = String::new();
        if !body.is_null() {
            shown = format!(" {body}");
            request = request.json(&body);
        }
        let answer = request.send().await?;
        println!("{method} {path}{shown} -> {} {}", answer.status(), answer.text().await?);
    }
    Ok(())
}
