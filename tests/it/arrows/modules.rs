//! The modules of a crate: what each defines and what it takes from others by `use`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

use super::graph::Graph;

/// A module, and what of it is not `use` and not for tests.
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    pub(crate) file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    uses: Vec<Use>,
    pub(crate) code: Vec<Item>,
}

/// A name that comes from elsewhere; none for all names.
struct Use {
    name: Option<String>,
    path: Vec<String>,
    public: bool,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Module(usize),
    /// Something that a module defines, and what of it is named.
    Item(ItemId, Vec<String>),
}

/// A module and a name in it.
pub(crate) type ItemId = (usize, String);

pub(crate) struct Modules {
    pub(crate) all: Vec<Module>,
}

impl Modules {
    /// The modules of a crate by its sources.
    pub(crate) fn read(sources: &BTreeMap<String, String>) -> Self {
        let mut modules = Self { all: Vec::new() };
        let root = ["lib.rs", "main.rs"].into_iter().find(|name| sources.contains_key(*name));
        modules.load(root.expect("the root of a crate"), Vec::new(), None, sources);
        modules
    }

    fn load(
        &mut self,
        file: &str,
        path: Vec<String>,
        parent: Option<usize>,
        sources: &BTreeMap<String, String>,
    ) -> usize {
        let syntax = syn::parse_file(&sources[file]);
        let syntax = syntax.unwrap_or_else(|error| panic!("{file}: {error}"));
        self.fill(file, path, parent, syntax.items, sources)
    }

    fn fill(
        &mut self,
        file: &str,
        path: Vec<String>,
        parent: Option<usize>,
        items: Vec<Item>,
        sources: &BTreeMap<String, String>,
    ) -> usize {
        let own = self.all.len();
        self.all.push(Module {
            path: path.clone(),
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            uses: Vec::new(),
            code: Vec::new(),
        });
        for item in items {
            match item {
                item if is_test(attributes(&item)) => {}
                Item::Use(item) => self.all[own].take(&item),
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let path = [path.clone(), vec![name.clone()]].concat();
                    let child = match item.content {
                        Some((_, items)) => self.fill(file, path, Some(own), items, sources),
                        None => {
                            let file = file_of(&path, sources);
                            self.load(&file, path, Some(own), sources)
                        }
                    };
                    self.all[own].children.insert(name, child);
                }
                item => {
                    self.all[own].items.extend(name_of(&item));
                    self.all[own].code.push(item);
                }
            }
        }
        // What functions take for themselves counts for the whole module.
        let code = std::mem::take(&mut self.all[own].code);
        let mut inner = InnerUses(&mut self.all[own]);
        code.iter().for_each(|item| inner.visit_item(item));
        self.all[own].code = code;
        own
    }

    /// What a path means that stands in a module.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        self.follow(module, path, &mut BTreeSet::new())
    }

    fn follow(
        &self,
        module: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> BTreeSet<Target> {
        let Some((first, mut rest)) = path.split_first() else { return BTreeSet::new() };
        let mut found = match first.as_str() {
            "crate" => [Target::Module(0)].into(),
            "self" => [Target::Module(module)].into(),
            "super" => self.all[module].parent.map(Target::Module).into_iter().collect(),
            name => self.named(module, name, seen),
        };
        while let Some((name, left)) = rest.split_first() {
            // A function beside a module of its name has nothing in it.
            if found.iter().any(|target| matches!(target, Target::Module(_))) {
                found.retain(|target| matches!(target, Target::Module(_)));
            }
            found = found
                .into_iter()
                .flat_map(|target| match target {
                    Target::Module(at) if name == "super" => {
                        self.all[at].parent.map(Target::Module).into_iter().collect()
                    }
                    Target::Module(at) => self.named(at, name, seen),
                    Target::Item(id, mut within) => {
                        within.push(name.clone());
                        [Target::Item(id, within)].into()
                    }
                })
                .collect();
            rest = left;
        }
        found
    }

    /// What a name means in a module. A name may be that of a module and of a function.
    fn named(
        &self,
        module: usize,
        name: &str,
        seen: &mut BTreeSet<(usize, String)>,
    ) -> BTreeSet<Target> {
        let it = &self.all[module];
        let mut found: BTreeSet<Target> =
            it.children.get(name).map(|child| Target::Module(*child)).into_iter().collect();
        if it.items.contains(name) {
            found.insert(Target::Item((module, name.to_owned()), Vec::new()));
        }
        // `pub use thing::thing` asks for the module of the name that it gives.
        if !seen.insert((module, name.to_owned())) {
            return found;
        }
        for one in it.uses.iter().filter(|one| one.name.as_deref() == Some(name)) {
            found.extend(self.follow(module, &one.path, seen));
        }
        if found.is_empty() {
            for one in it.uses.iter().filter(|one| one.name.is_none()) {
                for target in self.follow(module, &one.path, seen) {
                    if let Target::Module(at) = target {
                        found.extend(self.named(at, name, seen));
                    }
                }
            }
        }
        seen.remove(&(module, name.to_owned()));
        found
    }

    /// What files import by `use`.
    pub(crate) fn imports(&self) -> Graph {
        let mut graph = Graph::default();
        for (at, module) in self.all.iter().enumerate() {
            let mut words = Words::default();
            module.code.iter().for_each(|item| words.visit_item(item));
            for one in &module.uses {
                let Some(name) = &one.name else {
                    self.glob(at, one, &words.0, &mut graph);
                    continue;
                };
                for target in self.resolve(at, &one.path) {
                    let Target::Item(id, _) = target else { continue };
                    let home = &self.all[id.0];
                    let only_given_on = one.public
                        && home.path.starts_with(&module.path)
                        && !words.0.contains(name);
                    if !only_given_on {
                        graph.add(&module.file, &home.file, &one.path.join("::"));
                    }
                }
            }
        }
        graph
    }

    fn glob(&self, at: usize, one: &Use, words: &BTreeSet<String>, graph: &mut Graph) {
        let module = &self.all[at];
        let named = |word: &str| module.uses.iter().any(|it| it.name.as_deref() == Some(word));
        for target in self.resolve(at, &one.path) {
            let Target::Module(from) = target else { continue };
            for word in words.iter().filter(|word| !module.items.contains(*word) && !named(word)) {
                for target in self.named(from, word, &mut BTreeSet::new()) {
                    if let Target::Item((home, _), _) = target {
                        graph.add(&module.file, &self.all[home].file, word);
                    }
                }
            }
        }
    }
}

impl Module {
    fn take(&mut self, item: &ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        self.take_tree(&item.tree, &[], public);
    }

    fn take_tree(&mut self, tree: &UseTree, before: &[String], public: bool) {
        let with = |name: &syn::Ident| match name.to_string() {
            name if name == "self" && !before.is_empty() => before.to_vec(),
            name => [before, &[name]].concat(),
        };
        match tree {
            UseTree::Path(path) => self.take_tree(&path.tree, &with(&path.ident), public),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.take_tree(tree, before, public));
            }
            UseTree::Name(name) => {
                let path = with(&name.ident);
                self.uses.push(Use { name: path.last().cloned(), path, public });
            }
            UseTree::Rename(renamed) => {
                let (name, path) = (renamed.rename.to_string(), with(&renamed.ident));
                self.uses.push(Use { name: Some(name), path, public });
            }
            UseTree::Glob(_) => self.uses.push(Use { name: None, path: before.to_vec(), public }),
        }
    }
}

/// The file of a module.
fn file_of(path: &[String], sources: &BTreeMap<String, String>) -> String {
    let place = path.join("/");
    let files = [format!("{place}.rs"), format!("{place}/mod.rs")];
    let file = files.into_iter().find(|file| sources.contains_key(file));
    file.unwrap_or_else(|| panic!("{place} has no file"))
}

pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                words_of(&list.tokens).first().is_some_and(|word| word == "test")
            });
        condition || attribute.path().is_ident("test")
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

/// The names that an item defines.
fn name_of(item: &Item) -> Vec<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        // What a macro makes is named in its input.
        Item::Macro(it) if it.ident.is_none() => return words_of(&it.mac.tokens),
        _ => return Vec::new(),
    };
    vec![name.to_string()]
}

/// The identifiers of tokens, those in brackets among them.
pub(crate) fn words_of(tokens: &TokenStream) -> Vec<String> {
    let words = tokens.clone().into_iter().flat_map(|token| match token {
        TokenTree::Ident(word) => vec![word.to_string()],
        TokenTree::Group(group) => words_of(&group.stream()),
        _ => Vec::new(),
    });
    words.collect()
}

struct InnerUses<'a>(&'a mut Module);

impl<'ast> Visit<'ast> for InnerUses<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.take(item);
    }
}

/// All identifiers of some code.
#[derive(Default)]
struct Words(BTreeSet<String>);

impl<'ast> Visit<'ast> for Words {
    fn visit_ident(&mut self, word: &'ast proc_macro2::Ident) {
        self.0.insert(word.to_string());
    }

    fn visit_item_use(&mut self, _: &'ast ItemUse) {}

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.0.extend(words_of(&it.tokens));
        visit::visit_macro(self, it);
    }
}
