use sha2::{Digest as _, Sha256};

/// A number as Python writes a float.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let (sign, exponent) =
                exponent.strip_prefix('-').map_or(("+", exponent), |exponent| ("-", exponent));
            format!("{digits}e{sign}{exponent:0>2}")
        }
    }
}

/// A text as Python writes it.
fn text(value: &str) -> String {
    let mut written = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => written += "\\\"",
            '\\' => written += "\\\\",
            '\n' => written += "\\n",
            '\r' => written += "\\r",
            '\t' => written += "\\t",
            '\u{8}' => written += "\\b",
            '\u{c}' => written += "\\f",
            ' '..='~' => written.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    written += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    written + "\""
}

struct Signal<'a> {
    action: &'a str,
    confidence: f64,
    entry_price: f64,
    signal_id: &'a str,
    stop_price: Option<f64>,
    strategy: Option<&'a str>,
    symbol: &'a str,
    target_price: Option<f64>,
    timestamp: &'a str,
}

fn sha256(signal: &Signal<'_>) -> String {
    let null = || "null".to_owned();
    let hashed = format!(
        r#"{{"action": {}, "confidence": {}, "entry_price": {}, "signal_id": {}, "stop_price": {}, "strategy": {}, "symbol": {}, "target_price": {}, "timestamp": {}}}"#,
        text(signal.action),
        float(signal.confidence),
        float(signal.entry_price),
        text(signal.signal_id),
        signal.stop_price.map_or_else(null, float),
        signal.strategy.map_or_else(null, text),
        text(signal.symbol),
        signal.target_price.map_or_else(null, float),
        text(signal.timestamp),
    );
    hex::encode(Sha256::digest(hashed))
}
