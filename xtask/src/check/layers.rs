//! The one rule of the architecture, proved from the crate graph.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, PackageId};

/// Which of our crates each of ours may name, in code or in tests.
const TESTING: &str = "alpine-testing";
const MEMORY: &str = "alpine-memory";
const ALLOWED: &[(&str, &[&str])] = &[
    ("alpine-domain", &[]),
    ("alpine-http", &["alpine-domain"]),
    ("alpine-infra", &["alpine-domain"]),
    ("alpine-persistence", &["alpine-domain"]),
    ("alpine-server", &["alpine-domain", "alpine-http", "alpine-infra", "alpine-persistence"]),
    // Every store over plain vectors: for tests, and never in what is shipped.
    (MEMORY, &["alpine-domain"]),
    // The fault harness: below everything, and never in what is shipped.
    (TESTING, &[]),
    // The benchmark puts routes of its own beside the application's.
    (
        "alpine-tools",
        &["alpine-server", "alpine-persistence", "alpine-http", "alpine-domain", TESTING],
    ),
    // What parses is tried from the outside, by tests alone.
    (
        "alpine-fuzz",
        &["alpine-server", "alpine-persistence", "alpine-http", "alpine-infra", "alpine-domain"],
    ),
    // Whoever runs the tests must not compile the application twice.
    ("xtask", &[TESTING]),
];

/// Which of our crates each of ours may name in tests besides. The surface is tested over the real stores:
/// fakes of them would know nothing of filters, pages, transactions and events. The use cases are tested over
/// the stores in memory, which the contract suite of the databases holds to the same. Nothing of it is shipped.
const IN_TESTS: &[(&str, &str)] = &[
    ("alpine-http", "alpine-persistence"),
    ("alpine-domain", MEMORY),
    ("alpine-persistence", MEMORY),
];

/// What the domain must not reach, not even through something else.
const OUTSIDE_THE_DOMAIN: &[&str] = &[
    "diesel",
    "r2d2",
    "libsqlite3-sys",
    "pq-sys",
    "actix-web",
    "actix-http",
    "actix-rt",
    "redis",
    "bb8",
    "bb8-redis",
    "tokio",
    "reqwest",
    "prometheus",
    "tracing",
];

/// Who alone may name what.
const SOLE_USERS: &[(&str, &[&str])] = &[
    // `age` fills databases with millions of rows, which no store can write at once.
    ("diesel", &["alpine-persistence", "alpine-tools"]),
    ("libsqlite3-sys", &["alpine-persistence"]),
    ("pq-sys", &["alpine-persistence"]),
    ("redis", &["alpine-infra", "alpine-tools"]),
    ("bb8-redis", &["alpine-infra"]),
    ("anyhow", &["alpine-server", "alpine-tools", "xtask", TESTING]),
];

pub(super) fn check() -> Result<String> {
    let metadata = super::dependencies::supported()?;
    let broken = broken_rules(&metadata)?;
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(format!("{} crates", metadata.workspace_members.len()))
}

fn broken_rules(metadata: &Metadata) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            broken.push(format!("{name} is new: say in the layer rule what it may depend on"));
            continue;
        };
        for dependency in &package.dependencies {
            let target = dependency.name.as_str();
            let is_ours = ALLOWED.iter().any(|(known, _)| *known == target);
            let is_test = dependency.kind == DependencyKind::Development
                && (target == TESTING || IN_TESTS.contains(&(name, target)));
            if is_ours && !allowed.contains(&target) && !is_test {
                broken.push(format!("{name} must not depend on {target}"));
            }
            let users = SOLE_USERS.iter().find(|(known, _)| *known == target);
            if let Some((_, users)) = users
                && dependency.kind != DependencyKind::Development
                && !users.contains(&name)
            {
                broken
                    .push(format!("{name} must not name {target}: only {} may", users.join(", ")));
            }
        }
    }
    for (name, path) in reachable(metadata, "alpine-domain")? {
        if OUTSIDE_THE_DOMAIN.contains(&name.as_str()) {
            broken.push(format!("alpine-domain reaches {name}, through {}", path.join(" → ")));
        }
    }
    Ok(broken)
}

/// What a crate's library is built from, with the way to each.
fn reachable(metadata: &Metadata, from: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no graph")?;
    let name_of = |id: &PackageId| metadata[id].name.to_string();
    let start = resolve
        .nodes
        .iter()
        .find(|node| metadata[&node.id].name.as_str() == from)
        .with_context(|| format!("there is no crate {from}"))?;
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::from([start.id.clone()]);
    let mut waiting = vec![(start, vec![from.to_owned()])];
    while let Some((node, path)) = waiting.pop() {
        for dependency in &node.deps {
            let is_normal =
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if !is_normal || !seen.insert(dependency.pkg.clone()) {
                continue;
            }
            let mut path = path.clone();
            path.push(name_of(&dependency.pkg));
            found.insert(name_of(&dependency.pkg), path.clone());
            if let Some(next) = resolve.nodes.iter().find(|node| node.id == dependency.pkg) {
                waiting.push((next, path));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_edge_is_found() {
        let metadata = super::super::dependencies::own_metadata();
        assert_eq!(broken_rules(&metadata).unwrap(), Vec::<String>::new());

        // The same graph, in which the HTTP layer names Diesel, and the domain the HTTP layer's crate.
        let mut bent = metadata;
        let borrowed = |name: &str, metadata: &Metadata| {
            let owner = metadata.packages.iter().find(|p| {
                p.dependencies.iter().any(|d| d.name == name && d.kind == DependencyKind::Normal)
            });
            let dependencies = &owner.unwrap().dependencies;
            dependencies.iter().find(|d| d.name == name).unwrap().clone()
        };
        for (crate_name, dependency) in
            [("alpine-http", "diesel"), ("alpine-domain", "alpine-http")]
        {
            let edge = borrowed(dependency, &bent);
            let package = bent.packages.iter_mut().find(|p| p.name.as_str() == crate_name);
            package.unwrap().dependencies.push(edge);
        }
        let broken = broken_rules(&bent).unwrap().join("\n");
        assert!(broken.contains("alpine-http must not name diesel"), "{broken}");
        assert!(broken.contains("alpine-domain must not depend on alpine-http"), "{broken}");
    }
}
