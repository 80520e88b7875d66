//! What files import by the paths in their code, and by calls of methods that stand in other files.
//!
//! The type of what a method is called on is known for parameters, variables with a type or an
//! evident value, fields, and results of functions. Where it is not, a name that only one file of the
//! crate has, and that is no common one, says which method is meant.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Expr, FnArg, GenericArgument, ImplItem, Item, Pat, PathArguments, ReturnType, Type};

use super::graph::Graph;
use super::modules::{ItemId, Modules, Target, is_test};

/// Types that are looked through: what they hold is what methods are called on.
const WRAPPERS: [&str; 10] =
    ["Option", "Result", "Box", "Rc", "Arc", "Cow", "RefCell", "Mutex", "RefMut", "MutexGuard"];
/// Methods of these that give what they hold.
const GIVE_CONTENT: [&str; 17] = [
    "as_deref",
    "as_deref_mut",
    "as_mut",
    "as_ref",
    "borrow",
    "borrow_mut",
    "clone",
    "cloned",
    "copied",
    "expect",
    "lock",
    "map_err",
    "ok",
    "ok_or",
    "ok_or_else",
    "unwrap",
    "unwrap_or_default",
];

/// A type of the crate, and whether it is held in a list.
type Known = Option<(ItemId, bool)>;

/// What a function or field has: a module in which the type is read, and the type.
type Typed = (usize, Type);

/// Adds imports by code to those by `use`.
pub(crate) fn add(modules: &Modules, graph: Graph, common: &BTreeSet<String>) -> Graph {
    let index = Index::new(modules, common);
    let mut code = Code { index, graph, module: 0, own: None, locals: Vec::new() };
    for (at, module) in modules.all.iter().enumerate() {
        code.module = at;
        module.code.iter().for_each(|item| code.visit_item(item));
    }
    code.graph
}

/// The names of all methods of a crate.
pub(crate) fn methods(modules: &Modules) -> BTreeSet<String> {
    let common = BTreeSet::new();
    let index = Index::new(modules, &common);
    index.owners.into_keys().chain(index.of_traits).collect()
}

/// What is known of the types of a crate.
struct Index<'a> {
    modules: &'a Modules,
    common: &'a BTreeSet<String>,
    /// By type and name: the files of methods, and their result.
    methods: BTreeMap<(ItemId, String), (BTreeSet<usize>, Option<Typed>)>,
    /// The types that have a method of a name.
    owners: BTreeMap<String, BTreeSet<ItemId>>,
    of_traits: BTreeSet<String>,
    fields: BTreeMap<(ItemId, String), Typed>,
    functions: BTreeMap<ItemId, Typed>,
}

impl<'a> Index<'a> {
    fn new(modules: &'a Modules, common: &'a BTreeSet<String>) -> Self {
        let mut index = Self {
            modules,
            common,
            methods: BTreeMap::new(),
            owners: BTreeMap::new(),
            of_traits: BTreeSet::new(),
            fields: BTreeMap::new(),
            functions: BTreeMap::new(),
        };
        for (at, module) in modules.all.iter().enumerate() {
            module.code.iter().for_each(|item| index.take(at, item));
        }
        index
    }

    fn take(&mut self, module: usize, item: &Item) {
        match item {
            Item::Fn(it) => {
                if let ReturnType::Type(_, result) = &it.sig.output {
                    let id = (module, it.sig.ident.to_string());
                    self.functions.insert(id, (module, (**result).clone()));
                }
            }
            Item::Struct(it) => {
                let id = (module, it.ident.to_string());
                for (number, field) in it.fields.iter().enumerate() {
                    let name = field.ident.as_ref().map_or(number.to_string(), ToString::to_string);
                    self.fields.insert((id.clone(), name), (module, field.ty.clone()));
                }
            }
            Item::Trait(it) => {
                let names = it.items.iter().filter_map(|item| match item {
                    syn::TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                    _ => None,
                });
                self.of_traits.extend(names);
            }
            Item::Impl(it) => self.take_impl(module, it),
            _ => {}
        }
    }

    fn take_impl(&mut self, module: usize, it: &syn::ItemImpl) {
        let Some((id, _)) = self.type_of(module, &it.self_ty, None) else { return };
        for item in &it.items {
            let (name, result) = match item {
                ImplItem::Fn(method) if !is_test(&method.attrs) => {
                    let result = match &method.sig.output {
                        ReturnType::Type(_, result) => Some((module, (**result).clone())),
                        ReturnType::Default => None,
                    };
                    (method.sig.ident.to_string(), result)
                }
                ImplItem::Const(constant) => (constant.ident.to_string(), None),
                _ => continue,
            };
            if it.trait_.is_some() {
                self.of_traits.insert(name);
                continue;
            }
            self.owners.entry(name.clone()).or_default().insert(id.clone());
            let known = self.methods.entry((id.clone(), name)).or_default();
            known.0.insert(module);
            known.1 = result;
        }
    }

    /// The crate's own type in a type.
    fn type_of(&self, module: usize, of: &Type, own: Option<&ItemId>) -> Known {
        match of {
            Type::Reference(it) => self.type_of(module, &it.elem, own),
            Type::Paren(it) => self.type_of(module, &it.elem, own),
            Type::Group(it) => self.type_of(module, &it.elem, own),
            Type::Slice(it) => self.type_of(module, &it.elem, own).map(|(id, _)| (id, true)),
            Type::Array(it) => self.type_of(module, &it.elem, own).map(|(id, _)| (id, true)),
            Type::Path(it) => {
                let last = it.path.segments.last()?;
                if last.ident == "Self" {
                    return own.map(|id| (id.clone(), false));
                }
                let path = path_of(&it.path);
                if let Some(id) = self.item(module, &path) {
                    return Some((id, false));
                }
                let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
                let mut types = arguments.args.iter().filter_map(|argument| match argument {
                    GenericArgument::Type(it) => Some(it),
                    _ => None,
                });
                match last.ident.to_string().as_str() {
                    name if WRAPPERS.contains(&name) => self.type_of(module, types.next()?, own),
                    "Vec" | "VecDeque" | "BTreeMap" | "BTreeSet" => {
                        self.type_of(module, types.last()?, own).map(|(id, _)| (id, true))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn item(&self, module: usize, path: &[String]) -> Option<ItemId> {
        self.modules.resolve(module, path).into_iter().find_map(|target| match target {
            Target::Item(id, rest) if rest.is_empty() => Some(id),
            _ => None,
        })
    }

    fn read(&self, typed: Option<&Typed>, own: &ItemId) -> Known {
        typed.and_then(|(module, it)| self.type_of(*module, it, Some(own)))
    }

    /// The only method of a name that nothing else has, with its type.
    fn only(&self, name: &str) -> Option<(ItemId, BTreeSet<usize>)> {
        if self.common.contains(name) || self.of_traits.contains(name) {
            return None;
        }
        let mut owners = self.owners.get(name)?.iter();
        let (id, None) = (owners.next()?, owners.next()) else { return None };
        let (modules, _) = self.methods.get(&(id.clone(), name.to_owned()))?;
        Some((id.clone(), modules.clone()))
    }
}

/// A walk through the code of a crate.
struct Code<'a> {
    index: Index<'a>,
    graph: Graph,
    module: usize,
    /// The type whose methods are walked through.
    own: Option<ItemId>,
    locals: Vec<BTreeMap<String, Known>>,
}

impl Code<'_> {
    fn import(&mut self, from: usize, name: &str) {
        let all = &self.index.modules.all;
        self.graph.add(&all[self.module].file, &all[from].file, name);
    }

    /// What a path of two names or more imports.
    fn path(&mut self, path: &[String]) {
        let text = path.join("::");
        if path[0] == "Self" {
            let own = self.own.clone();
            return own.into_iter().for_each(|id| self.method(&id, &path[1], &text));
        }
        for target in self.index.modules.resolve(self.module, path) {
            let Target::Item(id, rest) = target else { continue };
            self.import(id.0, &text);
            if let Some(name) = rest.first() {
                self.method(&id, name, &text);
            }
        }
    }

    /// Imports the files of a method.
    fn method(&mut self, id: &ItemId, name: &str, text: &str) {
        let known = self.index.methods.get(&(id.clone(), name.to_owned()));
        for module in known.map(|(modules, _)| modules.clone()).unwrap_or_default() {
            self.import(module, text);
        }
    }

    fn local(&self, name: &str) -> Known {
        self.locals.iter().rev().find_map(|scope| scope.get(name)).cloned().flatten()
    }

    fn type_of(&self, it: &Type) -> Known {
        self.index.type_of(self.module, it, self.own.as_ref())
    }

    /// The type of a value, where it is evident.
    fn value(&self, value: &Expr) -> Known {
        match value {
            Expr::Paren(it) => self.value(&it.expr),
            Expr::Group(it) => self.value(&it.expr),
            Expr::Reference(it) => self.value(&it.expr),
            Expr::Try(it) => self.value(&it.expr),
            Expr::Unary(it) => self.value(&it.expr),
            Expr::Index(it) => self.value(&it.expr).map(|(id, _)| (id, false)),
            Expr::Struct(it) => {
                self.type_of(&Type::Path(syn::TypePath { qself: None, path: it.path.clone() }))
            }
            Expr::Path(it) => match it.path.get_ident() {
                Some(name) if name == "self" => self.own.clone().map(|id| (id, false)),
                Some(name) => self.local(&name.to_string()),
                None => None,
            },
            Expr::Field(it) => {
                let (id, _) = self.value(&it.base)?;
                let name = match &it.member {
                    syn::Member::Named(name) => name.to_string(),
                    syn::Member::Unnamed(index) => index.index.to_string(),
                };
                self.index.read(self.index.fields.get(&(id.clone(), name)), &id)
            }
            Expr::Call(it) => self.result(&it.func),
            Expr::MethodCall(it) => self.method_result(it),
            _ => None,
        }
    }

    fn result(&self, function: &Expr) -> Known {
        let Expr::Path(it) = function else { return None };
        let path = path_of(&it.path);
        let method = |id: &ItemId, name: &str| {
            let (_, result) = self.index.methods.get(&(id.clone(), name.to_owned()))?;
            self.index.read(result.as_ref(), id)
        };
        if let [own, name] = path.as_slice()
            && own == "Self"
        {
            return method(self.own.as_ref()?, name);
        }
        self.index.modules.resolve(self.module, &path).into_iter().find_map(|target| match target {
            Target::Item(id, rest) if rest.is_empty() => match self.index.functions.get(&id) {
                Some((module, it)) => self.index.type_of(*module, it, None),
                None => Some((id, false)),
            },
            Target::Item(id, rest) => method(&id, &rest[0]),
            Target::Module(_) => None,
        })
    }

    fn method_result(&self, call: &syn::ExprMethodCall) -> Known {
        let name = call.method.to_string();
        let on = self.value(&call.receiver);
        if let Some((id, false)) = &on
            && let Some((_, result)) = self.index.methods.get(&(id.clone(), name.clone()))
        {
            return self.index.read(result.as_ref(), id);
        }
        match on {
            Some((id, list)) if GIVE_CONTENT.contains(&name.as_str()) => Some((id, list)),
            Some((id, true)) => ["first", "get", "get_mut", "last", "pop"]
                .contains(&name.as_str())
                .then_some((id, false)),
            _ => {
                let (id, _) = self.index.only(&name)?;
                let (_, result) = self.index.methods.get(&(id.clone(), name))?;
                self.index.read(result.as_ref(), &id)
            }
        }
    }

    /// Paths and calls in the input of a macro, which is no syntax tree.
    fn tokens(&mut self, tokens: &TokenStream) {
        let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let sign = |at: usize, sign: char| matches!(all.get(at), Some(TokenTree::Punct(it)) if it.as_char() == sign);
        let mut at = 0;
        while at < all.len() {
            match &all[at] {
                TokenTree::Group(group) => self.tokens(&group.stream()),
                TokenTree::Ident(word) => {
                    let mut path = vec![word.to_string()];
                    while let (true, true, Some(TokenTree::Ident(word))) =
                        (sign(at + 1, ':'), sign(at + 2, ':'), all.get(at + 3))
                    {
                        path.push(word.to_string());
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.path(&path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        // Comma-separated values, as most macros take, are read as code for their calls.
        let parser = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        if let Ok(values) = syn::parse::Parser::parse2(parser, tokens.clone()) {
            values.iter().for_each(|value| self.visit_expr(value));
        }
    }

    fn bind(&mut self, pattern: &Pat, known: Known) {
        match pattern {
            Pat::Ident(it) => {
                if let Some(scope) = self.locals.last_mut() {
                    scope.insert(it.ident.to_string(), known);
                }
            }
            Pat::Reference(it) => self.bind(&it.pat, known),
            Pat::Type(it) => {
                let known = self.type_of(&it.ty);
                self.bind(&it.pat, known);
            }
            Pat::TupleStruct(it) => {
                let through = it.path.is_ident("Some") || it.path.is_ident("Ok");
                if let (true, Some(only)) = (through && it.elems.len() == 1, it.elems.first()) {
                    self.bind(only, known);
                }
            }
            _ => {}
        }
    }

    fn inputs<'i>(&mut self, inputs: impl Iterator<Item = &'i FnArg>) {
        for input in inputs {
            if let FnArg::Typed(it) = input {
                let known = self.type_of(&it.ty);
                self.bind(&it.pat, known);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Code<'_> {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path_of(path);
        if names.len() > 1 {
            self.path(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_impl(&mut self, it: &'ast syn::ItemImpl) {
        let own = self.index.type_of(self.module, &it.self_ty, None).map(|(id, _)| id);
        let before = std::mem::replace(&mut self.own, own);
        visit::visit_item_impl(self, it);
        self.own = before;
    }

    fn visit_item_fn(&mut self, it: &'ast syn::ItemFn) {
        self.locals.push(BTreeMap::new());
        self.inputs(it.sig.inputs.iter());
        visit::visit_item_fn(self, it);
        self.locals.pop();
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        if is_test(&it.attrs) {
            return;
        }
        self.locals.push(BTreeMap::new());
        self.inputs(it.sig.inputs.iter());
        visit::visit_impl_item_fn(self, it);
        self.locals.pop();
    }

    fn visit_expr_closure(&mut self, it: &'ast syn::ExprClosure) {
        self.locals.push(BTreeMap::new());
        it.inputs.iter().for_each(|input| self.bind(input, None));
        visit::visit_expr_closure(self, it);
        self.locals.pop();
    }

    fn visit_local(&mut self, it: &'ast syn::Local) {
        visit::visit_local(self, it);
        let known = it.init.as_ref().and_then(|init| self.value(&init.expr));
        self.bind(&it.pat, known);
    }

    fn visit_expr_let(&mut self, it: &'ast syn::ExprLet) {
        visit::visit_expr_let(self, it);
        let known = self.value(&it.expr);
        self.bind(&it.pat, known);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        match self.value(&call.receiver) {
            Some((id, false)) => self.method(&id, &name, &format!("{}::{name}", id.1)),
            Some((_, true)) => {}
            None => {
                if let Some((id, modules)) = self.index.only(&name) {
                    let text = format!("{}::{name}", id.1);
                    modules.into_iter().for_each(|module| self.import(module, &text));
                }
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.tokens(&it.tokens);
    }
}

/// The names of a path.
fn path_of(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}
