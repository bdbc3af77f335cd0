//! Which file imports from which, and where that goes in a circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    crate_files::{CrateFiles, Target},
    source::Module,
};

/// Edges between files, each with one path that makes it.
pub(super) struct Graph<'a> {
    files: &'a CrateFiles,
    edges: BTreeMap<Module, BTreeMap<Module, String>>,
}

/// The steps of a circle: who imports from whom, by which path.
pub(super) type Circle = Vec<(String, String, String)>;

impl<'a> Graph<'a> {
    pub(super) fn of(files: &'a CrateFiles) -> Self {
        let mut this = Self { files, edges: BTreeMap::new() };
        for (module, scope) in files.scopes() {
            for import in scope.imports.values().filter(|import| !import.is_passed_on) {
                // A module that is only brought into sight makes an edge where its items are named.
                if let Some(Target::Item(to)) = files.resolve(module, &import.path) {
                    this.add(module, &to, &import.path);
                }
            }
            for path in &scope.paths {
                // A module alone is no value and no type: this is a local name like it.
                if let Some(Target::Item(to)) = files.resolve(module, path) {
                    this.add(module, &to, path);
                }
            }
            for glob in &scope.globs {
                if let Some(Target::Item(to) | Target::Module(to)) = files.resolve(module, glob) {
                    let is_own_child = to.starts_with(module);
                    if !is_own_child {
                        this.add(module, &to, &[glob.as_slice(), &["*".to_owned()]].concat());
                    }
                }
            }
        }
        this
    }

    fn add(&mut self, from: &[String], to: &[String], path: &[String]) {
        let (from, to) = (self.files.file_of(from), self.files.file_of(to));
        if from != to {
            self.edges.entry(from).or_default().entry(to).or_insert_with(|| path.join("::"));
        }
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = (&Module, &Module, &str)> {
        self.edges.iter().flat_map(|(from, targets)| {
            targets.iter().map(move |(to, path)| (from, to, path.as_str()))
        })
    }

    /// A shortest circle for each set of files that reach each other.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let mut circles = Vec::new();
        let mut told: BTreeSet<&Module> = BTreeSet::new();
        for start in self.edges.keys() {
            if told.contains(start) {
                continue;
            }
            let Some(way) = self.way_back_to(start) else { continue };
            told.extend(way.iter().copied());
            let next = way.iter().skip(1).chain(way.first());
            circles.push(
                way.iter()
                    .zip(next)
                    .map(|(from, to)| {
                        let path = self.edges[*from][*to].clone();
                        (self.files.name(from), self.files.name(to), path)
                    })
                    .collect(),
            );
        }
        circles
    }

    /// The shortest way that leaves `start` and comes back, `start` first.
    fn way_back_to<'g>(&'g self, start: &'g Module) -> Option<Vec<&'g Module>> {
        let mut reached_from: BTreeMap<&Module, &Module> = BTreeMap::new();
        let mut waiting = VecDeque::from([start]);
        while let Some(module) = waiting.pop_front() {
            for next in self.edges.get(module).into_iter().flat_map(BTreeMap::keys) {
                if next == start {
                    let mut way = vec![module];
                    while let Some(before) = reached_from.get(way[way.len() - 1]) {
                        way.push(before);
                    }
                    way.reverse();
                    return Some(way);
                }
                if !reached_from.contains_key(next) {
                    reached_from.insert(next, module);
                    waiting.push_back(next);
                }
            }
        }
        None
    }
}
