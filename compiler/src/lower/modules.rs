//! The files of a program: the user's, and those of the embedded library that they use.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::limits::MAX_MESSAGES;
use super::value::ItemId;
use crate::diagnostics::{Code, Diagnostic, FileId, Origin, SourceMap, Span};
use crate::syntax::{ast, parse};

const MATH: &str = include_str!("../../../stdlib/math.mpc");

/// The library, embedded: name and text.
pub const LIBRARY: &[(&str, &str)] = &[
    ("math", MATH),
    ("nn", include_str!("../../../stdlib/nn.mpc")),
    ("init", include_str!("../../../stdlib/init.mpc")),
    ("optim", include_str!("../../../stdlib/optim.mpc")),
    ("table", include_str!("../../../stdlib/table.mpc")),
];

/// Finds a user's module by name: the file's name for messages, and its text or the reason why it cannot be read. `None` if there is no
/// such file. It may be asked from another thread.
pub type Resolver<'a> = dyn Fn(&str) -> Option<(String, Result<String, String>)> + Sync + 'a;

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
    pub(crate) ast: Arc<ast::File>,
    pub(crate) items: HashMap<String, usize>,
    pub(crate) imports: HashMap<String, Import>,
    /// Whether something did not parse: any name may have been declared there.
    pub(crate) broken: bool,
    /// Whether it is the library's `math`, perhaps as a file beside the program: the language has some of its functions too, for what is
    /// not secret, and calls them in its place.
    pub(crate) is_math: bool,
}

/// Every module of a program; the first is the main file.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    pub(crate) list: Vec<Module>,
    /// The user's, by name.
    own: HashMap<String, usize>,
    /// Those of the embedded library that are in use.
    library: HashMap<&'static str, usize>,
    /// Messages that are one too many to be shown.
    pub(crate) unshown: usize,
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
        let first = modules.add(name, main, sources, diagnostics);
        modules.own.insert(name.to_string(), first);
        let mut next = 0;
        while next < modules.list.len() {
            modules.resolve_uses(next, sources, resolve, diagnostics);
            next += 1;
        }
        modules
    }

    fn tell(&mut self, diagnostics: &mut Vec<Diagnostic>, message: Diagnostic) {
        if diagnostics.len() < MAX_MESSAGES {
            diagnostics.push(message);
        } else {
            self.unshown += 1;
        }
    }

    fn add(
        &mut self,
        name: &str,
        file: FileId,
        sources: &SourceMap,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> usize {
        let is_math = sources.get(file).is_some_and(|source| *source.text == *MATH);
        let (ast, errors) = match sources.get(file) {
            Some(source) if source.origin == Origin::Library => {
                (library_tree(name, &source.text, file), Vec::new())
            }
            Some(source) => {
                let (ast, errors) = parse(&source.text, file);
                (Arc::new(ast), errors)
            }
            None => (Arc::new(ast::File { file, items: Vec::new() }), Vec::new()),
        };
        errors.into_iter().for_each(|error| self.tell(diagnostics, error));
        let mut module = Module {
            name: name.to_string(),
            ast,
            items: HashMap::new(),
            imports: HashMap::new(),
            broken: false,
            is_math,
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
                self.tell(diagnostics, error);
            }
        }
        self.list.push(module);
        self.list.len() - 1
    }

    /// The module that a name means in a user's file or in the library, loaded if need be. The library means its own, whatever files there
    /// are beside the program.
    fn module(
        &mut self,
        name: &str,
        place: Span,
        asks: Origin,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        if asks == Origin::User {
            if let Some(found) = self.own.get(name) {
                return Some(*found);
            }
            if let Some((file, text)) = resolve(name) {
                let failed = text.as_ref().err().cloned();
                let id = sources.add(file.as_str(), text.unwrap_or_default(), Origin::User);
                let module = self.add(name, id, sources, diagnostics);
                if let Some(reason) = failed {
                    let error = Diagnostic::error(Code::N003, format!("cannot read {file}: {reason}"));
                    self.tell(diagnostics, error.at(place, ""));
                    self.list[module].broken = true;
                }
                self.own.insert(name.to_string(), module);
                return Some(module);
            }
        }
        let (name, text) = *LIBRARY.iter().find(|(n, _)| *n == name)?;
        if let Some(found) = self.library.get(name) {
            return Some(*found);
        }
        let id = sources.add(format!("{name}.mpc"), text.to_string(), Origin::Library);
        let module = self.add(name, id, sources, diagnostics);
        self.library.insert(name, module);
        Some(module)
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
        self.resolve_named(module, sources, resolve, diagnostics);
        let file = self.list[module].ast.file;
        // Division and comparison of secrets are library functions that need no `use`.
        let _ = self.module("math", Span::new(file, 0, 0), Origin::Library, sources, resolve, diagnostics);
    }

    /// Modules of the library that a file names as in `math::sqrt(x)`: those need no `use`.
    fn resolve_named(
        &mut self,
        module: usize,
        sources: &mut SourceMap,
        resolve: &Resolver<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let file = self.list[module].ast.file;
        let Some(text) = sources.get(file).filter(|f| f.origin == Origin::User).map(|f| f.text.clone())
        else {
            return;
        };
        for (name, _) in LIBRARY {
            let is_free =
                |module: &Module| !module.imports.contains_key(*name) && !module.items.contains_key(*name);
            if is_free(&self.list[module])
                && text.contains(&format!("{name}::"))
                && let Some(source) =
                    self.module(name, Span::new(file, 0, 0), Origin::User, sources, resolve, diagnostics)
            {
                self.list[module].imports.insert((*name).to_string(), Import::Module(source));
            }
        }
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
                self.tell(
                    diagnostics,
                    Diagnostic::error(Code::N003, "modules do not nest")
                        .at(item.path.span, "")
                        .help(format!("use {}", first.name)),
                );
                return;
            }
        };
        let file = self.list[module].ast.file;
        let asks = sources.get(file).map_or(Origin::User, |f| f.origin);
        let Some(source) = self.module(&first.name, first.span, asks, sources, resolve, diagnostics) else {
            let known: Vec<&str> = LIBRARY.iter().map(|(n, _)| *n).collect();
            self.tell(
                diagnostics,
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
                    if let Some(other) = elsewhere(&name.name) {
                        error = error.help(other);
                    } else if let Some(near) = near {
                        error = error.help(format!("use {}::{near}", first.name));
                    }
                    self.tell(diagnostics, error);
                    Import::Missing
                }
            };
            self.list[module].imports.insert(name.name, import);
        }
    }

    pub(crate) fn item(&self, id: ItemId) -> &ast::Item {
        &self.list[id.module].ast.items[id.item]
    }

    /// A module of the library that is in use.
    pub(crate) fn of_library(&self, name: &str) -> Option<usize> {
        self.library.get(name).copied()
    }
}

/// The tree of a module of the library. It is kept: whoever compiles many programs, such as the tests of a file, parses it once. Places in
/// it name the file, so there is a tree for each number that the module's file has had.
fn library_tree(name: &str, text: &str, file: FileId) -> Arc<ast::File> {
    type Trees = HashMap<(String, FileId), Arc<ast::File>>;
    static TREES: LazyLock<Mutex<Trees>> = LazyLock::new(Mutex::default);
    let mut trees = TREES.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = trees.entry((name.to_string(), file)).or_insert_with(|| Arc::new(parse(text, file).0));
    Arc::clone(tree)
}

/// The module of the library that has this name.
pub(crate) fn in_library(name: &str) -> Option<&'static str> {
    let declared = [format!("fn {name}("), format!("model {name}("), format!("const {name} ")];
    let has = |text: &str| declared.iter().any(|d| text.contains(d));
    LIBRARY.iter().find(|(_, text)| has(text)).map(|(module, _)| *module)
}

/// Where a name is that a module does not have.
pub(crate) fn elsewhere(name: &str) -> Option<String> {
    if super::builtin::table::find(name).is_some() {
        return Some(format!("{name} is known everywhere, without `use`"));
    }
    match in_library(name) {
        Some(module) => Some(format!("use {module}::{name}")),
        None => super::names::foreign(name).map(str::to_string),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_parses() {
        for (name, text) in LIBRARY {
            assert_eq!(parse(text, FileId(0)).1, [], "{name}");
        }
    }
}
