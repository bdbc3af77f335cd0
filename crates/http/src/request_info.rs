//! What is known of one request and its answer, as far as everything around the handler needs it.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    rc::Rc,
    time::Instant,
};

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue},
};
use alpine_domain::{
    Clock, Timestamp, account::UserId, ports::secrets::Randomness, producer::ProducerName,
};

use crate::{
    endpoint::MountedEndpoint,
    extract::{accept, address::ClientAddress},
    policies::RateStatus,
};

/// The header that names a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest request id that is taken over from a client, in characters.
const MAX_REQUEST_ID: usize = 128;

/// What is known of a request from its first to its last moment. Shared by the edge, the guard and the
/// handler of one request, on one thread.
pub struct RequestInfo {
    pub(crate) started: Instant,
    /// The same moment, by the calendar.
    pub(crate) began: Timestamp,
    request_id: HeaderValue,
    trace_id: [u8; 32],
    pub(crate) accepts_gzip: bool,
    /// The route, once it is known.
    pub(crate) route: OnceCell<Rc<MountedEndpoint>>,
    /// The class of the caller, once it is known.
    pub(crate) caller_kind: Cell<&'static str>,
    /// Who calls, once it is known.
    pub(crate) caller_id: OnceCell<CallerId>,
    /// From where.
    pub(crate) address: Cell<Option<ClientAddress>>,
    /// What the client asked for and nobody looked at.
    pub(crate) warnings: RefCell<Vec<String>>,
    /// What the rate limiter said last.
    pub(crate) rate_status: RefCell<Option<RateStatus>>,
    /// The body's coding was chosen by the handler, and its validator names these very bytes.
    pub(crate) is_coding_final: Cell<bool>,
}

impl RequestInfo {
    pub(crate) fn begin(
        headers: &HeaderMap,
        clock: &dyn Clock,
        randomness: &dyn Randomness,
    ) -> Self {
        let began = clock.now();
        let given_id = headers.get(REQUEST_ID).filter(|id| is_safe_id(id));
        let given_trace = headers.get(TRACEPARENT).and_then(trace_id_of);
        let (request_id, trace_id) = match (given_id, given_trace) {
            (Some(id), Some(trace)) => (id.clone(), trace),
            (id, trace) => {
                let new = new_id(began, randomness);
                let id = id.cloned().unwrap_or_else(|| as_header(new));
                (id, trace.unwrap_or_else(|| simple_hex(new)))
            }
        };
        Self {
            started: Instant::now(),
            began,
            request_id,
            trace_id,
            accepts_gzip: headers
                .get(ACCEPT_ENCODING)
                .is_some_and(|value| accept::accepts_gzip(value.as_bytes())),
            route: OnceCell::new(),
            caller_kind: Cell::new("none"),
            caller_id: OnceCell::new(),
            address: Cell::new(None),
            warnings: RefCell::new(Vec::new()),
            rate_status: RefCell::new(None),
            is_coding_final: Cell::new(false),
        }
    }

    /// What is known of a request. Every request that passed the edge has one.
    pub(crate) fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        request.extensions().get::<Rc<Self>>().cloned()
    }

    /// The request's id: the client's own where it is harmless, or a new one.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    pub(crate) fn request_id_header(&self) -> HeaderValue {
        self.request_id.clone()
    }

    /// The trace that the request belongs to: 32 hex digits (W3C Trace Context).
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace_id).unwrap_or_default()
    }
}

/// Who calls, as logs name them: the audit log has the same ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallerId {
    User(UserId),
    Producer(ProducerName),
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Producer(name) => name.fmt(f),
        }
    }
}

/// Only characters that mean nothing to logs, shells, HTML or CSV.
fn is_safe_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=MAX_REQUEST_ID).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=~".contains(b))
}

/// The trace id of a `traceparent` header (W3C Trace Context, section 3.2), if it is a valid one.
fn trace_id_of(value: &HeaderValue) -> Option<[u8; 32]> {
    let mut parts = value.as_bytes().split(|b| *b == b'-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let hex = |part: &[u8], length: usize| {
        part.len() == length && part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    let present = |part: &[u8]| part.iter().any(|b| *b != b'0');
    let well_formed = hex(version, 2)
        && version != b"ff"
        && hex(trace, 32)
        && present(trace)
        && hex(parent, 16)
        && present(parent)
        && hex(flags, 2)
        && (version != b"00" || parts.next().is_none());
    well_formed.then(|| trace.try_into().ok()).flatten()
}

/// A UUID of version 7. Random bytes are fetched from the system for 64 ids at once.
fn new_id(now: Timestamp, randomness: &dyn Randomness) -> uuid::Uuid {
    thread_local! {
        static POOL: RefCell<([u8; 640], usize)> = const { RefCell::new(([0; 640], 640)) };
    }
    let mut random = [0; 10];
    POOL.with_borrow_mut(|(pool, used)| {
        if *used + random.len() > pool.len() {
            randomness.fill(pool);
            *used = 0;
        }
        random.copy_from_slice(&pool[*used..*used + 10]);
        *used += random.len();
    });
    let millis = u64::try_from(now.micros() / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

fn as_header(id: uuid::Uuid) -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.as_hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

fn simple_hex(id: uuid::Uuid) -> [u8; 32] {
    let mut text = [0; 32];
    id.as_simple().encode_lower(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn request_ids_of_clients_are_taken_only_when_harmless() {
        for good in ["a", "0190b5c4-7d2e", "req_1.2:3/4+5=~", &"x".repeat(128)] {
            assert!(is_safe_id(&header(good)), "{good}");
        }
        for bad in ["", "a b", "a\"b", "<script>", "ä", "a\tb", &"x".repeat(129)] {
            assert!(!is_safe_id(&header(bad)), "{bad}");
        }
    }

    #[test]
    fn a_new_id_says_when_it_was_made_and_is_made_once() {
        /// Numbers its bytes.
        struct Counted(std::sync::atomic::AtomicU8);

        impl Randomness for Counted {
            fn fill(&self, buffer: &mut [u8]) {
                for byte in buffer {
                    *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        }

        let randomness = Counted(0.into());
        let now = Timestamp::from_micros(1_736_937_000_123_456);
        // More than are fetched at once.
        let ids: Vec<_> = (0..65).map(|_| new_id(now, &randomness)).collect();
        for id in &ids {
            let at = id.get_timestamp().map(|at| at.to_unix());
            assert_eq!((id.get_version_num(), at), (7, Some((1_736_937_000, 123_000_000))));
        }
        let different: std::collections::BTreeSet<_> = ids[..64].iter().collect();
        assert_eq!(different.len(), 64);
    }

    #[test]
    fn trace_parents_are_read_strictly() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let read = |text: &str| trace_id_of(&header(text)).map(|id| id.to_vec());
        assert_eq!(
            read(&format!("00-{trace}-b7ad6b7169203331-01")),
            Some(trace.as_bytes().to_vec())
        );
        // A later version may carry more.
        assert!(read(&format!("01-{trace}-b7ad6b7169203331-01-more")).is_some());
        for bad in [
            format!("00-{trace}-b7ad6b7169203331-01-more"),
            format!("ff-{trace}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            trace.to_owned(),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }
}
