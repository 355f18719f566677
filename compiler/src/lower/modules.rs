//! The files of a program: the user's, and those of the embedded library that they use.

use std::collections::HashMap;

use super::value::ItemId;
use crate::diagnostics::{Code, Diagnostic, FileId, Origin, SourceMap};
use crate::syntax::{ast, parse};

/// The library, embedded: name and text.
pub const LIBRARY: &[(&str, &str)] = &[
    ("math", include_str!("../../../stdlib/math.mpc")),
    ("nn", include_str!("../../../stdlib/nn.mpc")),
    ("init", include_str!("../../../stdlib/init.mpc")),
    ("optim", include_str!("../../../stdlib/optim.mpc")),
];

/// Finds a user's module by name: the file's name for messages, and its text.
pub type Resolver<'a> = dyn Fn(&str) -> Option<(String, String)> + 'a;

/// What a name from a `use` stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Import {
    Module(usize),
    Item(ItemId),
    /// It could not be found, which has been reported.
    Missing,
}

#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) ast: ast::File,
    pub(crate) items: HashMap<String, usize>,
    pub(crate) imports: HashMap<String, Import>,
    /// Whether something did not parse: any name may have been declared there.
    pub(crate) broken: bool,
}

/// Every module of a program; the first is the main file.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    pub(crate) list: Vec<Module>,
    by_name: HashMap<String, usize>,
}

impl Modules {
    /// Parses the main file and everything that it uses.
    pub(crate) fn load(
        name: &str,
        main: FileId,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Modules {
        let mut modules = Modules::default();
        modules.add(name, main, sources, diagnostics);
        let mut next = 0;
        while next < modules.list.len() {
            modules.resolve_uses(next, sources, resolve, diagnostics);
            next += 1;
        }
        modules
    }

    fn add(
        &mut self,
        name: &str,
        file: FileId,
        sources: &SourceMap,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> usize {
        let text = sources.get(file).map(|f| f.text.clone()).unwrap_or_default();
        let (ast, errors) = parse(&text, file);
        diagnostics.extend(errors);
        let mut module = Module {
            name: name.to_string(),
            ast,
            items: HashMap::new(),
            imports: HashMap::new(),
            broken: false,
        };
        for (i, item) in module.ast.items.iter().enumerate() {
            let Some(name) = item_name(item) else {
                module.broken |= matches!(item, ast::Item::Error(_));
                continue;
            };
            if let Some(first) = module.items.insert(name.name.clone(), i) {
                let earlier = item_name(&module.ast.items[first]).map(|n| n.span);
                let mut error = Diagnostic::error(Code::N002, format!("{} is declared twice", name.name))
                    .at(name.span, "");
                if let Some(span) = earlier {
                    error = error.label(span, "first declared here");
                }
                diagnostics.push(error);
            }
        }
        self.by_name.insert(name.to_string(), self.list.len());
        self.list.push(module);
        self.list.len() - 1
    }

    /// The module with this name, loaded if need be.
    fn module(
        &mut self,
        name: &str,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        if let Some(found) = self.by_name.get(name) {
            return Some(*found);
        }
        let (file, text, origin) = match resolve(name) {
            Some((file, text)) => (file, text, Origin::User),
            None => {
                let (_, text) = LIBRARY.iter().find(|(n, _)| *n == name)?;
                (format!("{name}.mpc"), text.to_string(), Origin::Library)
            }
        };
        let id = sources.add(file, text, origin);
        Some(self.add(name, id, sources, diagnostics))
    }

    fn resolve_uses(
        &mut self,
        module: usize,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let uses: Vec<ast::Use> = self.list[module]
            .ast
            .items
            .iter()
            .filter_map(|item| if let ast::Item::Use(u) = item { Some(u.clone()) } else { None })
            .collect();
        for item in uses {
            self.resolve_use(module, &item, sources, resolve, diagnostics);
        }
        // Division and comparison of secrets are library functions that need no `use`.
        let _ = self.module("math", sources, resolve, diagnostics);
    }

    fn resolve_use(
        &mut self,
        module: usize,
        item: &ast::Use,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let first = &item.path.segments[0];
        let names: Vec<ast::Ident> = match (&item.names, item.path.segments.as_slice()) {
            (Some(names), [_]) => names.clone(),
            (None, [_]) => Vec::new(),
            (None, [_, name]) => vec![name.clone()],
            (Some(_), _) | (None, _) => {
                diagnostics.push(
                    Diagnostic::error(Code::N003, "modules do not nest")
                        .at(item.path.span, "")
                        .help(format!("use {}", first.name)),
                );
                return;
            }
        };
        let Some(source) = self.module(&first.name, sources, resolve, diagnostics) else {
            let known: Vec<&str> = LIBRARY.iter().map(|(n, _)| *n).collect();
            diagnostics.push(
                Diagnostic::error(Code::N003, format!("there is no module {}", first.name))
                    .at(first.span, "")
                    .note(format!(
                        "the library has {}; a module of your own is a file {}.mpc beside this one",
                        known.join(", "),
                        first.name
                    )),
            );
            let missing = if names.is_empty() { vec![first.clone()] } else { names };
            let missing = missing.into_iter().map(|name| (name.name, Import::Missing));
            self.list[module].imports.extend(missing);
            return;
        };
        if names.is_empty() {
            self.list[module].imports.insert(first.name.clone(), Import::Module(source));
            return;
        }
        for name in names {
            let import = match self.list[source].items.get(&name.name) {
                Some(item) => Import::Item(ItemId { module: source, item: *item }),
                None if self.list[source].broken => Import::Missing,
                None => {
                    let near =
                        super::names::closest(&name.name, self.list[source].items.keys().map(String::as_str));
                    let mut error =
                        Diagnostic::error(Code::N001, format!("{} has no {}", first.name, name.name))
                            .at(name.span, "");
                    if let Some(near) = near {
                        error = error.help(format!("use {}::{near}", first.name));
                    }
                    diagnostics.push(error);
                    Import::Missing
                }
            };
            self.list[module].imports.insert(name.name, import);
        }
    }

    pub(crate) fn item(&self, id: ItemId) -> &ast::Item {
        &self.list[id.module].ast.items[id.item]
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// The name that an item declares.
pub(crate) fn item_name(item: &ast::Item) -> Option<&ast::Ident> {
    match item {
        ast::Item::Const(c) => Some(&c.name),
        ast::Item::Input(i) => Some(&i.name),
        ast::Item::Model(m) => Some(&m.name),
        ast::Item::Fn(f) => Some(&f.name),
        ast::Item::Use(_) | ast::Item::Test(_) | ast::Item::Error(_) => None,
    }
}
