//! Parameters of a request are read or refused by name. What was read is the same when it is written again,
//! and has one canonical text, by which the cache knows it.

use alpine_domain::{Error, page::Cursor};
use alpine_http::extract::{
    parameter::{Days, Param, Parameters, STRATEGY, SYMBOL},
    query::Query,
};

const LIMIT: Param<u32> = Param::whole("limit", 1, 1_000, "");
const MIN: Param<f64> = Param::percentage("min_confidence", "");
const FLAG: Param<bool> = Param::flag("premium_only", "");
const CURSOR: Param<Cursor> = Param::text("cursor", None, None, "");

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    let parameters = (LIMIT, MIN, FLAG, CURSOR, SYMBOL, STRATEGY, Days::up_to(365));
    let Some((values, canonical)) = read(&parameters, text) else { return };
    assert!(values.0.is_none_or(|limit| (1..=1_000).contains(&limit)));
    assert!(values.1.is_none_or(|min| (0.0..=100.0).contains(&min)));
    assert!(values.6.is_none_or(|days| (1..=365).contains(&days)));
    let mut written = form_urlencoded::Serializer::new(String::new());
    parameters.write(&values, &mut written);
    let again = read(&parameters, &written.finish());
    assert_eq!(again, Some((values, canonical)), "{text}");
}

fn read<P: Parameters>(parameters: &P, text: &str) -> Option<(P::Values, String)> {
    let mut query = match Query::parse(text) {
        Ok(query) => query,
        Err(Error::Malformed(_)) => return None,
        Err(error) => panic!("{error:?}"),
    };
    let values = parameters.read(&mut query);
    match query.finish() {
        Ok(canonical) => Some((values, canonical)),
        Err(Error::Invalid(errors)) => {
            assert!(!errors.is_empty());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}
