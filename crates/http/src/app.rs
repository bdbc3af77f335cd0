//! From the route table to a running application. The server and the tests build the very same one.

use std::rc::Rc;

use actix_web::{
    App, HttpRequest, HttpResponse, Resource, Route,
    body::BoxBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web,
};

use crate::{
    context::{Context, not_found},
    edge::{cors, guard::serve, outermost::Edge},
    endpoint::{Access, Endpoint, Limit},
    metrics::RouteMetrics,
    problem::{Problem, Result},
    routes,
    state::AppState,
};

/// An endpoint in its place, with what a request would otherwise have to look up.
pub(crate) struct Mounted {
    pub(crate) endpoint: Endpoint,
    /// The whole path with its parameters' names: a label, never what a client sent.
    pub(crate) path: String,
    pub(crate) metrics: RouteMetrics,
}

/// The whole application: every route behind every layer.
///
/// Call it once per worker with clones of one state.
pub fn build_app(
    state: web::Data<AppState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let table = routes::table(&state.settings);
    build(state, table)
}

/// Only `/metrics` and liveness, for a port of their own that the outside does not reach.
pub fn metrics_app(
    state: web::Data<AppState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    build(state, routes::metrics_table())
}

/// An application of any table: what [`build_app`] does, for tests and extensions.
#[expect(clippy::needless_pass_by_value, reason = "an application is made from its own handle")]
pub fn build(
    state: web::Data<AppState>,
    table: Vec<Endpoint>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .wrap(cors::layer(&state.settings.cors))
        .wrap(Edge(state.clone()))
        .configure(|config| mount(config, &state, table))
}

fn mount(config: &mut web::ServiceConfig, state: &web::Data<AppState>, table: Vec<Endpoint>) {
    let mut resources: Vec<(Vec<String>, Vec<Rc<Mounted>>)> = Vec::new();
    for endpoint in table {
        let paths = endpoint.paths();
        let mounted = Rc::new(Mounted {
            path: endpoint.canonical_path(),
            metrics: state.metrics.route(&endpoint.canonical_path(), endpoint.method.as_str()),
            endpoint,
        });
        match resources.iter_mut().find(|(known, _)| *known == paths) {
            Some((_, methods)) => methods.push(mounted),
            None => resources.push((paths, vec![mounted])),
        }
    }
    let mut resources: Vec<(&str, &[Rc<Mounted>])> = resources
        .iter()
        .flat_map(|(paths, methods)| paths.iter().map(|path| (path.as_str(), methods.as_slice())))
        .collect();
    // Paths are tried one after the other. Those without parameters are compared in no time, the
    // others by regular expressions; and a path that is written out is meant before one that fits.
    resources.sort_by_key(|(path, _)| path.contains('{'));
    for (path, methods) in resources {
        config.service(resource(path, methods, state));
    }
    let unknown = fallback(state, "unknown", |_| Err(not_found("resource")));
    config.default_service(route(unknown, state.clone()));
}

fn resource(path: &str, methods: &[Rc<Mounted>], state: &web::Data<AppState>) -> Resource {
    let allow = allowed(methods);
    let other = fallback(state, "other-method", move |context| {
        if context.request.method() == Method::OPTIONS {
            let mut answer = HttpResponse::NoContent();
            return Ok(answer.insert_header((header::ALLOW, allow.clone())).finish());
        }
        Err(Problem::method_not_allowed(allow.clone()))
    });
    methods
        .iter()
        .fold(web::resource(path), |resource, mounted| {
            let route = route(Rc::clone(mounted), state.clone());
            resource.route(match mounted.endpoint.method {
                Method::GET => route.guard(guard::Any(guard::Get()).or(guard::Head())),
                ref method => route.guard(guard::Method(method.clone())),
            })
        })
        .default_service(route(other, state.clone()))
}

fn route(mounted: Rc<Mounted>, state: web::Data<AppState>) -> Route {
    let state = Rc::new(state);
    web::route().to(move |request: HttpRequest, payload: web::Payload| {
        serve(Rc::clone(&mounted), Rc::clone(&state), request, payload.into_inner())
    })
}

/// What answers where no endpoint does.
fn fallback(
    state: &AppState,
    name: &'static str,
    answer: impl Fn(&Context) -> Result<HttpResponse> + 'static,
) -> Rc<Mounted> {
    let answer = Rc::new(answer);
    let endpoint =
        Endpoint::new(Method::GET, "", name, Access::Public, Limit::Address, move |context| {
            let answer = Rc::clone(&answer);
            async move { answer(&context) }
        });
    Rc::new(Mounted {
        endpoint: endpoint.unlisted(),
        path: name.to_owned(),
        metrics: state.metrics.route(name, "OTHER"),
    })
}

/// The `Allow` of a resource: GET answers HEAD, and every resource answers OPTIONS.
fn allowed(methods: &[Rc<Mounted>]) -> HeaderValue {
    let mut names = Vec::new();
    for mounted in methods {
        names.push(mounted.endpoint.method.as_str());
        if mounted.endpoint.method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
