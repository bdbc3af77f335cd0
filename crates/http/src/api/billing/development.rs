//! The page of a checkout where nothing is really paid. It is no part of the API.

use actix_web::{
    HttpResponse,
    http::header::{CONTENT_SECURITY_POLICY, LOCATION},
};
use alpine_domain::ports::payments::PlayedStep;

use crate::{context::Context, problem::Result};

/// The page has a style and forms, and nothing that runs.
const PAGE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
     <meta name=\"viewport\" content=\"width=device-width\"><title>Alpine: development payments</title>\
     <style>body{font:16px/1.5 sans-serif;max-width:32em;margin:2em auto;padding:0 1em}\
     button{font:inherit;margin:.3em 0;padding:.4em 1em}</style>\
     <h1>Development payments</h1><p><strong>Nothing is paid here.</strong> Play the payer, or the end of a period:</p>";

/// `GET payments/development/{checkout}`.
pub(crate) async fn page(context: Context) -> Result<HttpResponse> {
    let path = context.request.path().to_owned();
    let escaped: String =
        path.chars().filter(|c| c.is_ascii_alphanumeric() || "/-_".contains(*c)).collect();
    let mut html = HEAD.to_owned();
    let done = context.request.query_string().strip_prefix("done=");
    if let Some(step) = done.and_then(|text| text.parse::<PlayedStep>().ok()) {
        html.extend(["<p>Done: ", step.as_str(), ". See subscriptions/plan.</p>"]);
    }
    for (step, words) in [
        (PlayedStep::Pay, "Pay"),
        (PlayedStep::EndPeriod, "End the period (renewed, unless cancelled)"),
        (PlayedStep::FailRenewal, "End the period, and the renewal fails"),
        (PlayedStep::Refund, "Give back what was paid last"),
    ] {
        let form = [
            "<form method=\"post\" action=\"",
            &escaped,
            "/",
            step.as_str(),
            "\"><button>",
            words,
            "</button></form>",
        ];
        html.extend(form);
    }
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_CSP))
        .body(html))
}

/// `POST payments/development/{checkout}/{step}`.
pub(crate) async fn play(context: Context) -> Result<HttpResponse> {
    let checkout: String = context.segment("checkout", "checkout")?;
    let step: PlayedStep = context.segment("step", "step")?;
    context.state.services.use_cases.payments.play(&checkout, step).await?;
    let page = context.request.path().trim_end_matches(step.as_str()).trim_end_matches('/');
    let back = format!("{page}?done={step}");
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, back)).finish())
}
