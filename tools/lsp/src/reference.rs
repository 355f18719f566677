//! What there is to say of functions and models: of the language's from its table, of the library's and the user's from their comments.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use tern_compiler::diagnostics::{Origin, SourceMap, Span};
use tern_compiler::lower::modules::LIBRARY;
use tern_compiler::lower::{Builtin, SUBJECTS};
use tern_compiler::syntax::{ast, parse};

/// A file of the library.
pub struct Module {
    /// With this file alone.
    pub sources: SourceMap,
    /// Its tree.
    pub tree: ast::File,
}

static MODULES: LazyLock<BTreeMap<&'static str, Arc<Module>>> = LazyLock::new(|| {
    let module = |(name, text): &(&'static str, &'static str)| {
        let mut sources = SourceMap::new();
        let file = sources.add(format!("{name}.mpc"), *text, Origin::Library);
        (*name, Arc::new(Module { tree: parse(text, file).0, sources }))
    };
    LIBRARY.iter().map(module).collect()
});

/// The module of the library with this name.
pub fn module(name: &str) -> Option<&'static Module> {
    MODULES.get(name).map(AsRef::as_ref)
}

/// The names of the library's modules.
pub fn modules() -> impl Iterator<Item = &'static str> {
    MODULES.keys().copied()
}

/// The functions of the language itself.
pub fn builtins() -> impl Iterator<Item = &'static Builtin> {
    SUBJECTS.iter().flat_map(|(_, functions)| *functions)
}

/// The function of the language with this name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    builtins().find(|function| function.name == name)
}

/// The name that an item declares.
pub fn name_of(item: &ast::Item) -> Option<&ast::Ident> {
    match item {
        ast::Item::Const(item) => Some(&item.name),
        ast::Item::Input(item) => Some(&item.name),
        ast::Item::Model(item) => Some(&item.name),
        ast::Item::Fn(item) => Some(&item.name),
        ast::Item::Use(_) | ast::Item::Test(_) | ast::Item::Error(_) => None,
    }
}

/// The item of a file that declares this name.
pub fn item<'t>(tree: &'t ast::File, name: &str) -> Option<&'t ast::Item> {
    tree.items.iter().find(|item| name_of(item).is_some_and(|ident| ident.name == name))
}

/// The parameter of a function that has this name.
pub fn parameter<'t>(function: &'t ast::Function, name: &str) -> Option<&'t ast::Ident> {
    function.params.iter().map(|param| &param.name).find(|ident| ident.name == name)
}

/// The place where a file declares an item, or a parameter of one.
pub fn declared(tree: &ast::File, name: &str, param: Option<&str>) -> Option<Span> {
    let item = item(tree, name)?;
    match (param, item) {
        (None, item) => Some(name_of(item)?.span),
        (Some(name), ast::Item::Fn(function)) => Some(parameter(function, name)?.span),
        (Some(_), _) => None,
    }
}

/// How an item is declared, on one line if it is a function's head.
pub fn declaration(item: &ast::Item, sources: &SourceMap) -> String {
    let text = |span: Span| sources.text(span).trim().to_string();
    match item {
        ast::Item::Fn(function) => text(function.header).split_whitespace().collect::<Vec<_>>().join(" "),
        other => text(other.span()),
    }
}

/// The comment before an item.
pub fn doc(item: &ast::Item) -> Option<&str> {
    let doc = match item {
        ast::Item::Const(item) => &item.doc,
        ast::Item::Input(item) => &item.doc,
        ast::Item::Model(item) => &item.doc,
        ast::Item::Fn(item) => &item.doc,
        ast::Item::Test(item) => &item.doc,
        ast::Item::Use(_) | ast::Item::Error(_) => return None,
    };
    doc.as_ref().map(|doc| doc.text.as_str())
}
