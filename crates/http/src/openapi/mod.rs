//! The description of the API (OpenAPI 3.1), made from the route table: what is not in the table is
//! not in the description, and the other way round.

mod complete;
pub(crate) mod tiers;

use std::collections::BTreeSet;

use alpine_domain::{
    Error,
    account::{Role, Scope},
};
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::{
    ComponentsBuilder, Contact, ContentBuilder, HttpMethod, Info, LicenseBuilder, Object,
    ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, ResponseBuilder,
    SecurityRequirement,
    path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder},
    request_body::RequestBodyBuilder,
    response::Response,
    schema::{Schema, Type},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

use crate::{
    doc::{Doc, Extra, schema, text_schema, word_schema},
    endpoint::{Access, Endpoint, Limit},
    json,
    problem::{self, Kind},
};
use complete::{OF_LIMITS, bound, header_components, headers, share_problems, this_server};

const DESCRIPTION: &str = "Trading signals: producers push them in, subscribers read what their tier \
may see.\n\nA subscriber signs up or in (`auth/signup`, `auth/login`) and sends the `access_token` as a Bearer token. A producer \
sends its key in `X-API-Key` and signs each signal: SHA-256 over nine keys, which `alpine sign` computes and a refusal \
shows. `id` is Alpine's number of a signal, `signal_id` the producer's own.\n\nEvery path under `/api/v1` is also reachable under `/api`. Every error is a problem \
document (RFC 9457); its `type` can be followed and says what to do. Times are RFC 3339 in UTC; \
numbers come back with the producer's own digits. 400 is broken syntax, 422 a value that breaks a \
rule, with every field named at once. Parameters and members that are not known change nothing and come back in \
`warnings` (and `X-Warnings`). Lists of signals say why they are empty or cut, in `visibility` or `X-Visibility`. Answers carry `X-Request-ID` and, where limits apply, \
`RateLimit-Policy` and `RateLimit`.";

/// What an application serves, for the description of it.
pub(crate) struct Described(pub(crate) Vec<Endpoint>);

impl Described {
    /// The description in JSON; `besides` is added to what is said of the whole, in Markdown.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be written.
    pub(crate) fn to_json(&self, besides: &str) -> alpine_domain::Result<Bytes> {
        let mut document = document(&self.0)?;
        document["info"]["description"] = format!("{DESCRIPTION}\n\n{besides}").into();
        json::to_json(&document)
    }
}

/// The description of the documented endpoints of a table.
///
/// # Errors
/// [`Error::Internal`] when it cannot be written.
pub fn document(table: &[Endpoint]) -> alpine_domain::Result<Value> {
    let documented: Vec<(&Endpoint, Doc)> =
        table.iter().filter_map(|endpoint| Some((endpoint, endpoint.doc?()))).collect();
    let answers = documented.iter().map(|(endpoint, doc)| (*endpoint, doc.clone()));
    let answers: Vec<(&Endpoint, Doc)> = answers.collect();
    let mut described = serde_json::to_value(outline(documented)).map_err(Error::internal)?;
    bound(&mut described);
    for (endpoint, doc) in &answers {
        let method = endpoint.method.as_str().to_lowercase();
        let operation = &mut described["paths"][endpoint.canonical_path()][method];
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (status, response) in responses {
            response["headers"] = headers(&header_names(endpoint, doc, status)).into();
        }
    }
    share_problems(&mut described);
    described["components"]["headers"] = header_components();
    described["servers"] = this_server();
    Ok(described)
}

/// The description without bounds and headers.
fn outline(documented: Vec<(&Endpoint, Doc)>) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut done: Vec<String> = Vec::new();
    for (endpoint, _) in &documented {
        let path = endpoint.canonical_path();
        if done.contains(&path) {
            continue;
        }
        let item = documented
            .iter()
            .filter(|(other, _)| other.canonical_path() == path)
            .filter_map(|(other, doc)| Some((method(other)?, operation(other, doc))))
            .fold(PathItemBuilder::new(), |item, (method, operation)| {
                item.operation(method, operation)
            });
        paths = paths.path(path.clone(), item.build());
        done.push(path);
    }
    let mut info = Info::new("Alpine", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0");
    info.license = Some(license.identifier(Some("MIT OR Apache-2.0")).build());
    let mut contact = Contact::new();
    contact.name = Some("Whoever runs this instance".to_owned());
    info.contact = Some(contact);
    let used: BTreeSet<&str> = documented.iter().map(|(_, doc)| doc.tag).collect();
    // What readers and producers come for stands first.
    let first = ["signals", "record", "producers", "accounts"];
    let (mut tags, others): (Vec<&str>, Vec<&str>) =
        used.iter().partition(|tag| first.contains(*tag));
    tags.sort_by_key(|tag| first.iter().position(|known| known == tag));
    let tags = tags
        .into_iter()
        .chain(others)
        .map(|tag| TagBuilder::new().name(tag).description(tag_description(tag)).build());
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags.collect::<Vec<_>>()))
        .paths(paths.build())
        .components(Some(schemas(components(), documented).build()))
        .build()
}

fn method(endpoint: &Endpoint) -> Option<HttpMethod> {
    Some(match endpoint.method.as_str() {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    })
}

fn operation(endpoint: &Endpoint, doc: &Doc) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.name))
        .tag(doc.tag)
        .summary(Some(doc.summary))
        .description(Some(format!("{}{}", explained(doc), description(endpoint))))
        .parameter_ref(Ref::new("#/components/parameters/RequestId"))
        .parameter_ref(Ref::new("#/components/parameters/TraceParent"));
    for name in path_parameters(endpoint.path) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(utoipa::openapi::Required::True)
            .description(Some("Which one, as lists name it."))
            .schema(Some(path_text(name)));
        operation = operation.parameter(parameter.build());
    }
    for description in &doc.parameters {
        let parameter = ParameterBuilder::new()
            .name(description.name)
            .parameter_in(ParameterIn::Query)
            .required(utoipa::openapi::Required::False)
            .description(Some(description.meaning))
            .schema(Some(schema(description)));
        operation = operation.parameter(parameter.build());
    }
    if endpoint.takes_key {
        operation = operation.parameter_ref(Ref::new("#/components/parameters/IdempotencyKey"));
    }
    if doc.extras.contains(&Extra::Validator) {
        operation = operation.parameter_ref(Ref::new("#/components/parameters/IfNoneMatch"));
    }
    operation = operation.response(doc.status.to_string(), success(doc));
    if let Some((status, answer, schema)) = &doc.otherwise {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        let other = ResponseBuilder::new().description(*answer).content(json::MEDIA_TYPE, content);
        operation = operation.response(status.to_string(), other.build());
    }
    if doc.extras.contains(&Extra::Validator) {
        let unchanged = ResponseBuilder::new().description("What If-None-Match names is current.");
        operation = operation.response("304", unchanged.build());
    }
    for (status, kinds) in problems(endpoint, doc) {
        operation = operation.response(status.to_string(), problem_response(&kinds));
    }
    // An empty list says "public"; none at all would say nothing.
    operation = operation.securities(Some(security(endpoint.access)));
    let body = (!doc.body.is_empty()).then(|| {
        doc.body
            .iter()
            .fold(RequestBodyBuilder::new(), |body, (media_type, schema)| {
                let content = ContentBuilder::new().schema(Some(schema.clone())).build();
                body.content(*media_type, content)
            })
            .required(Some(if doc.is_body_optional { Required::False } else { Required::True }))
            .build()
    });
    operation.request_body(body).build()
}

/// A part of a path. No id and no name is longer.
fn path_text(name: &str) -> Object {
    if name == "kind" {
        let slugs: Vec<&str> = problem::KINDS.iter().map(|kind| kind.slug).collect();
        return word_schema(&slugs).build();
    }
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build()
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}

fn success(doc: &Doc) -> Response {
    let mut response = ResponseBuilder::new().description(doc.answer);
    for (media_type, schema) in &doc.content {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        response = response.content(*media_type, content);
    }
    response.build()
}

/// The headers of an answer with this status, beyond those that every answer may carry.
fn header_names(endpoint: &Endpoint, doc: &Doc, status: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    if endpoint.extra_limit.is_some() || !matches!(endpoint.limit, Limit::None | Limit::Address) {
        names.extend(OF_LIMITS);
    }
    match status {
        "401" => names.push("WWW-Authenticate"),
        "429" | "503" => names.push("Retry-After"),
        _ if status == doc.status.to_string() => {
            names.extend(doc.extras.iter().map(|extra| match extra {
                Extra::Validator => "ETag",
                Extra::Location => "Location",
                Extra::Link => "Link",
                Extra::Attachment => "Content-Disposition",
            }));
            names.extend(endpoint.takes_key.then_some("Idempotent-Replayed"));
        }
        _ => {}
    }
    names
}

/// What stands under a heading; the test of the description's headings names one without a line.
fn tag_description(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "accounts" => "Sign-up, sign-in, sessions, profiles and API keys.",
        "admin" => "What administrators see and change.",
        "channels" => "Channels of Telegram and Discord: where a member stands, and why.",
        "notifications" => "What a user is told of.",
        "operation" => "Health, metrics and this description.",
        "payments" => "Plans and what they cost.",
        "producers" => "Signals and outcomes as producers push them in.",
        "record" => "Statistics over closed signals.",
        "signals" => "Signals as subscribers may see them.",
        _ => return None,
    })
}

/// What an endpoint is for, where a summary says too little; with the space behind it.
fn explained(doc: &Doc) -> String {
    if doc.explanation.is_empty() { String::new() } else { format!("{} ", doc.explanation) }
}

/// Who may call an endpoint, and how often.
fn description(endpoint: &Endpoint) -> String {
    let who = match endpoint.access {
        Access::Public => "Anybody may call; credentials are not looked at.",
        Access::Optional(_) => {
            "Anybody may call; credentials that are sent must be good, and decide what is shown."
        }
        Access::Bearer => "For a user with an access token.",
        Access::BearerOrKey(_) => "For a user with an access token, or a program with an API key.",
        Access::Admin => "For an administrator with an access token.",
        Access::Producer => "For a producer with its key.",
    };
    let limit = match endpoint.limit {
        Limit::None => "It is not limited.",
        Limit::Address => "Requests are counted by address.",
        Limit::Caller => "Requests are counted by caller, and without credentials by address.",
        Limit::SignIn => "Requests are counted strictly, by address and by account.",
        Limit::Session => "Requests are counted by session.",
    };
    let besides = endpoint.extra_limit.map_or_else(String::new, |name| {
        format!(" Each caller is counted under the limit `{name}` besides.")
    });
    let scope = endpoint
        .access
        .scope()
        .map_or_else(String::new, |scope| format!(" An API key needs the scope `{scope}`."));
    format!("{who}{scope} {limit}{besides}")
}

/// Every kind of problem that an endpoint can answer with, by status.
fn problems(endpoint: &Endpoint, doc: &Doc) -> Vec<(u16, Vec<&'static Kind>)> {
    let mut kinds: Vec<&'static Kind> = doc.problems.to_vec();
    if !doc.body.is_empty() {
        kinds.extend([
            &problem::MALFORMED,
            &problem::TIMEOUT,
            &problem::TOO_LARGE,
            &problem::UNSUPPORTED_MEDIA_TYPE,
            &problem::INVALID,
        ]);
    }
    if !doc.parameters.is_empty() {
        kinds.extend([&problem::MALFORMED, &problem::INVALID, &problem::URI_TOO_LONG]);
    }
    if endpoint.path.contains('{') {
        kinds.extend([&problem::NOT_FOUND, &problem::URI_TOO_LONG]);
    }
    if endpoint.access != Access::Public {
        kinds.extend([&problem::UNAUTHENTICATED, &problem::UNAVAILABLE]);
    }
    if !matches!(endpoint.access, Access::Public | Access::Optional(_)) {
        kinds.push(&problem::FORBIDDEN);
    }
    if endpoint.access.scope().is_some() {
        kinds.push(&problem::MISSING_SCOPE);
    }
    if endpoint.takes_key {
        kinds.extend([&problem::MALFORMED, &problem::IN_PROGRESS, &problem::KEY_REUSED]);
    }
    if endpoint.limit != Limit::None {
        kinds.push(&problem::RATE_LIMITED);
    }
    kinds.extend([&problem::METHOD_NOT_ALLOWED, &problem::INTERNAL]);
    let mut by_status: Vec<(u16, Vec<&'static Kind>)> = Vec::new();
    for kind in kinds {
        match by_status.iter_mut().find(|(status, _)| *status == kind.status) {
            Some((_, known)) if known.contains(&kind) => {}
            Some((_, known)) => known.push(kind),
            None => by_status.push((kind.status, vec![kind])),
        }
    }
    by_status
}

fn problem_response(kinds: &[&'static Kind]) -> Response {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}. {}", kind.slug, kind.title, kind.remedy))
        .collect();
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"));
    let response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(problem::MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build());
    response.build()
}

pub(crate) const BEARER: &str = "bearerAuth";
pub(crate) const USER_KEY: &str = "userApiKey";
pub(crate) const PRODUCER_KEY: &str = "producerKey";

/// What an access means as requirements, of which one suffices.
fn security(access: Access) -> Vec<SecurityRequirement> {
    let of = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    let of_key = |scope: Scope| SecurityRequirement::new(USER_KEY, [scope.as_str()]);
    match access {
        Access::Public => Vec::new(),
        Access::Optional(scope) => {
            vec![SecurityRequirement::default(), of(BEARER), of_key(scope)]
        }
        Access::Bearer => vec![of(BEARER)],
        // OpenAPI 3.1: what a requirement of this kind names is a role.
        Access::Admin => vec![SecurityRequirement::new(BEARER, [Role::Admin.to_string()])],
        Access::BearerOrKey(scope) => vec![of(BEARER), of_key(scope)],
        Access::Producer => vec![of(PRODUCER_KEY)],
    }
}

fn components() -> ComponentsBuilder {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token (RFC 9068) from auth/login, auth/signup or auth/refresh. It is made and read by the \
             rules of RFC8725: one algorithm, its type, issuer, audience and expiry are checked."))
        .build();
    let key = |text: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", text)))
    };
    let header_of = |name: &str, text: &str, schema: RefOr<Schema>| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(utoipa::openapi::Required::False)
            .description(Some(text))
            .schema(Some(schema))
            .build()
    };
    let header = |name: &str, text: &str| header_of(name, text, text_schema());
    // With or without quotation marks around it.
    let key_schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(257))
        .pattern(Some(r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#));
    ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .security_scheme(USER_KEY, key("A user's API key, from users/api-keys; reads signals."))
        .security_scheme(PRODUCER_KEY, key("A producer's key; pushes signals."))
        .parameter(
            "RequestId",
            header(
                "X-Request-ID",
                "Names the request; 1 to 128 characters A–Z a–z 0–9 - _ . : / + = ~. Comes back.",
            ),
        )
        .parameter("TraceParent", header("traceparent", "W3C Trace Context."))
        .parameter(
            "IdempotencyKey",
            header_of(
                "Idempotency-Key",
                "Names this very request, for a day: sent again, it has no further effect and gets the first answer, with \
                 `Idempotent-Replayed: true`. 1 to 255 visible characters of ASCII, a UUID for example.",
                key_schema.build().into(),
            ),
        )
        .parameter("IfNoneMatch", header("If-None-Match", "Validators that the client has."))
}

/// The types that the documents refer to, and those that every route answers with.
fn schemas(components: ComponentsBuilder, documented: Vec<(&Endpoint, Doc)>) -> ComponentsBuilder {
    let common = Doc::new("", "", "").gives::<problem::Document<'_>>();
    let docs = documented.into_iter().map(|(_, doc)| doc).chain([common]);
    components.schemas_from_iter(docs.flat_map(|doc| doc.schemas))
}
