//! Builds as many made mutants at once as the compiler takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::diagnostic::Diagnostic;

use super::{mutant::Mutant, switches};
use crate::mutants::{
    build::{Built, build},
    copy,
    list::Binary,
};

/// Mutants of which the compiler refuses one are built again without it. A crate shows what it refuses in some
/// steps (names, types, borrows), and so does each crate above it.
const MOST_BUILDS: usize = 12;

/// What was built at once.
pub(super) struct Together {
    pub(super) programs: BTreeMap<Binary, PathBuf>,
    /// Behind switches, by their place in what was given.
    pub(super) inside: Vec<usize>,
    /// Those that the compiler takes at most alone.
    pub(super) left: Vec<usize>,
}

/// Builds the copy in `tree` with all mutants that can stand beside others.
///
/// # Errors
/// When something does not compile that is no mutant's.
pub(super) fn together(
    tree: &Path,
    artifacts: &Path,
    mutants: &[Mutant],
    wanted: &BTreeSet<&Binary>,
) -> Result<Together> {
    let (mut left, mut constant) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..MOST_BUILDS {
        let files = write(tree, mutants, &mut left, &constant)?;
        match build(tree, artifacts, wanted)? {
            Built::Programs(programs) => {
                let inside = (0..mutants.len()).filter(|index| !left.contains(index)).collect();
                return Ok(Together { programs, inside, left: left.into_iter().collect() });
            }
            Built::Refused(diagnostics) => {
                let refused = refused(&files, &diagnostics);
                let needed = needed_as_constants(&files, &diagnostics);
                let constant_before = constant.len();
                constant.extend(needed);
                if refused.is_empty() && constant.len() == constant_before {
                    let told = diagnostics.iter().filter_map(|it| it.rendered.as_deref());
                    bail!("no mutant's fault:\n{}", told.collect::<Vec<_>>().join("\n"));
                }
                println!("  {} do not compile beside others; building without them", refused.len());
                left.extend(refused);
            }
        }
    }
    bail!("after {MOST_BUILDS} builds the compiler still refuses mutants")
}

/// Builds the copy with one mutant; `None` if the compiler does not take it.
///
/// # Errors
/// When cargo fails, or the mutant's place is none.
pub(super) fn alone(
    tree: &Path,
    artifacts: &Path,
    mutant: &Mutant,
    wanted: &BTreeSet<&Binary>,
) -> Result<Option<BTreeMap<Binary, PathBuf>>> {
    let root = crate::workspace::root();
    let text = fs::read_to_string(root.join(&mutant.file)).with_context(|| mutant.file.clone())?;
    let changed = BTreeMap::from([(mutant.file.as_str(), switches::replace(&text, mutant)?)]);
    copy::copy(root, tree, &changed)?;
    Ok(match build(tree, artifacts, wanted)? {
        Built::Programs(programs) => Some(programs),
        Built::Refused(_) => None,
    })
}

/// Where mutants stand in a file of the copy.
#[derive(Default)]
struct Places {
    bodies: Vec<(Range<usize>, usize)>,
    functions: Vec<Range<usize>>,
    no_longer_const: BTreeSet<String>,
}

/// Makes the copy, and says what stands where.
fn write(
    tree: &Path,
    mutants: &[Mutant],
    left: &mut BTreeSet<usize>,
    constant: &BTreeSet<String>,
) -> Result<BTreeMap<String, Places>> {
    let root = crate::workspace::root();
    let mut by_file = BTreeMap::<&str, Vec<usize>>::new();
    for (index, mutant) in mutants.iter().enumerate().filter(|(index, _)| !left.contains(index)) {
        by_file.entry(&mutant.file).or_default().push(index);
    }
    let (mut changed, mut places) = (BTreeMap::new(), BTreeMap::new());
    for (file, those) in by_file {
        let text = fs::read_to_string(root.join(file)).with_context(|| file.to_owned())?;
        let given: Vec<&Mutant> = those.iter().map(|index| &mutants[*index]).collect();
        let switched = switches::apply(Path::new(file), &text, &given, constant)?;
        left.extend(switched.outside.iter().map(|index| those[*index]));
        let bodies =
            switched.bodies.into_iter().map(|(lines, index)| (lines, those[index])).collect();
        let (functions, no_longer_const) = (switched.functions, switched.no_longer_const);
        places.insert(file.to_owned(), Places { bodies, functions, no_longer_const });
        changed.insert(file, switched.text);
    }
    copy::copy(root, tree, &changed)?;
    Ok(places)
}

/// The mutants to blame: those in whose bodies the compiler points, first with what it underlines most, then
/// with any hint; else all of a function in which it does, because two bodies may not fit to each other.
fn refused(files: &BTreeMap<String, Places>, diagnostics: &[Diagnostic]) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for diagnostic in diagnostics {
        let hints = hints(diagnostic);
        let places = |only_primary: bool| {
            let chosen = hints.iter().filter(|hint| hint.is_primary || !only_primary);
            chosen.filter_map(|hint| Some((files.get(&hint.file)?, hint.line))).collect::<Vec<_>>()
        };
        let mut blamed = inside(&places(true));
        if blamed.is_empty() {
            blamed = inside(&places(false));
        }
        if blamed.is_empty() {
            blamed = beside(&places(false));
        }
        all.extend(blamed);
    }
    all
}

/// Functions that constants call: the compiler names them in back quotes.
fn needed_as_constants(
    files: &BTreeMap<String, Places>,
    diagnostics: &[Diagnostic],
) -> BTreeSet<String> {
    let messages =
        diagnostics.iter().map(|it| it.message.as_str()).filter(|it| it.contains("non-const"));
    let names = messages.filter_map(|message| Some(message.split_once('`')?.1.split_once('`')?.0));
    let last = names.map(|name| {
        let path = name.split_once('(').map_or(name, |(path, _)| path);
        path.trim_end_matches(['>', ' ']).rsplit("::").next().unwrap_or(path)
    });
    let ours = |name: &&str| files.values().any(|file| file.no_longer_const.contains(*name));
    last.filter(ours).map(str::to_owned).collect()
}

/// The mutants in whose bodies these lines are.
fn inside(places: &[(&Places, usize)]) -> BTreeSet<usize> {
    let bodies = places.iter().flat_map(|(file, line)| {
        file.bodies.iter().filter(|(lines, _)| lines.contains(line)).map(|(_, index)| *index)
    });
    bodies.collect()
}

/// All mutants of the functions on these lines.
fn beside(places: &[(&Places, usize)]) -> BTreeSet<usize> {
    let functions = places.iter().flat_map(|(file, line)| {
        file.functions
            .iter()
            .filter(|lines| lines.contains(line))
            .map(|lines| (*file, lines.clone()))
    });
    let bodies = functions.flat_map(|(file, function)| {
        file.bodies.iter().filter(move |(lines, _)| function.contains(&lines.start))
    });
    bodies.map(|(_, index)| *index).collect()
}

/// A line that a diagnostic names.
struct Hint {
    file: String,
    line: usize,
    is_primary: bool,
}

/// All of them, where a macro was written included.
fn hints(diagnostic: &Diagnostic) -> Vec<Hint> {
    let own = diagnostic.spans.iter().map(|span| (span, span.is_primary));
    let children = diagnostic.children.iter().flat_map(|child| &child.spans);
    let mut open: Vec<_> = own.chain(children.map(|span| (span, false))).collect();
    let mut all = Vec::new();
    while let Some((span, is_primary)) = open.pop() {
        all.push(Hint { file: span.file_name.clone(), line: span.line_start, is_primary });
        open.extend(span.expansion.iter().map(|expansion| (&expansion.span, is_primary)));
    }
    all
}
