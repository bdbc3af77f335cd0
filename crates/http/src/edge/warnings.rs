//! What a client asked for and nobody looks at is told in the answer: `?symbl=AAPL` is no list of AAPL.

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody as _},
    http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue},
};
use bytes::{Bytes, BytesMut};

use crate::{
    endpoint::MountedEndpoint,
    extract::{pairs, unknown},
    json,
    request_info::RequestInfo,
};

/// Bytes of the header at most: some proxies refuse an answer whose headers are longer than four thousand.
const LONGEST_HEADER: usize = 1_024;

/// The same as the member `warnings`, the first ones of many, for answers that have no members.
const HEADER: HeaderName = HeaderName::from_static("x-warnings");

/// Notes the parameters of a query that the route does not know.
pub(crate) fn note_query(info: &RequestInfo, mounted: &MountedEndpoint, request: &HttpRequest) {
    if request.query_string().is_empty() {
        return;
    }
    let Some(known) = mounted.known_parameters() else { return };
    // One that cannot be read is refused by whoever reads it.
    let Ok(sent) = pairs::parse(request.query_string().as_bytes(), "query") else { return };
    let names = sent.iter().map(|(name, _)| name.as_str());
    let found = unknown::told("query parameter", names, known);
    info.warnings.borrow_mut().extend(found);
}

/// The answer, with what was noted: in its object, if it is one, and in a header.
pub(crate) fn told(mut response: HttpResponse, info: &RequestInfo) -> HttpResponse {
    let warnings = info.warnings.borrow();
    if warnings.is_empty() || !response.status().is_success() {
        return response;
    }
    let Ok(list) = json::to_json(&*warnings) else { return response };
    let short = (1..=warnings.len()).rev().find_map(|first| {
        let list = json::to_json(&warnings.get(..first)?).ok()?;
        (list.len() <= LONGEST_HEADER).then_some(list)
    });
    if let Some(Ok(value)) = short.map(|list| HeaderValue::from_bytes(&list)) {
        response.headers_mut().insert(HEADER, value);
    }
    let is_json = { response.headers().get(CONTENT_TYPE) }
        .is_some_and(|kind| kind.as_bytes() == json::MEDIA_TYPE.as_bytes());
    let is_whole = matches!(response.body().size(), BodySize::Sized(2..));
    if !is_json || !is_whole {
        return response;
    }
    // These bytes are nobody else's.
    response.headers_mut().remove(ETAG);
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(with_member(bytes, &list)),
        Err(body) => body,
    })
}

/// The object with the list as its last member; anything else as it is.
fn with_member(body: Bytes, list: &[u8]) -> Bytes {
    let Some(open) = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")) else {
        return body;
    };
    let mut whole = BytesMut::with_capacity(body.len() + list.len() + 16);
    whole.extend_from_slice(b"{");
    whole.extend_from_slice(open);
    if !open.is_empty() {
        whole.extend_from_slice(b",");
    }
    whole.extend_from_slice(b"\"warnings\":");
    whole.extend_from_slice(list);
    whole.extend_from_slice(b"}");
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_to_objects_alone() {
        let with = |body: &'static str| with_member(Bytes::from_static(body.as_bytes()), b"[1]");
        assert_eq!(with("{\"a\":{}}"), "{\"a\":{},\"warnings\":[1]}");
        assert_eq!(with("{}"), "{\"warnings\":[1]}");
        assert_eq!(with("[]"), "[]");
        assert_eq!(with("\"{}\""), "\"{}\"");
    }
}
