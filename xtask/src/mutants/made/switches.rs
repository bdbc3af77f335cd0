//! Puts many made mutants into one text: each function gets a body for each of its mutants, and the body
//! that it has.

use std::{collections::BTreeSet, ops::Range, path::Path};

use anyhow::{Context as _, Result};
use syn::visit::Visit;

use super::mutant::{Lines, Mutant, Position, Span};
use crate::mutants::switch;

/// A text with mutants in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switched {
    pub(super) text: String,
    /// On which lines each mutant's body stands, counted from 1, by the mutant's place in what was given.
    pub(super) bodies: Vec<(Range<usize>, usize)>,
    /// On which lines a function stands that holds such bodies.
    pub(super) functions: Vec<Range<usize>>,
    /// Mutants that stand in no function: in a constant, say.
    pub(super) outside: Vec<usize>,
    /// Functions that are no longer `const`, since a switch is read while the program runs.
    pub(super) no_longer_const: BTreeSet<String>,
}

/// Applies one mutant alone, without a switch.
///
/// # Errors
/// When the text does not reach to its place.
pub(super) fn replace(text: &str, mutant: &Mutant) -> Result<String> {
    let range = Lines::of(text).bytes(mutant.span).with_context(|| mutant.name.clone())?;
    Ok(format!("{}{}{}", &text[..range.start], mutant.replacement, &text[range.end..]))
}

/// Applies all, each behind its switch. Functions named in `constant` stay `const`, so that their mutants do not
/// compile: a constant needs them.
///
/// # Errors
/// When the text is no Rust, or does not reach to a mutant's place.
pub(super) fn apply(
    path: &Path,
    text: &str,
    mutants: &[&Mutant],
    constant: &BTreeSet<String>,
) -> Result<Switched> {
    let (edits, outside) = edits(path, text, mutants)?;
    let (mut written, mut no_longer_const) = (String::new(), BTreeSet::new());
    let (mut bodies, mut functions, mut done) = (Vec::new(), Vec::new(), 0);
    for (Function { block, name, constness }, those) in edits {
        if let Some(word) = constness.filter(|_| !constant.contains(&name)) {
            written.push_str(&text[done..word.start]);
            done = word.end;
            no_longer_const.insert(name);
        }
        written.push_str(&text[done..block.start]);
        let first = last_line(&written);
        written.push_str("{\n");
        for index in those {
            let mutated = replace(text, mutants[index])?;
            let behind = text.len() - block.end;
            let body = &mutated[block.start..mutated.len() - behind];
            let start = last_line(&written);
            let on = switch::expression(&mutants[index].name);
            written.extend(["if ", &on, " ", body, " else\n"]);
            bodies.push((start..last_line(&written), index));
        }
        written.push_str(&text[block.clone()]);
        written.push('}');
        functions.push(first..last_line(&written) + 1);
        done = block.end;
    }
    written.push_str(&text[done..]);
    Ok(Switched { text: written, bodies, functions, outside, no_longer_const })
}

/// The functions to change, in the order of the text, each with its mutants, and the mutants of none.
#[expect(clippy::type_complexity, reason = "read in one place")]
fn edits(
    path: &Path,
    text: &str,
    mutants: &[&Mutant],
) -> Result<(Vec<(Function, Vec<usize>)>, Vec<usize>)> {
    let lines = Lines::of(text);
    let mut functions = Functions { lines: &lines, found: Vec::new() };
    functions.visit_file(&syn::parse_file(text).with_context(|| path.display().to_string())?);
    let (mut edits, mut outside) = (Vec::<(Function, Vec<usize>)>::new(), Vec::new());
    for (index, mutant) in mutants.iter().enumerate() {
        let span = lines.bytes(mutant.span).with_context(|| mutant.name.clone())?;
        let around = |block: &Range<usize>| block.start <= span.start && span.end <= block.end;
        // The outermost, so that no two edits overlap.
        let those = functions.found.iter().filter(|function| around(&function.block));
        let Some(function) = those.max_by_key(|function| function.block.len()) else {
            outside.push(index);
            continue;
        };
        match edits.iter_mut().find(|(there, _)| there == function) {
            Some((_, those)) => those.push(index),
            None => edits.push((function.clone(), vec![index])),
        }
    }
    edits.sort_by_key(|(function, _)| function.block.start);
    Ok((edits, outside))
}

/// The number of the line on which a text ends.
fn last_line(text: &str) -> usize {
    text.matches('\n').count() + 1
}

/// Where a function's body is, with its braces, and its word `const`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Function {
    name: String,
    block: Range<usize>,
    constness: Option<Range<usize>>,
}

struct Functions<'a> {
    lines: &'a Lines<'a>,
    found: Vec<Function>,
}

impl Visit<'_> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &syn::ItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

impl Functions<'_> {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let position =
            |at: proc_macro2::LineColumn| Position { line: at.line, column: at.column + 1 };
        let bytes =
            |start, end| self.lines.bytes(Span { start: position(start), end: position(end) });
        let braces = block.brace_token.span;
        let word = signature.constness.as_ref().map(|word| word.span);
        let constness = word.and_then(|word| bytes(word.start(), word.end()));
        let name = signature.ident.to_string();
        let block = bytes(braces.open().start(), braces.close().end());
        self.found.extend(block.map(|block| Function { name, block, constness }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(
        name: &str,
        (line, column): (usize, usize),
        length: usize,
        replacement: &str,
    ) -> Mutant {
        Mutant {
            name: name.to_owned(),
            package: String::new(),
            file: String::new(),
            span: Span {
                start: Position { line, column },
                end: Position { line, column: column + length },
            },
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn each_mutant_gets_a_body_beside_the_one_that_is_there() {
        let text = "const A: u8 = 1 + 1;\nimpl B {\n    fn c(x: u8) -> u8 { x + 1 }\n}\n";
        let first = mutant("first", (3, 27), 1, "-");
        let second = mutant("second", (3, 25), 5, "0");
        let constant = mutant("constant", (1, 17), 1, "-");
        let mutants = [&first, &constant, &second];
        let switched = apply(Path::new("a.rs"), text, &mutants, &BTreeSet::new()).unwrap();
        let expected = format!(
            "const A: u8 = 1 + 1;\nimpl B {{\n    fn c(x: u8) -> u8 {{\n\
             if {} {{ x - 1 }} else\nif {} {{ 0 }} else\n{{ x + 1 }}}}\n}}\n",
            switch::expression("first"),
            switch::expression("second"),
        );
        assert_eq!(switched.text, expected);
        assert_eq!(switched.bodies, [(4..5, 0), (5..6, 2)]);
        assert_eq!(switched.functions, vec![Range { start: 3, end: 7 }]);
        assert_eq!(switched.outside, [1]);
    }

    #[test]
    fn a_constant_function_is_one_only_where_a_constant_needs_it() {
        let (text, mutant) = ("pub const fn a() -> u8 { 1 }\n", mutant("m", (1, 26), 1, "0"));
        let apply = |constant: &[&str]| {
            let constant = constant.iter().map(|&name| name.to_owned()).collect();
            apply(Path::new("a.rs"), text, &[&mutant], &constant).unwrap()
        };
        assert!(apply(&[]).text.starts_with("pub  fn a() -> u8 {\nif "));
        assert_eq!(apply(&[]).no_longer_const, BTreeSet::from(["a".to_owned()]));
        assert!(apply(&["a"]).text.starts_with("pub const fn a() -> u8 {\nif "));
        assert_eq!(apply(&["a"]).no_longer_const, BTreeSet::new());
    }

    #[test]
    fn one_mutant_alone_needs_no_switch() {
        let text = "const A: u8 = 1 + 1;\n";
        assert_eq!(replace(text, &mutant("a", (1, 17), 1, "-")).unwrap(), "const A: u8 = 1 - 1;\n");
        assert!(replace(text, &mutant("a", (7, 1), 1, "-")).is_err());
    }
}
