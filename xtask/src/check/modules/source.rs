//! What one file of source text defines, imports and names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, File, Ident, Item, ItemMod, ItemUse, Path, UseTree, Visibility,
    visit::{self, Visit},
};

/// A module's path from the crate's root; of the root itself it is empty.
pub(super) type Module = Vec<String>;

/// One module, inline ones included.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Names that are defined here.
    pub(super) items: BTreeSet<String>,
    /// Names that come from elsewhere, and from where.
    pub(super) imports: BTreeMap<String, Import>,
    /// Everything of these comes as well.
    pub(super) globs: Vec<Vec<String>>,
    /// Paths that code here names.
    pub(super) paths: BTreeSet<Vec<String>>,
}

/// The target of a `use`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: Vec<String>,
    /// Whether it is passed on to others: then it makes no edge until the module names it itself.
    pub(super) is_passed_on: bool,
}

/// What a file holds, without what is for tests only.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) scopes: BTreeMap<Module, Scope>,
    /// Modules in files of their own that are there for tests only.
    pub(super) test_modules: BTreeSet<Module>,
}

impl Source {
    /// Reads `text`, the file of `module`.
    ///
    /// # Errors
    /// When it is not Rust.
    pub(super) fn read(text: &str, module: Module) -> syn::Result<Self> {
        let file: File = syn::parse_file(text)?;
        let mut source = Self::default();
        source.scopes.insert(module.clone(), Scope::default());
        let mut reader = Reader { source: &mut source, module };
        reader.visit_file(&file);
        Ok(source)
    }
}

struct Reader<'a> {
    source: &'a mut Source,
    module: Module,
}

impl Reader<'_> {
    fn scope(&mut self) -> &mut Scope {
        self.source.scopes.entry(self.module.clone()).or_default()
    }

    fn define(&mut self, name: &Ident) {
        self.scope().items.insert(name.to_string());
    }

    fn import(&mut self, before: &[String], tree: &UseTree, is_passed_on: bool) {
        let with = |name: &Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&with(&path.ident), &path.tree, is_passed_on),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(before, tree, is_passed_on);
                }
            }
            UseTree::Name(name) if name.ident == "self" => {
                let Some(last) = before.last().cloned() else { return };
                self.bind(last, before.to_vec(), is_passed_on);
            }
            UseTree::Name(name) => {
                self.bind(name.ident.to_string(), with(&name.ident), is_passed_on);
            }
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.bind(rename.rename.to_string(), before.to_vec(), is_passed_on);
            }
            UseTree::Rename(rename) => {
                // `use x as _` brings a trait without a name.
                let name = match rename.rename.to_string() {
                    name if name == "_" => format!("_ {}", rename.ident),
                    name => name,
                };
                self.bind(name, with(&rename.ident), is_passed_on);
            }
            UseTree::Glob(_) => self.scope().globs.push(before.to_vec()),
        }
    }

    fn bind(&mut self, name: String, path: Vec<String>, is_passed_on: bool) {
        self.scope().imports.insert(name, Import { path, is_passed_on });
    }

    /// Paths inside of a macro call, whose arguments are no syntax yet.
    fn paths_in(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.name(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                }
                TokenTree::Group(group) => {
                    self.name(std::mem::take(&mut path));
                    self.paths_in(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.name(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.name(path);
    }

    fn name(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.scope().paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                let module = [self.module.as_slice(), &[ident.to_string()]].concat();
                self.source.test_modules.insert(module);
            }
            return;
        }
        match item {
            Item::Const(it) => self.define(&it.ident),
            Item::Enum(it) => self.define(&it.ident),
            Item::Fn(it) => self.define(&it.sig.ident),
            Item::Static(it) => self.define(&it.ident),
            Item::Struct(it) => self.define(&it.ident),
            Item::Trait(it) => self.define(&it.ident),
            Item::TraitAlias(it) => self.define(&it.ident),
            Item::Type(it) => self.define(&it.ident),
            Item::Union(it) => self.define(&it.ident),
            Item::Macro(it) => {
                if let Some(name) = &it.ident {
                    self.define(name);
                }
            }
            Item::Mod(ItemMod { ident, content: Some((_, items)), .. }) => {
                self.module.push(ident.to_string());
                self.scope();
                for item in items {
                    self.visit_item(item);
                }
                self.module.pop();
                return;
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            let is_passed_on = !matches!(item.vis, Visibility::Inherited);
            self.import(&[], &item.tree, is_passed_on);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none() {
            self.name(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.paths_in(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute.parse_args::<Path>().is_ok_and(|path| path.is_ident("test")))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
