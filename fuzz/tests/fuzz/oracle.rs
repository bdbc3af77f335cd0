//! What Alpine hashes is, to the byte, what CPython's `json.dumps` writes of the same body, and its numbers
//! are those of `repr`. Needs `python3`.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use alpine_domain::signal::{
    HashForm, VerificationHash, canonical_text,
    hashed::{HashedFields, HashedValue},
};

use crate::{producer, signal};

/// Reads a body in hexadecimal digits, or doubles behind a `d`; answers a line for each form, or one for all
/// doubles.
const SCRIPT: &str = include_str!("oracle.py");

/// Doubles of random bits that are compared besides each body.
const DOUBLES: u64 = 16;

struct Python {
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

thread_local! {
    static PYTHON: RefCell<Python> = RefCell::new(Python::start());
}

impl Python {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let to = to.expect("it is piped");
        let from = BufReader::new(from.expect("it is piped"));
        Self { _child: child, to, from }
    }

    fn ask<const N: usize>(&mut self, line: &str) -> [String; N] {
        writeln!(self.to, "{line}").and_then(|()| self.to.flush()).expect("python reads");
        std::array::from_fn(|_| {
            let mut answer = String::new();
            self.from.read_line(&mut answer).expect("python answers");
            answer.trim_end_matches('\n').to_owned()
        })
    }
}

pub(crate) fn run(body: &[u8]) {
    doubles(body);
    let forms = HashForm::ALL;
    let Some(signed) = producer::signed(body, forms[body.len() % forms.len()]) else { return };
    let Some(accepted) = signal::submit(&signed) else { return };
    let theirs: [String; 3] = PYTHON.with_borrow_mut(|python| python.ask(&hex(&signed)));
    for (form, text) in forms.into_iter().zip(&theirs) {
        assert_eq!(canonical_text(&accepted.hashed_fields(), form), *text, "{form:?}");
    }
    assert!(theirs.iter().any(|text| VerificationHash::of(text) == accepted.hash));
}

/// Doubles of every magnitude, chosen by the input.
fn doubles(data: &[u8]) {
    let bits = |number: u64| {
        let mut hasher = DefaultHasher::new();
        (data, number).hash(&mut hasher);
        hasher.finish()
    };
    let values: Vec<f64> = (0..DOUBLES)
        .map(|number| f64::from_bits(bits(number)))
        .filter(|value| value.is_finite())
        .collect();
    let ours: Vec<String> = values.iter().map(|value| as_float(&format!("{value:e}"))).collect();
    let line: Vec<String> = values.iter().map(|value| hex(&value.to_be_bytes())).collect();
    let [theirs] = PYTHON.with_borrow_mut(|python| python.ask(&format!("d{}", line.concat())));
    assert_eq!(ours.join(" "), theirs, "{values:?}");
}

/// A number as it stands in the text that is hashed.
fn as_float(literal: &str) -> String {
    const NAMES: [&str; 9] = ["n"; 9];
    let mut fields = NAMES.map(|name| (name, HashedValue::Missing));
    fields[0].1 = HashedValue::Number(literal);
    let text = canonical_text(&HashedFields(fields), HashForm::Full);
    let number = text.strip_prefix("{\"n\": ").and_then(|rest| rest.split(',').next());
    number.expect("the first value").to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
