//! A request that names a key (`Idempotency-Key`) is answered once, and gets that answer however often it is sent.

use std::panic::{AssertUnwindSafe, resume_unwind};

use actix_web::{
    HttpResponse,
    body::{self, MessageBody as _},
    dev::Payload,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    rt::{self, time::timeout},
};
use alpine_domain::{
    Error,
    account::Caller,
    audit::Origin,
    idempotency::{Begun, Fingerprint, KeptAnswer, KeyOwner, MAX_KEPT_BODY, MAX_RUN, Repeats, Run},
};
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};

use super::origin;
use crate::{
    context::{Context, IDEMPOTENCY_KEY},
    problem::{self, Problem, Result},
    route::Handler,
};

/// Marks an answer that was given before, as clients of Stripe know it.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Answers a request of a route that takes keys.
pub(super) async fn answer(
    mut context: Context,
    origin: Option<Origin>,
    handler: Handler,
) -> Result<HttpResponse> {
    let (Some(owner), Some(key)) = (owner(&context.caller), context.idempotency_key()?) else {
        return origin::run_as(origin, context, &handler).await;
    };
    let body = context.whole_body().await?;
    let fingerprint = Fingerprint::of(context.request.method().as_str(), &target(&context), &body);
    context.payload = of_bytes(body);
    let repeats = context.state.services.use_cases.repeats.clone();
    match repeats.begin(owner, key, fingerprint).await? {
        (Begun::Run, run) => run_once(repeats, run, context, origin, handler).await,
        (Begun::Replay(kept), _) => Ok(replay(kept)),
        (Begun::Running, _) => Err(Problem::in_progress()),
        (Begun::Other, _) => Err(Problem::new(
            &problem::KEY_REUSED,
            format!("{IDEMPOTENCY_KEY} was sent with another request before"),
        )),
    }
}

const fn owner(caller: &Caller) -> Option<KeyOwner> {
    match caller {
        Caller::Producer(producer) => Some(KeyOwner::Producer(producer.id)),
        other => match other.user() {
            Some(user) => Some(KeyOwner::User(user)),
            None => None,
        },
    }
}

/// The path, by whichever of its names it was asked for, the query, and what the body is said to be.
fn target(context: &Context) -> String {
    let parts = context.request.match_info().iter().map(|(_, part)| format!("/{part}"));
    let query = context.request.query_string();
    let sent = context.request.headers().get(header::CONTENT_TYPE);
    let media_type = String::from_utf8_lossy(sent.map_or(b"", |value| value.as_bytes()));
    format!("{}{}?{query}\n{media_type}", context.mounted.path, parts.collect::<String>())
}

/// A body that was read, to be read again.
fn of_bytes(bytes: Bytes) -> Payload {
    Payload::Stream { payload: Box::pin(stream::iter([Ok(bytes)])) }
}

/// Answers in a task of its own: a client that breaks off ends it no more, and finds the answer when it asks again.
async fn run_once(
    repeats: Repeats,
    run: Run,
    context: Context,
    origin: Option<Origin>,
    handler: Handler,
) -> Result<HttpResponse> {
    let task = rt::spawn(async move {
        let work = AssertUnwindSafe(origin::run_as(origin, context, &handler)).catch_unwind();
        match timeout(MAX_RUN, work).await {
            Ok(Ok(outcome)) => keep(&repeats, &run, outcome).await,
            Ok(Err(panic)) => {
                give_up(&repeats, &run).await;
                resume_unwind(panic)
            }
            // What it began may still have its effect: the key is held until its time is over.
            Err(_) => Err(Problem::in_progress()),
        }
    });
    task.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(error) => Err(Error::internal(error).into()),
    })
}

/// Keeps the answer, or sets the key free where there is nothing to keep: what was refused for its content, or failed,
/// may be tried again under the same key.
async fn keep(repeats: &Repeats, run: &Run, outcome: Result<HttpResponse>) -> Result<HttpResponse> {
    let (kept, response) = match outcome {
        Ok(response) => read(response).await?,
        Err(problem) => {
            give_up(repeats, run).await;
            return Err(problem);
        }
    };
    match kept {
        Some(kept) => {
            if let Err(error) = repeats.finish(run, kept).await {
                warn(&error);
            }
        }
        None => give_up(repeats, run).await,
    }
    Ok(response)
}

async fn give_up(repeats: &Repeats, run: &Run) {
    if let Err(error) = repeats.give_up(run).await {
        warn(&error);
    }
}

/// The answer is right all the same. The key is held until its time is over, and free then.
fn warn(error: &Error) {
    tracing::warn!(%error, "what came of a request with a key could not be kept");
}

/// The answer as it is kept, and as it is sent.
async fn read(response: HttpResponse) -> Result<(Option<KeptAnswer>, HttpResponse)> {
    let (head, body) = response.into_parts();
    let is_long = match body.size() {
        body::BodySize::Sized(length) => length > MAX_KEPT_BODY as u64,
        body::BodySize::None => false,
        body::BodySize::Stream => true,
    };
    if is_long || !head.status().is_success() {
        return Ok((None, head.set_body(body)));
    }
    let bytes = body::to_bytes(body)
        .await
        .map_err(|error| Error::internal(std::io::Error::other(error.to_string())))?;
    let text = |name: HeaderName| {
        head.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    let kept = String::from_utf8(bytes.to_vec()).ok().map(|body| KeptAnswer {
        status: head.status().as_u16(),
        media_type: text(header::CONTENT_TYPE),
        location: text(header::LOCATION),
        body,
    });
    Ok((kept, head.set_body(bytes).map_into_boxed_body()))
}

fn replay(kept: KeptAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut answer = HttpResponse::build(status);
    for (name, value) in
        [(header::CONTENT_TYPE, kept.media_type), (header::LOCATION, kept.location)]
    {
        if let Some(value) = value {
            answer.insert_header((name, value));
        }
    }
    answer.insert_header((REPLAYED, HeaderValue::from_static("true")));
    answer.body(kept.body)
}
