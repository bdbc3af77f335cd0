//! Licences, sources and duplicate versions by the rules of `deny.toml`, without cargo-deny.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

/// The parts of `deny.toml` that are enforced here; cargo-deny reads the rest as well.
#[derive(Deserialize)]
struct Policy {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<LicenceException>,
}

#[derive(Deserialize)]
struct LicenceException {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    #[serde(default)]
    skip: Vec<Skip>,
}

/// A version that may stand beside a newer one: `crate = "name@version"`.
#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

pub(super) fn check() -> Result<String> {
    broken_rules(&policy()?, &supported()?)
}

/// The crate graph of all platforms that `deny.toml` names.
///
/// # Errors
/// When cargo fails.
pub(super) fn supported() -> Result<Metadata> {
    metadata(&policy()?.graph.targets)
}

fn policy() -> Result<Policy> {
    let path = crate::workspace::root().join("deny.toml");
    let text = std::fs::read_to_string(&path).context("deny.toml")?;
    toml::from_str(&text).context("deny.toml")
}

fn broken_rules(policy: &Policy, metadata: &Metadata) -> Result<String> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no graph")?;
    let packages: Vec<&Package> = resolve.nodes.iter().map(|node| &metadata[&node.id]).collect();

    let mut broken = Vec::new();
    broken_licences(policy, &packages, &mut broken);
    broken_sources(policy, &packages, &mut broken);
    broken_versions(policy, &packages, &mut broken);
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    Ok(format!(
        "{} packages, {} older versions with a reason",
        packages.len(),
        policy.bans.skip.len()
    ))
}

/// The crate graph of the given platforms. Cargo fetches every crate in it.
fn metadata(targets: &[String]) -> Result<Metadata> {
    let filters = targets.iter().map(|target| format!("--filter-platform={target}"));
    MetadataCommand::new()
        .current_dir(crate::workspace::root())
        .other_options(filters.chain(["--locked".to_owned()]).collect::<Vec<_>>())
        .exec()
        .context("cargo metadata")
}

/// The crate graph of this machine alone: whoever could build the workspace has every crate in it, so
/// tests need nothing from outside.
#[cfg(test)]
pub(super) fn own_metadata() -> Metadata {
    let output = std::process::Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let text = String::from_utf8(output).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    metadata(&[host.to_owned()]).unwrap()
}

/// Whether a licence expression can be met with allowed licences only. Old crates write `/` for `OR`.
fn is_allowed(expression: &str, allowed: &[String]) -> Result<bool> {
    let mode = ParseMode { allow_slash_as_or_operator: true, ..ParseMode::STRICT };
    let expression = Expression::parse_mode(expression, mode)?;
    Ok(expression.evaluate(|wanted| allowed.contains(&wanted.to_string())))
}

fn broken_licences(policy: &Policy, packages: &[&Package], broken: &mut Vec<String>) {
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let mut allowed = policy.licenses.allow.clone();
        let exceptions = policy.licenses.exceptions.iter();
        for exception in exceptions.filter(|exception| exception.name == package.name.as_str()) {
            allowed.extend(exception.allow.iter().cloned());
        }
        let verdict = match package.license.as_deref() {
            None => Err("states no licence".to_owned()),
            Some(expression) => match is_allowed(expression, &allowed) {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!("is under `{expression}`")),
                Err(error) => Err(error.to_string()),
            },
        };
        if let Err(reason) = verdict {
            broken.push(format!(
                "{} {} {reason}: replace it, or allow that in deny.toml",
                package.name, package.version
            ));
        }
    }
}

fn broken_sources(policy: &Policy, packages: &[&Package], broken: &mut Vec<String>) {
    for package in packages {
        let Some(source) = &package.source else { continue };
        let is_allowed = policy
            .sources
            .allow_registry
            .iter()
            .any(|registry| source.repr == format!("registry+{registry}"));
        if !is_allowed {
            broken.push(format!(
                "{} comes from {source}, which deny.toml does not allow",
                package.name
            ));
        }
    }
}

fn broken_versions(policy: &Policy, packages: &[&Package], broken: &mut Vec<String>) {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        versions.entry(package.name.as_str()).or_default().push(package.version.to_string());
    }
    for skip in &policy.bans.skip {
        let known = skip.spec.split_once('@').is_some_and(|(name, version)| {
            versions.get(name).is_some_and(|all| all.len() > 1 && all.iter().any(|v| v == version))
        });
        if !known {
            broken.push(format!("deny.toml skips {}, which is no duplicate any more", skip.spec));
        }
        if skip.reason.trim().is_empty() {
            broken.push(format!("deny.toml skips {} without a reason", skip.spec));
        }
    }
    for (name, all) in versions {
        let unexcused = all
            .iter()
            .filter(|version| {
                !policy.bans.skip.iter().any(|skip| skip.spec == format!("{name}@{version}"))
            })
            .count();
        if unexcused > 1 {
            broken.push(format!(
                "{name} is there as {}: agree on one, or skip the older one in deny.toml with a reason",
                all.join(" and ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tenth line of the original's testing checklist: no dependency is there twice, but for
    /// those that `deny.toml` excuses with a reason. `cargo xtask check` asks the same of all platforms.
    #[test]
    fn no_duplicate_dependencies() {
        broken_rules(&policy().unwrap(), &own_metadata()).unwrap();
    }

    #[test]
    fn expressions_are_weighed() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND BSD-3-Clause", false),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ] {
            assert_eq!(is_allowed(expression, &allowed).unwrap(), expected, "{expression}");
        }
        for broken in ["", "(MIT", "MIT OR", "MIT Apache-2.0"] {
            assert!(is_allowed(broken, &allowed).is_err(), "{broken}");
        }
    }
}
