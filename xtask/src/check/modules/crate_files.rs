//! All files of a crate, and in which of them a path ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::source::{Module, Scope, Source};

/// A path that leads over so many `pub use` leads nowhere.
const MOST_STEPS: u8 = 32;

/// The modules of a crate, inline ones included, and the files they stand in.
#[derive(Debug, Default)]
pub(super) struct CrateFiles {
    files: BTreeMap<Module, PathBuf>,
    scopes: BTreeMap<Module, Scope>,
}

/// Where a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// At a module, of whose items it says nothing.
    Module(Module),
    /// At an item of a module.
    Item(Module),
}

impl CrateFiles {
    /// Reads every file below `src`, but those for tests only.
    ///
    /// # Errors
    /// When one cannot be read, or is not Rust.
    pub(super) fn read(src: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        list(src, &mut paths)?;
        let mut this = Self::default();
        let mut test_modules = BTreeSet::new();
        for path in paths {
            let below = path.strip_prefix(src)?.to_owned();
            let context = || path.display().to_string();
            let text = std::fs::read_to_string(&path).with_context(context)?;
            let module = module_of(&below);
            let source = Source::read(&text, module.clone()).with_context(context)?;
            this.files.insert(module, below);
            test_modules.extend(source.test_modules);
            for (module, scope) in source.scopes {
                this.scopes.insert(module, scope);
            }
        }
        let is_for_tests =
            |module: &Module| test_modules.iter().any(|tests: &Module| module.starts_with(tests));
        this.files.retain(|module, _| !is_for_tests(module));
        this.scopes.retain(|module, _| !is_for_tests(module));
        Ok(this)
    }

    /// Modules with a file of their own.
    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The file of a module, as messages name it.
    pub(super) fn name(&self, module: &[String]) -> String {
        self.files.get(module).map_or_else(|| module.join("::"), |path| path.display().to_string())
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = (&Module, &Scope)> {
        self.scopes.iter()
    }

    /// The module whose file holds `module`.
    pub(super) fn file_of(&self, module: &[String]) -> Module {
        let mut module = module;
        while !self.files.contains_key(module) {
            let Some((_, rest)) = module.split_last() else { break };
            module = rest;
        }
        module.to_vec()
    }

    /// Where `path`, written in `module`, ends. `None`: outside of the crate, or at a name that only
    /// the compiler can find (a type parameter, a local variable).
    pub(super) fn resolve(&self, module: &[String], path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, MOST_STEPS)
    }

    fn resolve_within(&self, module: &[String], path: &[String], steps: u8) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut current = module.to_vec();
        match first.as_str() {
            "crate" => current.clear(),
            "self" => {}
            "super" => {
                current.pop()?;
                while let Some((next, after)) = rest.split_first()
                    && next == "super"
                {
                    current.pop()?;
                    rest = after;
                }
            }
            _ => rest = path,
        }
        while let Some((name, after)) = rest.split_first() {
            let child = [current.as_slice(), std::slice::from_ref(name)].concat();
            if self.scopes.contains_key(&child) {
                current = child;
                rest = after;
                continue;
            }
            return self.item(&current, name, after, steps);
        }
        Some(Target::Module(current))
    }

    /// Where `name` of `module` leads, and `after` behind it.
    fn item(&self, module: &[String], name: &str, after: &[String], steps: u8) -> Option<Target> {
        let scope = self.scopes.get(module)?;
        if scope.items.contains(name) {
            return Some(Target::Item(module.to_vec()));
        }
        if let Some(import) = scope.imports.get(name) {
            let path = [import.path.as_slice(), after].concat();
            return self.resolve_within(module, &path, steps);
        }
        scope.globs.iter().find_map(|glob| {
            let path = [glob.as_slice(), &[name.to_owned()], after].concat();
            self.resolve_within(module, &path, steps)
        })
    }
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

/// `a::b` for `a/b.rs` and for `a/b/mod.rs`; the root for `lib.rs` and `main.rs`.
fn module_of(file: &Path) -> Module {
    let mut module: Module =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let is_root = module.len() == 1 && ["lib", "main"].contains(&module[0].as_str());
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}
