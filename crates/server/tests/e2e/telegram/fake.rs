//! A Telegram of the tests' own: the methods of core.telegram.org/bots/api that Alpine calls, with their shapes, parameters, errors
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

pub const TOKEN: &str = "123456789:AAfakefakefakefakefakefakefakefakef";
pub const SECRET: &str = "0123456789_abcdef-0123456789";

/// What becomes of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mood {
    #[default]
    Good,
    /// They are refused with this code and description.
    Refusing(u16, &'static str),
    /// So many are answered 429 with so many seconds.
    Limiting(u32, u64),
    /// A proxy in between answers for it.
    Broken,
    /// They are answered after a minute.
    Hanging,
}

/// A chat and a person.
type Who = (i64, i64);

#[derive(Default)]
pub struct Books {
    pub mood: Mood,
    /// Whoever is in, and as what.
    pub members: BTreeMap<Who, &'static str>,
    pub asking: BTreeSet<Who>,
    /// People who are in as many chats as Telegram lets anybody be.
    pub full: BTreeSet<i64>,
    /// Links with what was said of them.
    pub links: BTreeMap<String, Value>,
    /// Methods, and the people they were about.
    pub asked: Vec<String>,
    updates: i64,
}

#[derive(Clone)]
pub struct FakeTelegram {
    pub url: String,
    books: Arc<Mutex<Books>>,
}

impl FakeTelegram {
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

    pub fn is_in(&self, chat: i64, person: i64) -> bool {
        self.books().members.get(&(chat, person)).is_some_and(|it| *it == "member")
    }

    /// Somebody follows a link and asks to be let in; the update.
    pub fn follow(&self, link: &str, person: i64) -> Value {
        let mut books = self.books();
        let made = books.links[link].clone();
        assert_eq!(made["is_revoked"], false, "the link is good no more");
        let chat = made["chat_of_the_test"].as_i64().unwrap();
        assert_ne!(books.members.get(&(chat, person)), Some(&"kicked"), "kept out");
        books.asking.insert((chat, person));
        books.updates += 1;
        json!({"update_id": books.updates, "chat_join_request": {
            "chat": chat_of(chat), "from": user(person), "user_chat_id": person, "date": 1_767_225_600,
            "bio": "trades", "invite_link": shown(&made),
        }})
    }

    /// Somebody leaves; the update.
    pub fn leave(&self, chat: i64, person: i64) -> Value {
        let mut books = self.books();
        books.members.insert((chat, person), "left");
        books.updates += 1;
        json!({"update_id": books.updates, "chat_member": {
            "chat": chat_of(chat), "from": user(person), "date": 1_767_225_600,
            "old_chat_member": {"status": "member", "user": user(person)},
            "new_chat_member": {"status": "left", "user": user(person)},
        }})
    }
}

fn user(id: i64) -> Value {
    json!({"id": id, "is_bot": false, "first_name": "Ada", "username": format!("ada{id}"), "language_code": "en"})
}

fn chat_of(id: i64) -> Value {
    json!({"id": id, "title": "Signals", "type": "channel"})
}

/// core.telegram.org/bots/api#chatinvitelink
fn shown(made: &Value) -> Value {
    let mut link = made.clone();
    link.as_object_mut().unwrap().remove("chat_of_the_test");
    link
}

type Answer = Result<Value, (u16, &'static str)>;

const UNKNOWN_METHOD: (u16, &str) = (404, "Not Found");
const NO_CHAT: (u16, &str) = (400, "Bad Request: chat not found");
const TOO_MANY: (u16, &str) = (403, "Forbidden: USER_CHANNELS_TOO_MUCH");
const NOT_ASKING: (u16, &str) = (400, "Bad Request: HIDE_REQUESTER_MISSING");

impl Books {
    fn call(&mut self, method: &str, given: &Value) -> Answer {
        let names: &[&str] = match method {
            "createChatInviteLink" => &["chat_id", "name", "expire_date", "creates_join_request"],
            "revokeChatInviteLink" => &["chat_id", "invite_link"],
            "getChatMember" | "approveChatJoinRequest" | "declineChatJoinRequest" => {
                &["chat_id", "user_id"]
            }
            "banChatMember" => &["chat_id", "user_id", "until_date"],
            "unbanChatMember" => &["chat_id", "user_id", "only_if_banned"],
            _ => return Err(UNKNOWN_METHOD),
        };
        for name in given.as_object().unwrap().keys() {
            assert!(names.contains(&name.as_str()), "{method} has no {name}");
        }
        // "Integer or String"
        let chat = given["chat_id"].as_str().and_then(|id| id.parse::<i64>().ok());
        let chat = chat.filter(|chat| *chat < -1_000_000_000_000).ok_or(NO_CHAT)?;
        let who = (chat, given["user_id"].as_i64().unwrap_or(0));
        let stands = self.members.get(&who).copied();
        match method {
            "createChatInviteLink" => {
                let name = given["name"].as_str().unwrap();
                assert!(name.len() <= 32, "a name has 32 characters at most");
                let link = format!("https://t.me/+{:016}", self.links.len());
                let made = json!({
                    "invite_link": link, "name": name, "expire_date": given["expire_date"],
                    "creator": {"id": 123_456_789, "is_bot": true, "first_name": "Alpine", "username": "alpine_bot"},
                    "creates_join_request": given["creates_join_request"], "is_primary": false,
                    "is_revoked": false, "chat_of_the_test": chat,
                });
                self.links.insert(link, made.clone());
                Ok(shown(&made))
            }
            "revokeChatInviteLink" => {
                let link = self.links.get_mut(given["invite_link"].as_str().unwrap());
                let link = link.ok_or((400, "Bad Request: INVITE_HASH_EXPIRED"))?;
                link["is_revoked"] = json!(true);
                Ok(shown(link))
            }
            "getChatMember" => {
                let status = stands.unwrap_or("left");
                let mut member = json!({"status": status, "user": user(who.1)});
                if status == "kicked" {
                    member["until_date"] = json!(0);
                }
                Ok(member)
            }
            "approveChatJoinRequest" => {
                if self.full.contains(&who.1) {
                    return Err(TOO_MANY);
                }
                if !self.asking.remove(&who) {
                    return Err(NOT_ASKING);
                }
                self.members.insert(who, "member");
                Ok(json!(true))
            }
            "declineChatJoinRequest" => {
                if self.asking.remove(&who) {
                    Ok(json!(true))
                } else {
                    Err(NOT_ASKING)
                }
            }
            "banChatMember" => {
                if stands == Some("administrator") {
                    return Err((400, "Bad Request: user is an administrator of the chat"));
                }
                self.members.insert(who, "kicked");
                Ok(json!(true))
            }
            _ => {
                if stands == Some("kicked") {
                    self.members.insert(who, "left");
                }
                Ok(json!(true))
            }
        }
    }
}

async fn answer(request: HttpRequest, body: Bytes, fake: web::Data<FakeTelegram>) -> HttpResponse {
    let path = request.path().to_owned();
    let refused = |code: u16, description: &str, more: Value| {
        let mut told = json!({"ok": false, "error_code": code, "description": description});
        if !more.is_null() {
            told["parameters"] = more;
        }
        HttpResponse::build(StatusCode::from_u16(code).unwrap()).json(told)
    };
    let Some(method) = path.strip_prefix(&format!("/bot{TOKEN}/")) else {
        return refused(401, "Unauthorized", Value::Null);
    };
    let given: Value = serde_json::from_slice(&body).unwrap();
    let mood = {
        let mut books = fake.books();
        books.asked.push(format!("{method} {}", given["user_id"]));
        let mood = books.mood.clone();
        if let Mood::Limiting(times, pause) = mood {
            books.mood = if times > 1 { Mood::Limiting(times - 1, pause) } else { Mood::Good };
        }
        mood
    };
    match mood {
        Mood::Good => {}
        Mood::Refusing(code, description) => return refused(code, description, Value::Null),
        Mood::Limiting(_, pause) => {
            let told = format!("Too Many Requests: retry after {pause}");
            return refused(429, &told, json!({"retry_after": pause}));
        }
        Mood::Broken => {
            return HttpResponse::BadGateway().content_type("text/html").body("<h1>502</h1>");
        }
        Mood::Hanging => tokio::time::sleep(Duration::from_mins(1)).await,
    }
    let done = fake.books().call(method, &given);
    match done {
        Ok(result) => HttpResponse::Ok().json(json!({"ok": true, "result": result})),
        Err((code, description)) => refused(code, description, Value::Null),
    }
}
