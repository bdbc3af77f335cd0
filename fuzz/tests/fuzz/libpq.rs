//! How libpq reads a URL: `conninfo_uri_parse_options` of its `fe-connect.c` (version 18), written down in
//! its own order. It cannot be asked itself, since `PQconninfoParse` is behind a pointer and `unsafe` is
//! forbidden.

use std::collections::BTreeMap;

/// Parameters by name, unescaped; later ones win. `None` for what libpq refuses.
pub(crate) fn parse(url: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
    let mut found = BTreeMap::new();
    let mut store = |name: &str, text: &str| {
        if !text.is_empty() {
            found.insert(name.to_owned(), unescaped(text)?);
        }
        Some(())
    };
    let end = rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@'));
    let mut rest = match end {
        Some(at) => {
            let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
            store("user", user)?;
            store("password", password)?;
            &rest[at + 1..]
        }
        None => rest,
    };
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    loop {
        let host;
        if let Some(inside) = rest.strip_prefix('[') {
            let (name, behind) = inside.split_once(']').filter(|(name, _)| !name.is_empty())?;
            if !behind.is_empty() && !behind.starts_with([':', '/', '?', ',']) {
                return None;
            }
            (host, rest) = (name, behind);
        } else {
            (host, rest) = rest.split_at(rest.find([':', '/', '?', ',']).unwrap_or(rest.len()));
        }
        hosts.push(host);
        let mut port = "";
        if let Some(behind) = rest.strip_prefix(':') {
            (port, rest) = behind.split_at(behind.find(['/', '?', ',']).unwrap_or(behind.len()));
        }
        ports.push(port);
        let Some(behind) = rest.strip_prefix(',') else { break };
        rest = behind;
    }
    store("host", &hosts.join(","))?;
    store("port", &ports.join(","))?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    store("dbname", path.strip_prefix('/').unwrap_or(path))?;
    parameters(query, &mut found)?;
    Some(found)
}

fn parameters(query: &str, found: &mut BTreeMap<String, Vec<u8>>) -> Option<()> {
    let pairs = query.strip_suffix('&').unwrap_or(query);
    if pairs.is_empty() && query.is_empty() {
        return Some(());
    }
    for pair in pairs.split('&') {
        let (name, value) = pair.split_once('=').filter(|(_, value)| !value.contains('='))?;
        let name = String::from_utf8(unescaped(name)?).ok()?;
        found.insert(name, unescaped(value)?);
    }
    Some(())
}

/// Escapes become bytes; spaces around are passed over, one inside is refused.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_matches(' ');
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b' ' => return None,
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok().filter(|byte| *byte != 0)?
            }
            byte => byte,
        });
    }
    Some(bytes)
}
