//! What producers push in, and see of it. Bodies go to the use case as they came: the hash covers their very digits.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION, RETRY_AFTER},
    },
};
use alpine_domain::{
    account::Caller,
    json::JsonObject,
    page::Slice,
    producer::Producer,
    signal::{ExternalId, OUTCOME_MEMBERS, OwnFilter, SIGNAL_MEMBERS},
};

use super::{
    parameters,
    views::{BatchView, OutcomeBatchView, OutcomeView, OwnPage, StoredView, SyncHealth},
};
use crate::{
    api::signals::views::SignalView,
    context::Context,
    extract::body::MediaType,
    problem::{self, Challenge, Problem, Result},
};

fn producer(context: &Context) -> Result<&Producer> {
    match &context.caller {
        Caller::Producer(producer) => Ok(producer),
        _ => Err(Problem::unauthenticated(
            Challenge::ProducerKey,
            "send the producer's key in X-API-Key",
        )),
    }
}

/// `POST external-signals/sync/signal`.
pub(crate) async fn submit(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let services = &context.state.services;
    let submitted = services.use_cases.intake.submit(producer(&context)?, &body).await?;
    context.note_unknown_to(&SIGNAL_MEMBERS, submitted.unknown.iter().map(String::as_str));
    let id = submitted.id.get();
    let view = StoredView {
        status: "success",
        message: "Signal stored successfully",
        signal_id: id,
        alpine_signal_id: id,
        external_signal_id: submitted.external_id.as_str(),
    };
    let mut answer = context.answer(StatusCode::CREATED, &view)?;
    let location =
        format!("/api/v1/external-signals/signals/{}", segment(submitted.external_id.as_str()));
    if let Ok(location) = HeaderValue::try_from(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// A text as a part of a path (RFC 3986, section 2.3).
fn segment(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                written.push(char::from(byte));
            }
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                written.push('%');
                written.push(char::from(DIGITS[usize::from(byte >> 4)]));
                written.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    // A part that is nothing but dots would lead elsewhere.
    if written.bytes().all(|byte| byte == b'.') { written.replace('.', "%2E") } else { written }
}

/// `POST external-signals/sync/batch`: good lines are stored, bad ones told by line and field.
pub(crate) async fn submit_batch(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Lines, MediaType::Json]).await?;
    check_lines(&body)?;
    let services = &context.state.services;
    let longest = context.state.settings.http.body_limit;
    let results =
        services.use_cases.intake.submit_batch(producer(&context)?, &body, longest).await?;
    let unknown = results.iter().flat_map(|line| &line.unknown).map(String::as_str);
    context.note_unknown_to(&SIGNAL_MEMBERS, unknown);
    context.ok(&BatchView::new(&results))
}

/// `POST external-signals/sync/outcome`.
pub(crate) async fn report_outcome(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let services = &context.state.services;
    let (signal, is_new) =
        services.use_cases.intake.report_outcome(producer(&context)?, &body).await?;
    context.note_unknown_to(&OUTCOME_MEMBERS, JsonObject::parse(&body)?.names());
    context.ok(&OutcomeView::new(&signal, is_new))
}

/// `POST external-signals/sync/outcomes`: good lines are kept, bad ones told by line and field.
pub(crate) async fn report_outcomes(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Lines, MediaType::Json]).await?;
    check_lines(&body)?;
    let services = &context.state.services;
    let longest = context.state.settings.http.body_limit;
    let results =
        services.use_cases.intake.report_outcomes(producer(&context)?, &body, longest).await?;
    let unknown = results.iter().flat_map(|line| &line.unknown).map(String::as_str);
    context.note_unknown_to(&OUTCOME_MEMBERS, unknown);
    context.ok(&OutcomeBatchView::new(&results))
}

/// A file of another kind, CSV for example, is refused once and not line by line.
///
/// # Errors
/// 415 when no line begins as an object, or an array, does.
fn check_lines(body: &[u8]) -> Result<()> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let is_empty = text.trim_ascii().is_empty();
    if is_empty || lines.any(|line| matches!(line.first(), Some(b'{' | b'['))) {
        return Ok(());
    }
    Err(Problem::new(
        &problem::UNSUPPORTED_MEDIA_TYPE,
        "no line of the body is a JSON object: send one a line, or an array of them; CSV is not taken",
    ))
}

/// `GET external-signals/signals`.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let (values, _) = context.parameters(&parameters::list())?;
    let (limit, offset, after, status, symbol, updated_after) = values;
    let filter = OwnFilter { status, symbol, updated_after };
    let catalogue = &context.state.services.use_cases.catalogue;
    let slice = Slice { limit, offset, after };
    let page = catalogue.own(producer(&context)?.id, &filter, slice).await?;
    context.ok(&OwnPage::new(&page, catalogue))
}

/// `GET external-signals/signals/{signal_id}`.
pub(crate) async fn find(context: Context) -> Result<HttpResponse> {
    let id: ExternalId = context.segment("signal_id", "signal")?;
    let catalogue = &context.state.services.use_cases.catalogue;
    let signal = catalogue.own_signal(producer(&context)?.id, &id).await?;
    context.ok(&SignalView::new(&signal, catalogue))
}

/// `GET external-signals/sync/health`.
pub(crate) async fn health(context: Context) -> Result<HttpResponse> {
    let report = context.state.health.check(&*context.state.services.clock).await;
    let answer = SyncHealth {
        status: report.status.as_str(),
        service: "Alpine Analytics - External Signal Sync",
        endpoint: "/api/v1/external-signals/sync/signal",
    };
    let mut answer = context.answer(report.status.http(), &answer)?;
    if !report.status.http().is_success() {
        answer.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_is_one_part_of_a_path() {
        assert_eq!(segment("SIG-1_a.b~c"), "SIG-1_a.b~c");
        assert_eq!(segment("a/b c%\u{e4}?"), "a%2Fb%20c%25%C3%A4%3F");
        assert_eq!((segment("."), segment("..")), ("%2E".to_owned(), "%2E%2E".to_owned()));
    }

    #[test]
    fn a_file_of_another_kind_is_refused_once() {
        for lines in ["{}", "\n\n [{}]", "\u{feff}{}", "x\n{}", "", " \n", "[\n{}\n]"] {
            assert!(check_lines(lines.as_bytes()).is_ok(), "{lines:?}");
        }
        for other in ["signal_id,symbol\nSIG-1,AAPL\n", "hello", "\"{\"", "PK\u{3}\u{4}"] {
            assert_eq!(check_lines(other.as_bytes()).unwrap_err().status(), 415, "{other:?}");
        }
    }
}
