//! Requests of every kind through the whole application, over SQLite: none panics or ends in 5xx, each
//! refusal is a problem document, every answer is bounded and has the headers that keep browsers safe.

use std::{cell::RefCell, pin::Pin, rc::Rc};

use actix_http::Request;
use actix_web::{
    body::to_bytes,
    dev::ServiceResponse,
    http::{
        Method, Uri,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    rt::{System, SystemRunner},
    test::{TestRequest, init_service, try_call_service},
};
use alpine_domain::ports::secrets::HashPriority;
use alpine_http::{build, routes};
use alpine_server::{
    application::Application,
    config::{Sources, load},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::producer::{form, signed};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "a quiet river at dawn";
const PRODUCER_KEY: &str = "argo-key-0123456789abcdef";

/// Bytes of a problem document at most.
const LONGEST_PROBLEM: usize = 64 << 10;
/// Bytes of an answer to a batch at most, besides twice what was sent.
const LONGEST_RESULTS: usize = 128 << 10;
/// Bytes of any other answer at most; the largest is a file of the page that shows the API.
const LONGEST_ANSWER: usize = 4 << 20;

const HEADERS: &[&str] = &[
    "x-request-id",
    "x-content-type-options",
    "x-frame-options",
    "content-security-policy",
    "cross-origin-resource-policy",
    "cache-control",
    "vary",
];

type Answered = Result<ServiceResponse, actix_web::Error>;
type App = Rc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Answered>>>>;

struct World {
    system: SystemRunner,
    application: Application,
    app: App,
    token: String,
    _folder: TempDir,
}

thread_local! {
    /// Never dropped: when the process ends, what it stands on may be gone already.
    static WORLD: &'static RefCell<World> = Box::leak(Box::new(RefCell::new(World::new())));
}

/// A request as it is written in HTTP/1.1, without the version: a line, headers, an empty line, the body. `@token`
/// and `@producer` in a header stand for credentials; what is pushed gets a right hash.
pub(crate) fn run(data: &[u8]) {
    WORLD.with(|world| {
        let world = &mut *world.borrow_mut();
        let Some((request, told)) = world.request(data) else { return };
        let is_head = told.starts_with("HEAD ");
        let answer = (world.app)(request);
        let (status, headers, body) = world.system.block_on(async {
            let response = answer.await.unwrap_or_else(|error| panic!("{told} failed: {error}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = to_bytes(response.into_body()).await;
            (status, headers, body.unwrap_or_else(|error| panic!("{told} broke off: {error}")))
        });
        let longest = match status {
            400.. => LONGEST_PROBLEM,
            // The request itself: a header or a body may hold anything.
            _ if told.lines().next().is_some_and(|line| line.contains("/sync/")) => {
                LONGEST_RESULTS + 2 * data.len()
            }
            _ => LONGEST_ANSWER,
        };
        assert!(status < 500, "{told}: {status} {body:?}");
        assert!(body.len() <= longest, "{told}: {} bytes", body.len());
        for name in HEADERS {
            assert!(headers.contains_key(*name), "{told}: {status} lacks {name}");
        }
        if !is_head && !headers.contains_key("content-encoding") {
            check_body(&told, status, &headers, &body);
        }
        if status == 401 && told.contains("@token") {
            world.sign_in();
        }
    });
}

fn check_body(told: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    let header = |name| headers.get(name).map_or("", |value| value.to_str().unwrap_or_default());
    let kind = header("content-type");
    if kind.ends_with("json") && status != 304 {
        let document: Value =
            serde_json::from_slice(body).unwrap_or_else(|error| panic!("{told}: {error}"));
        if status >= 400 {
            assert_eq!(document["status"], status, "{told}");
            assert_eq!(document["request_id"], header("x-request-id"), "{told}");
            assert!(
                document["type"].as_str().is_some_and(|t| t.starts_with("/problems/")),
                "{told}"
            );
            assert!(document["errors"].is_array(), "{told}");
        }
    }
    assert!(status < 400 || kind == "application/problem+json", "{told}: {status} {kind}");
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = [
            ("ALPINE__HTTP__BIND", "127.0.0.1:0"),
            ("ALPINE__DATA_DIR", &folder.path().display().to_string()),
            ("ALPINE__HTTP__TRUSTED_PROXIES", "192.0.2.0/24"),
            ("ALPINE__HTTP__MAX_EXPORTS_PER_ACCOUNT", "100"),
            ("ALPINE__RATE_LIMITS__ENABLED", "false"),
            ("ARGO_API_KEY", PRODUCER_KEY),
            ("JWT_SECRET", "3f1b0c9d7e5a4f2688b1d0c3e7a95f42aa17"),
        ];
        let environment = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sources = Sources { environment, ..Sources::default() };
        let config = load(&sources).expect("the settings are right").config;
        let system = System::new();
        let (application, app) = system.block_on(async {
            let application = Application::build(&config).await.expect("it starts");
            let accounts = &application.core().use_cases.accounts;
            accounts.create_admin(EMAIL, PASSWORD, "Ada").await.expect("an account");
            let state = application.state();
            let service =
                Rc::new(init_service(build(state.clone(), routes::table(&state.settings))).await);
            let app: App = Rc::new(move |request| {
                let service = Rc::clone(&service);
                Box::pin(async move { try_call_service(&*service, request).await })
            });
            (application, app)
        });
        let mut world = Self { system, application, app, token: String::new(), _folder: folder };
        world.sign_in();
        world
    }

    /// Somebody may have signed out.
    fn sign_in(&mut self) {
        let core = self.application.core();
        let signed_in = self.system.block_on(core.use_cases.accounts.sign_in(
            None,
            HashPriority::Known,
            EMAIL,
            PASSWORD,
        ));
        if let Ok(signed_in) = signed_in {
            signed_in.access_token.reveal().clone_into(&mut self.token);
        }
    }

    /// The request, and how it is told of.
    fn request(&self, data: &[u8]) -> Option<(Request, String)> {
        let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let (method, path) = str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
        let uri: Uri = path.parse().ok().filter(|uri: &Uri| uri.path().starts_with('/'))?;
        let mut request = TestRequest::default()
            .method(Method::from_bytes(method.as_bytes()).ok()?)
            .uri(&uri.to_string())
            .peer_addr(([192, 0, 2, 7], 4_711).into());
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
            let value = self.with_credentials(line[colon + 1..].trim_ascii());
            request = request.append_header((name, HeaderValue::from_bytes(&value).ok()?));
        }
        if !body.is_empty() {
            request = request.set_payload(if path.contains("/sync/") {
                let lines = body.split(|byte| *byte == b'\n').enumerate();
                let signed = lines.map(|(number, line)| {
                    signed(line, form(number)).unwrap_or_else(|| line.to_vec())
                });
                signed.collect::<Vec<_>>().join(&b'\n')
            } else {
                body.to_vec()
            });
        }
        Some((request.to_request(), String::from_utf8_lossy(data).into_owned()))
    }

    fn with_credentials(&self, value: &[u8]) -> Vec<u8> {
        let Ok(text) = str::from_utf8(value) else { return value.to_vec() };
        text.replace("@token", &self.token).replace("@producer", PRODUCER_KEY).into_bytes()
    }
}
