//! What every request passes before its handler, by what the route table says, and what every answer
//! passes after it.

use std::{any::Any, panic::AssertUnwindSafe, rc::Rc};

use actix_web::{HttpRequest, HttpResponse, dev::Payload, http::Method, web};
use futures_util::FutureExt as _;

use super::{authenticate, origin, outermost::log_failure, repeats, warnings};
use crate::{
    context::{Context, IDEMPOTENCY_KEY},
    endpoint::{Access, MountedEndpoint},
    extract::{address::ClientAddress, body},
    limit,
    problem::{self, Problem, Result},
    request_info::RequestInfo,
    route::Handler,
    state::AppState,
};

/// The longest path and query, in bytes. RFC 9110, section 4.1, asks for 8,000 at least.
const MAX_URI: usize = 8_192;

/// Answers one request of a route. Never fails and never panics.
pub(crate) async fn serve(
    mounted: Rc<MountedEndpoint>,
    handler: Handler,
    state: Rc<web::Data<AppState>>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let info = RequestInfo::of(&request).unwrap_or_else(|| {
        let services = &state.services;
        Rc::new(RequestInfo::begin(request.headers(), &*services.clock, &*services.randomness))
    });
    // A request is routed once, so the cell is empty here.
    let _ = info.route.set(Rc::clone(&mounted));
    // One expression: in a variable the work would take its room twice in this future, and futures
    // beyond a kilobyte are slow to allocate.
    let outcome = AssertUnwindSafe(pass(
        Rc::clone(&info),
        mounted,
        handler,
        Rc::clone(&state),
        request.clone(),
        payload,
    ))
    .catch_unwind()
    .await
    .unwrap_or_else(|panic| Err(of_panic(&*panic, &info)));
    let outcome = outcome.map(|response| warnings::told(response, &info));
    let mut response = outcome.unwrap_or_else(|problem| {
        log_failure(&problem, &info);
        problem.respond(request.path(), info.request_id())
    });
    limit::write_headers(response.headers_mut(), &info, &state);
    response
}

async fn pass(
    info: Rc<RequestInfo>,
    mounted: Rc<MountedEndpoint>,
    handler: Handler,
    state: Rc<web::Data<AppState>>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse> {
    let access = mounted.endpoint.access;
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri > MAX_URI {
        return Err(Problem::new(&problem::URI_TOO_LONG, problem::URI_TOO_LONG.remedy));
    }
    body::check_announced(&request, mounted.endpoint.body_limit(&state.settings))?;
    let address = ClientAddress::of(&request, &state.settings.http.trusted_proxies);
    info.address.set(Some(address));
    warnings::note_query(&info, &mounted, &request);
    let found = authenticate::identify(&state, &info, &request, access, address).await;
    let caller = match found {
        Ok(caller) => caller,
        // Boxed, so that the future of a common request stays small.
        Err(refused) => {
            return Err(Box::pin(limit::count_refusal(&state, &info, address, refused)).await);
        }
    };
    info.caller_kind.set(authenticate::kind(&caller));
    if let Some(id) = authenticate::id(&caller) {
        // A request has one caller, so the cell is empty here.
        let _ = info.caller_id.set(id);
    }
    if let Some(missing) = authenticate::missing(&caller, access) {
        Box::pin(limit::count_missing(&state, &info, address)).await?;
        return Err(missing);
    }
    if let Err(limited) = limit::count_caller(&state, &info, &mounted, &caller, address).await {
        origin::note_limit(&state, &origin::of(&state, &info, &caller, address)?, &mounted);
        return Err(limited);
    }
    // A caller of another kind is counted as well.
    if let Err(forbidden) = authenticate::permit(&caller, access) {
        origin::note_forbidden(&state, &origin::of(&state, &info, &caller, address)?, &mounted);
        return Err(forbidden);
    }
    if let Some(user) = caller.user() {
        state.services.use_cases.usage.called(user);
    }
    // Reads leave no line, and what producers publish is its own record.
    let is_told =
        access != Access::Producer && !matches!(*request.method(), Method::GET | Method::HEAD);
    let origin = is_told.then(|| origin::of(&state, &info, &caller, address)).transpose()?;
    let context = Context { state, request, caller, address, info, mounted, payload };
    if context.mounted.endpoint.takes_key && context.request.headers().contains_key(IDEMPOTENCY_KEY)
    {
        return Box::pin(repeats::answer(context, origin, handler)).await;
    }
    origin::run_as(origin, context, &handler).await
}

fn of_panic(panic: &(dyn Any + Send), info: &RequestInfo) -> Problem {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(request_id = info.request_id(), panic = message, "a handler panicked");
    Problem::new(&problem::INTERNAL, problem::INTERNAL.remedy)
}
