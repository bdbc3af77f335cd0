//! Names that a client sent and that mean nothing here.

/// Warnings of one request at most, and characters of a name.
pub(crate) const MOST: usize = 8;
const LONGEST_NAME: usize = 64;

/// A sentence for each name that is not `known`: each once, and no more than a bounded number; however many there are, each
/// is compared with no more than these.
pub(crate) fn told<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !known.contains(&name) && !seen.contains(&name) {
            seen.push(name);
        }
        if seen.len() > MOST {
            break;
        }
    }
    let mut told: Vec<String> =
        seen.iter().take(MOST).map(|name| sentence(what, name, known)).collect();
    if seen.len() > MOST {
        told.push(format!("and more than these {MOST}"));
    }
    told
}

fn sentence(what: &str, name: &str, known: &[&str]) -> String {
    // In ASCII: it stands in a header as well.
    let shown: String = name.escape_default().take(LONGEST_NAME).collect();
    let meant = nearest(name, known).map(|near| format!("; did you mean {near}?"));
    let meant = meant.unwrap_or_default();
    format!("the {what} {shown} is not known here, and was ignored{meant}")
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let folded = name.to_lowercase();
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(known, &folded), *known));
    let nearest = distances.min().filter(|(distance, known)| *distance <= known.len().max(3) / 3);
    nearest.map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_once_bounded_and_with_what_was_meant() {
        let known = ["symbol", "limit"];
        let one = |name: &str| told("query parameter", [name, name].into_iter(), &known);
        assert_eq!(
            one("symbl"),
            ["the query parameter symbl is not known here, and was ignored; did you mean symbol?"]
        );
        assert_eq!(one("Limit").len(), 1, "names have a case");
        assert_eq!(one("limit"), Vec::<String>::new());
        assert_eq!(
            one("\u{e4}\n"),
            ["the query parameter \\u{e4}\\n is not known here, and was ignored"]
        );
        let many: Vec<String> = (0..20).map(|number| format!("parameter{number}")).collect();
        let told = told("member", many.iter().map(String::as_str), &known);
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[MOST], "and more than these 8");
        assert!(one(&"x".repeat(10_000))[0].len() < 200);
    }
}
