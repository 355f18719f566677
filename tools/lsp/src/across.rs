//! One name in several files: what a file declares, and what other files of its directory `use` of it.

use std::path::Path;

use lsp_types::Uri;
use tern_compiler::diagnostics::{Origin, SourceFile, SourceMap, Span};
use tern_compiler::syntax::{ast, parse};

use crate::analysis::FILE;
use crate::names::{Names, Target, Use};
use crate::reference;

/// A file, by what its names stand for.
pub struct Text {
    /// Its address.
    pub uri: Uri,
    /// What it is called in a `use`.
    pub module: String,
    /// Its tree.
    pub tree: ast::File,
    /// Its names.
    pub names: Names,
    sources: SourceMap,
}

/// What a name stands for in whichever file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Symbol {
    /// Something that nobody outside the file can name, by its place.
    Local(Span),
    /// An item of a file, or a parameter of it that arguments may name.
    Item {
        /// The file's name as a module.
        module: String,
        /// The item.
        name: String,
        /// The parameter.
        parameter: Option<String>,
    },
}

impl Text {
    /// Reads a file's names.
    pub fn new(uri: Uri, path: &Path, text: &str) -> Text {
        let mut sources = SourceMap::new();
        let file = sources.add(path.display().to_string(), text, Origin::User);
        let (tree, _) = parse(text, file);
        let module = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Text { uri, module, names: Names::of(&tree), tree, sources }
    }

    /// The file itself.
    pub fn file(&self) -> &SourceFile {
        self.sources.get(FILE).expect("it is the only one of its map")
    }

    /// What the name at an offset stands for, if it is declared by somebody who can be asked to call it otherwise.
    ///
    /// # Errors
    /// Why it is not.
    pub fn symbol(&self, used: &Use) -> Result<Symbol, String> {
        let elsewhere = |module: &String, name: &String, parameter: Option<&String>| {
            if reference::module(module).is_some() {
                return Err(format!("{} belongs to the library", used.name));
            }
            Ok(Symbol::Item { module: module.clone(), name: name.clone(), parameter: parameter.cloned() })
        };
        match &used.target {
            Target::Here(span) => Ok(self.own(*span)),
            Target::Module(module, Some(name)) => elsewhere(module, name, None),
            Target::Parameter { module, function, name } => elsewhere(module, function, Some(name)),
            Target::Module(_, None) => Err(format!("{} is a file; it is renamed as such", used.name)),
            Target::Language(_) | Target::Field | Target::Unknown => {
                Err(format!("{} is not declared in this file", used.name))
            }
        }
    }

    /// What this file declares at a place.
    fn own(&self, declared: Span) -> Symbol {
        let item = |name: &ast::Ident, parameter: Option<&ast::Ident>| Symbol::Item {
            module: self.module.clone(),
            name: name.name.clone(),
            parameter: parameter.map(|ident| ident.name.clone()),
        };
        for declaring in &self.tree.items {
            let Some(name) = reference::name_of(declaring) else { continue };
            if name.span == declared {
                return item(name, None);
            }
            if let ast::Item::Fn(function) = declaring
                && let Some(param) = function.params.iter().find(|param| param.name.span == declared)
            {
                return item(name, Some(&param.name));
            }
        }
        Symbol::Local(declared)
    }

    /// Where the file declares it, if it does.
    pub fn declares(&self, symbol: &Symbol) -> Option<Span> {
        match symbol {
            Symbol::Local(span) => Some(*span),
            Symbol::Item { module, name, parameter } if *module == self.module => {
                reference::declared(&self.tree, name, parameter.as_deref())
            }
            Symbol::Item { .. } => None,
        }
    }

    /// All places of the file in which it is named.
    pub fn places(&self, symbol: &Symbol) -> Vec<&Use> {
        let Some(target) = self.target(symbol) else { return Vec::new() };
        self.names.uses.iter().filter(|used| used.target == target).collect()
    }

    /// What names of this file stand for if they stand for it.
    fn target(&self, symbol: &Symbol) -> Option<Target> {
        if let Some(span) = self.declares(symbol) {
            return Some(Target::Here(span));
        }
        match symbol {
            Symbol::Item { module, name, parameter } if reference::module(module).is_none() => {
                let (module, function) = (module.clone(), name.clone());
                Some(match parameter.clone() {
                    None => Target::Module(module, Some(function)),
                    Some(name) => Target::Parameter { module, function, name },
                })
            }
            Symbol::Item { .. } | Symbol::Local(_) => None,
        }
    }
}

impl Symbol {
    /// Those files in which it can stand, of which the first is the one that was asked about.
    pub fn among<'t>(&self, texts: &'t [Text]) -> &'t [Text] {
        match self {
            Symbol::Local(_) => &texts[..1],
            Symbol::Item { .. } => texts,
        }
    }

    /// What a target is once the symbol has another name.
    pub fn renamed(&self, target: &Target, new: &str) -> Target {
        let Symbol::Item { module, name, parameter } = self else { return target.clone() };
        match (target, parameter) {
            (Target::Module(of, Some(item)), None) if of == module && item == name => {
                Target::Module(of.clone(), Some(new.into()))
            }
            (Target::Parameter { module: of, function, name: param }, None)
                if of == module && function == name =>
            {
                Target::Parameter { module: of.clone(), function: new.into(), name: param.clone() }
            }
            (Target::Parameter { module: of, function, name: param }, Some(parameter))
                if of == module && function == name && param == parameter =>
            {
                Target::Parameter { module: of.clone(), function: function.clone(), name: new.into() }
            }
            (other, _) => other.clone(),
        }
    }
}
