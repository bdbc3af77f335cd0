//! No dependency that no code names: neither in a crate, nor in the list of the workspace.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{DependencyKind, Package};
use proc_macro2::{Spacing, TokenStream, TokenTree};
use serde::Deserialize;

/// Every name in the code of a folder that may be a crate's.
type Names = BTreeSet<String>;

/// A manifest, as far as it is read here. What is needed for its features alone stands in
/// `package.metadata.cargo-machete.ignored`, as cargo-machete has it.
#[derive(Deserialize)]
struct Manifest {
    workspace: Option<Workspace>,
}

#[derive(Deserialize)]
struct Workspace {
    dependencies: BTreeMap<String, toml::Value>,
}

/// Proves it for the whole workspace.
///
/// # Errors
/// Every dependency that could go.
pub(super) fn check() -> Result<String> {
    let metadata = super::dependencies::supported()?;
    let (mut problems, mut listed, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
        let (code, tests) = names_of(folder.as_std_path())?;
        problems.extend(unused(package, &code, &tests));
        count += package.dependencies.len();
        listed.extend(package.dependencies.iter().map(|dependency| dependency.name.clone()));
    }
    let text = std::fs::read_to_string(crate::workspace::root().join("Cargo.toml"))?;
    let manifest: Manifest = toml::from_str(&text).context("Cargo.toml")?;
    let workspace = manifest.workspace.context("Cargo.toml has no workspace")?;
    problems.extend(
        workspace
            .dependencies
            .keys()
            .filter(|name| !listed.contains(*name))
            .map(|name| format!("no crate uses {name} of the root Cargo.toml")),
    );
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(format!("{count} uses of dependencies"))
}

/// The names in what a crate ships, and those in its tests and examples as well.
fn names_of(folder: &Path) -> Result<(Names, Names)> {
    let mut code = Names::new();
    for part in ["src", "build.rs"] {
        collect(&folder.join(part), &mut code)?;
    }
    let mut tests = code.clone();
    for part in ["tests", "examples", "benches"] {
        collect(&folder.join(part), &mut tests)?;
    }
    Ok((code, tests))
}

fn unused(package: &Package, code: &Names, tests: &Names) -> Vec<String> {
    let kept = &package.metadata["cargo-machete"]["ignored"];
    let is_kept =
        |name: &str| kept.as_array().into_iter().flatten().any(|kept| kept.as_str() == Some(name));
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
        let names = if dependency.kind == DependencyKind::Development { tests } else { code };
        let is_used = names.contains(&name.replace('-', "_"));
        if !is_used && !is_kept(name) {
            problems.push(format!("{} does not use {name}", package.name));
        }
        if is_used && is_kept(name) {
            problems.push(format!("{} uses {name}, so it need not be ignored", package.name));
        }
    }
    problems
}

fn collect(path: &Path, names: &mut Names) -> Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            collect(&entry?.path(), names)?;
        }
    } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
        let text = std::fs::read_to_string(path)?;
        let tokens: TokenStream =
            text.parse().ok().with_context(|| format!("{} is no Rust", path.display()))?;
        add(tokens, names);
    }
    Ok(())
}

/// Adds every name that is followed by `::` or that `use` brings in.
fn add(tokens: TokenStream, names: &mut Names) {
    let mut last = String::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                if last == "use" {
                    names.insert(name.clone());
                }
                last = name;
            }
            TokenTree::Punct(punct)
                if punct.as_char() == ':' && punct.spacing() == Spacing::Joint =>
            {
                names.insert(std::mem::take(&mut last));
            }
            TokenTree::Group(group) => add(group.stream(), names),
            // Examples in the documentation are tests.
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let before =
                    text.split("::").map(|part| part.rsplit(|c: char| !is_of_name(c)).next());
                names.extend(before.flatten().map(str::to_owned));
            }
            TokenTree::Punct(_) => {}
        }
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_no_code_names_is_found() {
        let metadata = super::super::dependencies::own_metadata();
        let xtask = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "xtask");
        let mut package = xtask.unwrap().clone();
        let folder = package.manifest_path.parent().unwrap().to_owned();
        let (code, tests) = names_of(folder.as_std_path()).unwrap();
        assert_eq!(unused(&package, &code, &tests), Vec::<String>::new());

        package.dependencies[0].rename = Some("left-over".to_owned());
        assert_eq!(unused(&package, &code, &tests), ["xtask does not use left-over"]);
        package.metadata = serde_json::json!({"cargo-machete": {"ignored": ["left-over", "syn"]}});
        let found = unused(&package, &code, &tests);
        assert_eq!(found, ["xtask uses syn, so it need not be ignored"]);
    }
}
