//! From the route table to a running application. The server and the tests build the very same one.

use std::rc::Rc;

use actix_web::{
    App, HttpRequest, HttpResponse, Resource,
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
    endpoint::{Access, Endpoint, Limit, MountedEndpoint},
    openapi::{self, Described},
    policies::missing_row,
    problem::{Problem, Result},
    route::{Handler, Route},
    routes,
    settings::HttpSettings,
    state::AppState,
};

/// The description of the API (OpenAPI 3.1) as it is served under these settings.
///
/// # Errors
/// [`Error::Internal`](alpine_domain::Error::Internal) when it cannot be written.
pub fn api_description(settings: &HttpSettings) -> alpine_domain::Result<serde_json::Value> {
    openapi::document(&endpoints(&routes::table(settings)))
}

fn endpoints(table: &[Route]) -> Vec<Endpoint> {
    table.iter().map(|route| route.endpoint.clone()).collect()
}

/// Whether every policy that a route of the table or one of `more` names has its row.
///
/// # Errors
/// The first one that has none.
pub fn check_limits(more: &[Route], settings: &HttpSettings) -> Result<(), String> {
    let table = routes::table(settings);
    let mut names = table.iter().chain(more).filter_map(|route| route.endpoint.extra_limit);
    let missing = names.find(|name| settings.limits.row(name).is_none());
    missing.map_or(Ok(()), |name| Err(missing_row(name)))
}

/// A route in its place.
#[derive(Clone)]
struct Mounted {
    endpoint: Rc<MountedEndpoint>,
    handler: Handler,
}

/// An application: the routes of `table` behind every layer. [`routes::table`] has all of them,
/// [`routes::metrics_table`] those for a port of their own that the outside does not reach.
///
/// Call it once per worker with clones of one state.
#[expect(clippy::needless_pass_by_value, reason = "an application is made from its own handle")]
pub fn build(
    state: web::Data<AppState>,
    table: Vec<Route>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let described = Described(endpoints(&table));
    App::new()
        .app_data(described)
        .wrap(cors::layer(&state.settings.cors))
        .wrap(Edge(state.clone()))
        .configure(|config| mount(config, &state, table))
}

fn mount(config: &mut web::ServiceConfig, state: &web::Data<AppState>, table: Vec<Route>) {
    let mut resources: Vec<(Vec<String>, Vec<Mounted>)> = Vec::new();
    for Route { endpoint, handler } in table {
        let (path, paths) = (endpoint.canonical_path(), endpoint.paths());
        let metrics = state.metrics.route(&path, endpoint.method.as_str());
        let limits = &state.settings.limits;
        let usage = state.services.use_cases.usage.route(endpoint.name);
        let endpoint = Rc::new(MountedEndpoint::new(endpoint, path, metrics, usage, limits));
        let mounted = Mounted { endpoint, handler };
        match resources.iter_mut().find(|(known, _)| *known == paths) {
            Some((_, methods)) => methods.push(mounted),
            None => resources.push((paths, vec![mounted])),
        }
    }
    let mut resources: Vec<(&str, &[Mounted])> = resources
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

fn resource(path: &str, methods: &[Mounted], state: &web::Data<AppState>) -> Resource {
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
            let route = route(mounted.clone(), state.clone());
            resource.route(match mounted.endpoint.endpoint.method {
                Method::GET => route.guard(guard::Any(guard::Get()).or(guard::Head())),
                ref method => route.guard(guard::Method(method.clone())),
            })
        })
        .default_service(route(other, state.clone()))
}

fn route(mounted: Mounted, state: web::Data<AppState>) -> actix_web::Route {
    let state = Rc::new(state);
    web::route().to(move |request: HttpRequest, payload: web::Payload| {
        let Mounted { endpoint, handler } = mounted.clone();
        serve(endpoint, handler, Rc::clone(&state), request, payload.into_inner())
    })
}

/// What answers where no endpoint does.
fn fallback(
    state: &AppState,
    name: &'static str,
    answer: impl Fn(&Context) -> Result<HttpResponse> + 'static,
) -> Mounted {
    let answer = Rc::new(answer);
    let Route { endpoint, handler } =
        Route::new(Method::GET, "", name, Access::Public, Limit::Address, move |context| {
            let answer = Rc::clone(&answer);
            async move { answer(&context) }
        });
    let (metrics, limits) = (state.metrics.route(name, "OTHER"), &state.settings.limits);
    let usage = state.services.use_cases.usage.route(name);
    let path = name.to_owned();
    let endpoint = Rc::new(MountedEndpoint::new(endpoint, path, metrics, usage, limits));
    Mounted { endpoint, handler }
}

/// The `Allow` of a resource: GET answers HEAD, and every resource answers OPTIONS.
fn allowed(methods: &[Mounted]) -> HeaderValue {
    let mut names = Vec::new();
    for mounted in methods {
        let method = &mounted.endpoint.endpoint.method;
        names.push(method.as_str());
        if *method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
