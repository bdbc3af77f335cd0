//! Bodies: their media type, their size, and the time they take.

use std::time::Duration;

use actix_web::{HttpRequest, dev::Payload, error::PayloadError, http::header, rt::time::timeout};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::problem::{self, Problem, Result};

/// What a body may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// One JSON value a line: `application/x-ndjson`, `application/ndjson`, `application/jsonl`.
    Lines,
}

impl MediaType {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/json"],
            Self::Form => &["application/x-www-form-urlencoded"],
            Self::Lines => &[
                "application/x-ndjson",
                "application/ndjson",
                "application/jsonl",
                "application/x-jsonlines",
            ],
        }
    }
}

/// The media type of a request's body, if it is among `accepted`.
///
/// # Errors
/// 415 for any other one, a missing one, and any content coding: what is small when it arrives and huge
/// when it is unpacked is not taken.
pub(crate) fn media_type(request: &HttpRequest, accepted: &[MediaType]) -> Result<MediaType> {
    if let Some(coding) = request.headers().get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Problem::new(
            &problem::UNSUPPORTED_MEDIA_TYPE,
            "send the body without a Content-Encoding",
        ));
    }
    let sent = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    let utf8 = charset(sent)
        .is_none_or(|name| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8"));
    accepted
        .iter()
        .copied()
        .find(|kind| utf8 && kind.names().iter().any(|name| name.eq_ignore_ascii_case(essence)))
        .ok_or_else(|| {
            let names: Vec<_> = accepted.iter().map(|kind| kind.names()[0]).collect();
            Problem::new(
                &problem::UNSUPPORTED_MEDIA_TYPE,
                format!("send Content-Type: {} in UTF-8", names.join(" or ")),
            )
        })
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// Whether a body follows: one that is there has a length or comes in chunks (RFC 9112, section 6.3).
pub(crate) fn is_announced(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Refuses a body that says itself that it is too large, before anything else is done for it.
///
/// # Errors
/// 413.
pub(crate) fn check_announced(request: &HttpRequest, limit: usize) -> Result<()> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// The whole body.
///
/// # Errors
/// 413 beyond `limit` bytes, 408 when it takes longer than `time`, 400 when the client breaks off.
pub(crate) async fn read(mut payload: Payload, limit: usize, time: Duration) -> Result<Bytes> {
    let whole = async {
        let mut parts = BytesMut::new();
        while let Some(part) = payload.next().await {
            let part = part.map_err(|error| broken(&error))?;
            if parts.len() + part.len() > limit {
                return Err(too_large(limit));
            }
            parts.extend_from_slice(&part);
        }
        Ok(parts.freeze())
    };
    timeout(time, whole).await.unwrap_or_else(|_| {
        Err(Problem::new(
            &problem::TIMEOUT,
            format!("the body did not arrive within {} s", time.as_secs()),
        ))
    })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(&problem::TOO_LARGE, format!("the body may have at most {limit} bytes"))
}

fn broken(error: &PayloadError) -> Problem {
    let detail = match error {
        PayloadError::Incomplete(_) => "the body ended before its announced length",
        _ => "the body could not be read to its end",
    };
    Problem::new(&problem::MALFORMED, detail)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use futures_util::stream::LocalBoxStream;

    use super::*;

    type BoxedPayloadStream = LocalBoxStream<'static, Result<Bytes, PayloadError>>;

    #[test]
    fn media_types_are_compared_by_their_essence() {
        let kind = |value: &str| {
            let request =
                TestRequest::post().insert_header((header::CONTENT_TYPE, value)).to_http_request();
            media_type(&request, &[MediaType::Json, MediaType::Form]).ok()
        };
        assert_eq!(kind("Application/JSON; charset=\"UTF-8\""), Some(MediaType::Json));
        assert_eq!(kind("application/x-www-form-urlencoded"), Some(MediaType::Form));
        for other in ["text/plain", "application/json; charset=utf-16", "", "application/xml"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }

    /// The body in these pieces, with nothing announced; then it goes on without end, if `is_endless`.
    fn streamed(pieces: &[&'static str], is_endless: bool) -> Payload {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
        let pieces = futures_util::stream::iter(pieces);
        let stream: BoxedPayloadStream = if is_endless {
            Box::pin(pieces.chain(futures_util::stream::pending()))
        } else {
            Box::pin(pieces)
        };
        Payload::Stream { payload: stream }
    }

    #[actix_web::test]
    async fn a_streamed_body_has_exactly_the_limit_at_most() {
        let whole = read(streamed(&["1234", "5678"], false), 8, Duration::from_mins(1)).await;
        assert_eq!(whole.unwrap(), "12345678");
        for pieces in [&["1234", "56789"][..], &["123456789"], &["1234", "5678", "9"]] {
            // Refused without waiting for the rest.
            for is_endless in [false, true] {
                let refused = read(streamed(pieces, is_endless), 8, Duration::from_mins(1)).await;
                let refused = refused.unwrap_err().respond("/", "id").status();
                assert_eq!(refused, problem::TOO_LARGE.status, "{pieces:?}");
            }
        }
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_is_told_of_as_it_broke() {
        for (error, expected) in [
            (PayloadError::Incomplete(None), "the body ended before its announced length"),
            (PayloadError::EncodingCorrupted, "the body could not be read to its end"),
        ] {
            let stream: BoxedPayloadStream =
                Box::pin(futures_util::stream::iter([Ok(Bytes::from("12")), Err(error)]));
            let refused =
                read(Payload::Stream { payload: stream }, 8, Duration::from_mins(1)).await;
            let answer = refused.unwrap_err().respond("/", "id");
            assert_eq!(answer.status(), problem::MALFORMED.status);
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["detail"], expected);
        }
    }

    #[actix_web::test]
    async fn a_body_that_does_not_end_in_time_is_a_timeout() {
        let read = read(streamed(&["1234"], true), 8, Duration::from_millis(20));
        // However late this task runs, the shorter time is looked at first.
        let refused = timeout(Duration::from_secs(2), read).await.expect("its own time");
        let refused = refused.unwrap_err().respond("/", "id").status();
        assert_eq!(refused, problem::TIMEOUT.status);
    }

    #[test]
    fn an_announced_body_has_exactly_the_limit_at_most() {
        for (length, is_taken) in [("7", true), ("8", true), ("9", false)] {
            let request = TestRequest::post()
                .insert_header((header::CONTENT_LENGTH, length))
                .to_http_request();
            assert_eq!(check_announced(&request, 8).is_ok(), is_taken, "{length}");
        }
    }
}
