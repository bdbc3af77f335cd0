//! A Discord of the tests' own: the endpoints of docs.discord.com/developers, API version 10, that Alpine calls, with their shapes, errors
//! and limits. Fields that Alpine does not read are there all the same, so that a reader of the real objects is tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Bytes},
};
use serde_json::{Value, json};

pub const TOKEN: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.fake-fake-fake-fake";
pub const CLIENT_ID: &str = "123456789012345678";
pub const CLIENT_SECRET: &str = "fake-client-secret-0123456789";
pub const GUILD: &str = "223456789012345678";
pub const REDIRECT: &str = "https://www.example.com/channels/discord";

/// What becomes of the bot's requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// They are refused with this status, code and message.
    Refusing(u16, u32, &'static str),
    /// So many are answered 429 with so many seconds.
    Limiting(u32, f64),
    /// They are answered after a minute.
    Hanging,
}

#[derive(Default)]
pub struct Books {
    pub mood: Mood,
    /// Who is on the server, and with which roles.
    pub members: BTreeMap<String, BTreeSet<String>>,
    /// Codes that were given out, whose they are, and for which scopes.
    codes: BTreeMap<String, (String, String)>,
    /// Access tokens and whose they are.
    grants: BTreeMap<String, String>,
    /// Method and path of each request.
    pub asked: Vec<String>,
    made: u32,
}

#[derive(Clone)]
pub struct FakeDiscord {
    pub url: String,
    books: Arc<Mutex<Books>>,
}

impl FakeDiscord {
    /// Serves on a free port until the test's runtime ends.
    pub fn start() -> Self {
        let books = Arc::new(Mutex::new(Books::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { url, books };
        let shared = fake.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(answer))
        });
        tokio::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        fake
    }

    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    pub fn set(&self, mood: Mood) {
        self.books().mood = mood;
    }

    pub fn roles(&self, member: &str) -> Vec<String> {
        let books = self.books();
        books.members.get(member).into_iter().flatten().cloned().collect()
    }

    /// The owner of an account of Discord's follows the link and agrees to these scopes: the code and the state with which the
    /// browser is led back.
    pub fn agree(&self, link: &str, member: &str, scopes: &str) -> (String, String) {
        let url = url::Url::parse(link).unwrap();
        assert!(link.starts_with(&format!("{}/oauth2/authorize?", self.url)), "{link}");
        let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["redirect_uri"], REDIRECT);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["scope"], "identify guilds.join");
        let mut books = self.books();
        books.made += 1;
        let code = format!("code{}", books.made);
        books.codes.insert(code.clone(), (member.to_owned(), scopes.to_owned()));
        (code, asked["state"].clone())
    }
}

type Answer = Result<(u16, Value), (u16, u32, &'static str)>;

const UNKNOWN_MEMBER: (u16, u32, &str) = (404, 10_007, "Unknown Member");

impl Books {
    /// docs.discord.com/developers/topics/oauth2#authorization-code-grant-access-token-exchange-example
    fn exchange(&mut self, form: &BTreeMap<String, String>) -> HttpResponse {
        let refused = |status: u16, error: &str, more: &str| {
            let told = json!({"error": error, "error_description": more});
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(told)
        };
        if form["client_id"] != CLIENT_ID || form["client_secret"] != CLIENT_SECRET {
            return refused(401, "invalid_client", "");
        }
        let is_grant =
            form["grant_type"] == "authorization_code" && form["redirect_uri"] == REDIRECT;
        let Some((member, scope)) = self.codes.remove(&form["code"]).filter(|_| is_grant) else {
            return refused(400, "invalid_grant", "Invalid \"code\" in request.");
        };
        self.made += 1;
        let grant = format!("grant{}", self.made);
        self.grants.insert(grant.clone(), member);
        HttpResponse::Ok().json(json!({
            "access_token": grant, "token_type": "Bearer", "expires_in": 604_800,
            "refresh_token": "refresh", "scope": scope,
        }))
    }

    fn member(&self, member: &str) -> Value {
        json!({
            "user": user(member), "nick": null, "avatar": null, "roles": self.members[member],
            "joined_at": "2026-01-01T00:00:00.000000+00:00", "deaf": false, "mute": false, "flags": 0,
        })
    }

    fn call(&mut self, method: &str, path: &[&str], body: &Value) -> Answer {
        match (method, path) {
            ("GET", ["guilds", GUILD, "members", member]) => {
                self.members.get(*member).ok_or(UNKNOWN_MEMBER)?;
                Ok((200, self.member(member)))
            }
            ("PUT", ["guilds", GUILD, "members", member]) => {
                let grant = body["access_token"].as_str().unwrap();
                if self.grants.get(grant).is_none_or(|owner| owner != member) {
                    return Err((403, 50_025, "Invalid OAuth2 access token"));
                }
                if self.members.contains_key(*member) {
                    return Ok((204, Value::Null));
                }
                self.members.insert((*member).to_owned(), BTreeSet::new());
                Ok((201, self.member(member)))
            }
            ("PUT" | "DELETE", ["guilds", GUILD, "members", member, "roles", role]) => {
                let roles = self.members.get_mut(*member).ok_or(UNKNOWN_MEMBER)?;
                if method == "PUT" {
                    roles.insert((*role).to_owned())
                } else {
                    roles.remove(*role)
                };
                Ok((204, Value::Null))
            }
            _ => Err((404, 0, "404: Not Found")),
        }
    }
}

fn user(id: &str) -> Value {
    json!({"id": id, "username": "ada", "discriminator": "0", "global_name": "Ada", "avatar": null, "public_flags": 0})
}

fn refused(status: u16, code: u32, message: &str) -> HttpResponse {
    let told = json!({"code": code, "message": message});
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(told)
}

async fn answer(request: HttpRequest, body: Bytes, fake: web::Data<FakeDiscord>) -> HttpResponse {
    let (method, path) = (request.method().as_str(), request.path().to_owned());
    let Some(path) = path.strip_prefix("/api/v10/") else {
        return refused(404, 0, "404: Not Found");
    };
    fake.books().asked.push(format!("{method} {path}"));
    if (method, path) == ("POST", "oauth2/token") {
        let form = url::form_urlencoded::parse(&body).into_owned().collect();
        return fake.books().exchange(&form);
    }
    let authorization = request.headers().get("authorization").and_then(|it| it.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    if (method, path) == ("GET", "users/@me") {
        let books = fake.books();
        let owner = authorization.strip_prefix("Bearer ").and_then(|it| books.grants.get(it));
        return owner.map_or_else(
            || refused(401, 0, "401: Unauthorized"),
            |owner| HttpResponse::Ok().json(user(owner)),
        );
    }
    if authorization != format!("Bot {TOKEN}") {
        return refused(401, 0, "401: Unauthorized");
    }
    let mood = {
        let mut books = fake.books();
        let mood = books.mood.clone();
        if let Mood::Limiting(times, pause) = mood {
            books.mood = if times > 1 { Mood::Limiting(times - 1, pause) } else { Mood::Good };
        }
        mood
    };
    match mood {
        Mood::Good => {}
        Mood::Refusing(status, code, message) => return refused(status, code, message),
        Mood::Limiting(_, pause) => {
            let told = json!({"message": "You are being rate limited.", "retry_after": pause, "global": false});
            return HttpResponse::TooManyRequests()
                .insert_header(("x-ratelimit-limit", "5"))
                .insert_header(("x-ratelimit-remaining", "0"))
                .insert_header(("x-ratelimit-reset-after", pause.to_string()))
                .json(told);
        }
        Mood::Hanging => tokio::time::sleep(Duration::from_mins(1)).await,
    }
    let given = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let done = fake.books().call(method, &path.split('/').collect::<Vec<_>>(), &given);
    match done {
        Ok((204, _)) => HttpResponse::NoContent().finish(),
        Ok((status, told)) => HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(told),
        Err((status, code, message)) => refused(status, code, message),
    }
}
