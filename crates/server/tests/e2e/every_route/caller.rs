//! Everybody who asks, and what exists that one may ask for.

use alpine_domain::account::{Role, Tier};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, SignalBody, TestApp};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Anonymous,
    User,
    OtherUser,
    Admin,
    UserKey,
    ProducerKey,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Anonymous,
        Self::User,
        Self::OtherUser,
        Self::Admin,
        Self::UserKey,
        Self::ProducerKey,
    ];
}

/// What stands in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    Signal,
    /// Of the user, not the one that the token belongs to.
    Session,
    /// Of the user, not the one that the key caller uses.
    ApiKey,
    /// Of the user.
    Notification,
    ProblemKind,
    /// Of a messenger.
    Channel,
    /// Of nobody and nothing.
    Nobody,
    /// Of no user.
    NoUser,
}

/// Everybody, signed in.
pub struct Callers {
    clients: Vec<(Kind, Client)>,
    signal: String,
    session: String,
    api_key: String,
    notification: String,
}

impl Callers {
    pub async fn of(app: &TestApp) -> Self {
        let anonymous = app.client();
        let signed_up = anonymous.sign_up("user@example.com").await;
        let user = anonymous.with_token(&signed_up.access_token);
        anonymous.sign_in("user@example.com").await;
        let other =
            anonymous.with_token(&anonymous.sign_up("other@example.com").await.access_token);
        let accounts = &app.core.use_cases.accounts;
        accounts
            .create("admin@example.com", Client::PASSWORD, "Ada", Tier::Free, Role::Admin)
            .await
            .unwrap();
        let admin =
            anonymous.with_token(&anonymous.sign_in("admin@example.com").await.access_token);
        let sessions = user.get("users/sessions").await.expect(200);
        let others = sessions["items"].as_array().unwrap().iter();
        let session = { others }.find(|session| session["current"] == false).unwrap();
        let every = json!({"name": "used", "scopes": ["read", "stream", "export", "account"]});
        let key = user.post("users/api-keys", &every).await.expect(201);
        let user_key = anonymous.with_key(key["key"].as_str().unwrap());
        let spare = user.post("users/api-keys", &json!({"name": "spare"})).await.expect(201);
        let owner = signed_up.user["id"].as_str().unwrap().parse().unwrap();
        for tier in [Tier::Pro, Tier::Elite] {
            let (stores, now) = (&app.core.stores, app.core.ports.clock.now());
            stores.accounts.set_tier_and_role(owner, tier, Role::User, now).await.unwrap();
        }
        let told = user.get("notifications").await.expect(200);
        let producer = anonymous.with_key(&app.producer("argo").await);
        let stored = producer
            .post_text("external-signals/sync/signal", SignalBody::new("SIG-0", "60").to_json())
            .await
            .expect(201);
        Self {
            signal: stored["alpine_signal_id"].to_string(),
            session: session["id"].as_str().unwrap().to_owned(),
            api_key: spare["id"].as_str().unwrap().to_owned(),
            notification: told["items"][0]["id"].as_str().unwrap().to_owned(),
            clients: vec![
                (Kind::Anonymous, anonymous),
                (Kind::User, user),
                (Kind::OtherUser, other),
                (Kind::Admin, admin),
                (Kind::UserKey, user_key),
                (Kind::ProducerKey, producer),
            ],
        }
    }

    pub fn id(&self, id: Id) -> String {
        match id {
            Id::Signal => self.signal.clone(),
            Id::Session => self.session.clone(),
            Id::ApiKey => self.api_key.clone(),
            Id::Notification => self.notification.clone(),
            Id::ProblemKind => "not-found".to_owned(),
            Id::Channel => "telegram".to_owned(),
            Id::Nobody => "999999".to_owned(),
            Id::NoUser => "00000000-0000-4000-8000-000000000000".to_owned(),
        }
    }

    fn client(&self, kind: Kind) -> &Client {
        let found = self.clients.iter().find(|(other, _)| *other == kind);
        &found.unwrap().1
    }

    /// The answer to a request with this JSON body, or with none.
    pub async fn ask(
        &self,
        kind: Kind,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let client = self.client(kind);
        let request = client.request(method.clone(), path);
        client
            .send(match body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
    }

    /// The answer to a request with this text for a JSON body.
    pub async fn ask_text(&self, kind: Kind, method: &Method, path: &str, body: &str) -> Answer {
        let client = self.client(kind);
        let request =
            client.request(method.clone(), path).header("Content-Type", "application/json");
        client.send(request.body(body.to_owned())).await
    }
}
