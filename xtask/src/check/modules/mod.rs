//! No circle of modules inside a crate, and no import that goes up between the floors of one.
//!
//! A module is a file. An import names the file in which the item stands, however many `pub use` lie
//! between, so a `mod.rs` may present what its children hold.

mod crate_files;
mod graph;
mod source;

use anyhow::{Result, bail};

use crate_files::CrateFiles;
use graph::Graph;

/// The floors of a crate, from the ground: a module may import from its own floor and from those before it.
/// Each floor lists modules of the crate's root.
const FLOORS: &[(&str, &[&[&str]])] = &[(
    "crates/http",
    &[
        &["problem", "settings", "limit_settings", "policies", "json", "xml", "health", "metrics"],
        &["extract"],
        &["doc", "concurrency"],
        &["state", "endpoint"],
        &["openapi", "request_info"],
        &["limit"],
        &["context", "cached"],
        &["route", "api"],
        &["edge"],
        &["routes"],
        &["app"],
    ],
)];

/// Proves both for every crate of the workspace.
///
/// # Errors
/// Every circle and every import that goes up.
pub(super) fn check() -> Result<String> {
    let mut folders: Vec<_> = std::fs::read_dir(crate::workspace::root().join("crates"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    folders.push(crate::workspace::root().join("xtask"));
    folders.sort();
    let (mut problems, mut count) = (Vec::new(), 0);
    for folder in folders.iter().filter(|folder| folder.join("src").is_dir()) {
        let name = folder.strip_prefix(crate::workspace::root())?.to_string_lossy().into_owned();
        let floors = FLOORS.iter().find(|(owner, _)| *owner == name).map(|(_, floors)| *floors);
        let files = CrateFiles::read(&folder.join("src"))?;
        count += files.len();
        problems.extend(broken_rules(&files, floors).into_iter().map(|it| format!("{name}: {it}")));
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(format!("{count} modules, {} crate with floors", FLOORS.len()))
}

/// What does not hold in one crate, one sentence each.
fn broken_rules(files: &CrateFiles, floors: Option<&[&[&str]]>) -> Vec<String> {
    let graph = Graph::of(files);
    let mut problems: Vec<String> = graph
        .circles()
        .into_iter()
        .map(|circle| {
            let steps: Vec<String> = circle
                .iter()
                .map(|(from, to, path)| format!("    {from} imports {path} from {to}"))
                .collect();
            format!("a circle of {} modules:\n{}", steps.len(), steps.join("\n"))
        })
        .collect();
    if let Some(floors) = floors {
        problems.extend(upward_imports(files, &graph, floors));
    }
    problems
}

fn upward_imports(files: &CrateFiles, graph: &Graph<'_>, floors: &[&[&str]]) -> Vec<String> {
    let floor_of = |module: &[String]| {
        let top = module.first()?;
        floors.iter().position(|floor| floor.contains(&top.as_str()))
    };
    let mut problems = Vec::new();
    for module in files.modules().filter(|module| module.len() == 1) {
        if floor_of(module).is_none() {
            problems.push(format!(
                "{} stands on no floor: say on which in xtask/src/check/modules/mod.rs",
                files.name(module)
            ));
        }
    }
    for (from, to, path) in graph.edges() {
        if let (Some(lower), Some(upper)) = (floor_of(from), floor_of(to))
            && lower < upper
        {
            problems.push(format!(
                "{} imports {path}, which stands higher, in {}",
                files.name(from),
                files.name(to)
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(files: &[(&str, &str)]) -> CrateFiles {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        CrateFiles::read(folder.path()).unwrap()
    }

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        broken_rules(&crate_of(files), None)
    }

    #[test]
    fn the_tree_itself_holds() {
        check().unwrap();
    }

    #[test]
    fn a_planted_circle_is_found_however_it_is_written() {
        let lib = ("lib.rs", "mod a; mod b; mod c;");
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use super::b::B;", "fn f() { crate::a::g(); }"),
            ("use crate::{b::{self, B}, c}; fn f(_: b::B) {}", "pub(crate) use super::a::*;"),
            ("fn f() { println!(\"{}\", crate::b::B); }", "impl crate::a::A for u8 {}"),
            ("mod inner { use super::super::b::B; }", "type X = crate::a::A;"),
        ] {
            let a = format!("{a} pub trait A {{}} pub fn g() {{}}");
            let b = format!("{b} pub struct B;");
            let found = problems(&[lib, ("a.rs", &a), ("b.rs", &b), ("c.rs", "")]);
            let [problem] = found.as_slice() else { panic!("{a} {b}: {found:?}") };
            assert!(problem.starts_with("a circle of 2 modules"), "{problem}");
            assert!(
                problem.contains("a.rs imports ") && problem.contains(" from b.rs"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_circle_through_what_others_present_is_found() {
        let found = problems(&[
            ("lib.rs", "mod a; mod b; pub use a::x::X;"),
            ("a/mod.rs", "mod x; mod y; pub use x::X; pub(crate) use y::*;"),
            ("a/x.rs", "use crate::b::B; pub struct X;"),
            ("a/y.rs", "pub struct Y;"),
            ("b.rs", "use crate::a::Y; use crate::X; pub struct B;"),
        ]);
        let [problem] = found.as_slice() else { panic!("{found:?}") };
        assert!(problem.contains("a/x.rs imports crate::b::B from b.rs"), "{problem}");
        assert!(problem.contains("b.rs imports crate::X from a/x.rs"), "{problem}");
    }

    #[test]
    fn what_is_no_circle_is_none() {
        let found = problems(&[
            // Presenting children, and tests that know everything, are no imports of the module.
            ("lib.rs", "mod a; mod b; pub use b::B;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use super::*; use crate::b::B; }"),
            ("b.rs", "use crate::a::A; /// See [`crate::a::A`].\npub struct B; mod c;"),
            ("b/c.rs", "pub(super) fn f(b: u8) { b }"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_planted_import_that_goes_up_is_found() {
        let files = crate_of(&[
            ("lib.rs", "mod ground; mod middle; mod roof; mod cellar;"),
            ("ground.rs", "fn f() { crate::middle::door::open(); }"),
            ("middle/mod.rs", "pub(crate) mod door;"),
            ("middle/door.rs", "pub(crate) fn open() {}"),
            ("roof.rs", "use crate::middle::door::open;"),
            ("cellar.rs", ""),
        ]);
        let found = broken_rules(&files, Some(&[&["ground"], &["middle"], &["roof"]]));
        assert_eq!(
            found,
            [
                "cellar.rs stands on no floor: say on which in xtask/src/check/modules/mod.rs",
                "ground.rs imports crate::middle::door::open, which stands higher, in middle/door.rs",
            ]
        );
    }
}
