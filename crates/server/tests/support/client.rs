//! A client as subscribers and producers would write one.

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// Everything that a client is told, but for what belongs to the request alone: status, headers and body.
pub type Told = (u16, Vec<(String, String)>, String);

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
    /// Of which instance it is.
    base: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in the body of {}: {}", self.status, self.text))
    }

    /// The body as JSON, after checking the status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What two answers must have in common so that nobody can tell them apart.
    pub fn told(&self) -> Told {
        let of_the_request =
            |name: &str| ["date", "x-request-id"].contains(&name) || name.contains("ratelimit");
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        let mut headers: Vec<_> = headers
            .filter(|(name, _)| !of_the_request(name))
            .map(|(name, value)| (name.to_owned(), value.to_str().expect("text").to_owned()))
            .collect();
        headers.sort();
        let request = self.header("x-request-id");
        let text =
            if request.is_empty() { self.text.clone() } else { self.text.replace(request, "") };
        // A page may show its reader the address of the instance.
        (self.status.as_u16(), headers, text.replace(&self.base, ""))
    }

    /// The fields that a problem document names.
    pub fn refused_fields(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str().map(str::to_owned)).collect()
    }
}

/// Tokens and whose they are.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: String,
    pub user: Value,
}

impl SignedIn {
    fn of(body: &Value) -> Self {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Self {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
            user: body["user"].clone(),
        }
    }
}

/// Sends requests to one application, with a credential or without.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    bearer: Option<String>,
    key: Option<String>,
}

impl Client {
    pub const PASSWORD: &'static str = "a quiet river at dawn";

    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { http, base: base.to_owned(), bearer: None, key: None }
    }

    /// The same client of another instance.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// The same client with an access token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), key: None, ..self.clone() }
    }

    /// The same client with `X-API-Key`.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), bearer: None, ..self.clone() }
    }

    /// A request to be completed. A path without a leading slash is meant below `/api/v1/`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &self.key {
            request = request.header("X-API-Key", key);
        }
        request
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        Answer { status, headers, text, base: self.base.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Sends a JSON body to the letter.
    pub async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.request(Method::POST, path);
        self.send(request.header("Content-Type", "application/json").body(body.into())).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Makes an account with [`PASSWORD`](Self::PASSWORD).
    pub async fn sign_up(&self, email: &str) -> SignedIn {
        let body = json!({"email": email, "password": Self::PASSWORD, "full_name": "Test Person"});
        SignedIn::of(&self.post("auth/signup", &body).await.expect(201))
    }

    /// Signs in with [`PASSWORD`](Self::PASSWORD), as JSON.
    pub async fn sign_in(&self, email: &str) -> SignedIn {
        let body = json!({"email": email, "password": Self::PASSWORD});
        SignedIn::of(&self.post("auth/login", &body).await.expect(200))
    }
}
