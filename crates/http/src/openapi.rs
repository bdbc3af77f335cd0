//! The description of the API (OpenAPI 3.1), made from the route table: what is not in the table is
//! not in the description, and the other way round.

use alpine_domain::Error;
use bytes::Bytes;
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HeaderBuilder, HttpMethod, Info, LicenseBuilder, OpenApi,
    OpenApiBuilder, PathsBuilder, Ref, RefOr, ResponseBuilder, SecurityRequirement,
    path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItemBuilder},
    request_body::RequestBodyBuilder,
    response::Response,
    schema::Schema,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::{
    doc::{Doc, Extra, schema, text_schema},
    endpoint::{Access, Endpoint, Limit},
    problem::{self, Kind},
};

const DESCRIPTION: &str = "Trading signals: producers push them in, subscribers read what their tier \
may see.\n\nEvery path under `/api/v1` is also reachable under `/api`. Every error is a problem \
document (RFC 9457); its `type` can be followed and says what to do. Times are RFC 3339 in UTC; \
numbers come back with the producer's own digits. 400 is broken syntax, 422 a value that breaks a \
rule, with every field named at once. Answers carry `X-Request-ID` and, where limits apply, \
`RateLimit-Policy` and `RateLimit`.";

/// What an application serves, for the description of it.
pub(crate) struct Described(pub(crate) Vec<Endpoint>);

impl Described {
    /// The description in JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be written.
    pub(crate) fn to_json(&self) -> alpine_domain::Result<Bytes> {
        let document = document(&self.0);
        document.to_json().map(Bytes::from).map_err(Error::internal)
    }
}

/// The description of the documented endpoints of a table.
pub fn document(table: &[Endpoint]) -> OpenApi {
    let documented: Vec<(&Endpoint, Doc)> =
        table.iter().filter_map(|endpoint| Some((endpoint, endpoint.doc?()))).collect();
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
    info.license = Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build());
    OpenApiBuilder::new()
        .info(info)
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
        .description(
            endpoint
                .extra_limit
                .map(|name| format!("Each caller is counted under the limit `{name}` besides.")),
        )
        .parameter_ref(Ref::new("#/components/parameters/RequestId"))
        .parameter_ref(Ref::new("#/components/parameters/TraceParent"));
    for name in path_parameters(endpoint.path) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(utoipa::openapi::Required::True)
            .schema(Some(text_schema()));
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
    if doc.extras.contains(&Extra::Validator) {
        operation = operation.parameter_ref(Ref::new("#/components/parameters/IfNoneMatch"));
    }
    operation = operation.response(doc.status.to_string(), success(endpoint, doc));
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
            .required(Some(utoipa::openapi::Required::True))
            .build()
    });
    operation.request_body(body).build()
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split(['}', ':']).next())
}

fn success(endpoint: &Endpoint, doc: &Doc) -> Response {
    let mut response = ResponseBuilder::new().description(doc.answer);
    for (media_type, schema) in &doc.content {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        response = response.content(*media_type, content);
    }
    for (name, text) in headers(endpoint, doc) {
        let header = HeaderBuilder::new().schema(Some(text_schema())).description(Some(text));
        response = response.header(name, header.build());
    }
    response.build()
}

/// The headers of an endpoint's success.
fn headers(endpoint: &Endpoint, doc: &Doc) -> Vec<(&'static str, &'static str)> {
    let mut headers = vec![("X-Request-ID", "Names the request in the server's log.")];
    if endpoint.extra_limit.is_some() || !matches!(endpoint.limit, Limit::None | Limit::Address) {
        headers.extend([
            ("RateLimit-Policy", "Every window of the caller's policy."),
            ("RateLimit", "What is left of the window that ends first."),
            ("X-RateLimit-Limit", "The limit of that window."),
            ("X-RateLimit-Remaining", "What is left of it."),
            ("X-RateLimit-Reset", "When it is whole again, in Unix seconds."),
        ]);
    }
    headers.extend(doc.extras.iter().map(|extra| match extra {
        Extra::Validator => ("ETag", "For If-None-Match; another one for each coding."),
        Extra::Location => ("Location", "Where the new thing is."),
        Extra::Link => ("Link", "The next page, rel=next, if there is one."),
        Extra::Attachment => ("Content-Disposition", "The file's name."),
    }));
    headers
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
        kinds.extend([&problem::MALFORMED, &problem::INVALID]);
    }
    if endpoint.path.contains('{') {
        kinds.push(&problem::NOT_FOUND);
    }
    if endpoint.access != Access::Public {
        kinds.extend([&problem::UNAUTHENTICATED, &problem::UNAVAILABLE]);
    }
    if !matches!(endpoint.access, Access::Public | Access::Optional) {
        kinds.push(&problem::FORBIDDEN);
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
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(problem::MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build());
    let header = match kinds.first().map(|kind| kind.status) {
        Some(401) => Some(("WWW-Authenticate", "Which credential is asked for.")),
        Some(429 | 503) => Some(("Retry-After", "Seconds to wait.")),
        _ => None,
    };
    if let Some((name, text)) = header {
        let header = HeaderBuilder::new().schema(Some(text_schema())).description(Some(text));
        response = response.header(name, header.build());
    }
    response.build()
}

pub(crate) const BEARER: &str = "bearerAuth";
pub(crate) const USER_KEY: &str = "userApiKey";
pub(crate) const PRODUCER_KEY: &str = "producerKey";

/// What an access means as requirements, of which one suffices.
fn security(access: Access) -> Vec<SecurityRequirement> {
    let of = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    match access {
        Access::Public => Vec::new(),
        Access::Optional => vec![SecurityRequirement::default(), of(BEARER), of(USER_KEY)],
        Access::Bearer | Access::Admin => vec![of(BEARER)],
        Access::BearerOrKey => vec![of(BEARER), of(USER_KEY)],
        Access::Producer => vec![of(PRODUCER_KEY)],
    }
}

fn components() -> ComponentsBuilder {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token from auth/login, auth/signup or auth/refresh."))
        .build();
    let key = |text: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("X-API-Key", text)))
    };
    let header = |name: &str, text: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(utoipa::openapi::Required::False)
            .description(Some(text))
            .schema(Some(text_schema()))
            .build()
    };
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
        .parameter("IfNoneMatch", header("If-None-Match", "Validators that the client has."))
}

/// The types that the documents refer to, and those that every route answers with.
fn schemas(components: ComponentsBuilder, documented: Vec<(&Endpoint, Doc)>) -> ComponentsBuilder {
    let common = Doc::new("", "", "").gives::<problem::Document<'_>>();
    let docs = documented.into_iter().map(|(_, doc)| doc).chain([common]);
    components.schemas_from_iter(docs.flat_map(|doc| doc.schemas))
}
