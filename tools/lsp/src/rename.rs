//! Where a name is declared, where else it stands, and what it would take to change it.

use std::collections::HashMap;

use lsp_types::{Location, TextEdit, Uri};
use tern_compiler::diagnostics::{FileId, Span};
use tern_compiler::syntax::{Token, ast, tokens};

use crate::across::{Symbol, Text};
use crate::analysis::{Analysis, FILE};
use crate::hover::own_module;
use crate::messages::location;
use crate::names::{Names, Target, Use};
use crate::{LIBRARY_SCHEME, places, reference};

/// Where the name at an offset is declared. The language's own functions are declared nowhere.
pub fn definition(analysis: &Analysis, offset: u32, uri: &Uri) -> Option<Location> {
    let (module, item) = match &analysis.names.at(offset)?.target {
        Target::Here(span) => return location(*span, analysis, uri),
        Target::Module(module, name) => (module, name.as_ref().map(|name| (name, None))),
        Target::Parameter { module, function, name } => (module, Some((function, Some(name.as_str())))),
        Target::Language(_) | Target::Field | Target::Unknown => return None,
    };
    let declared = |tree: &ast::File, file: FileId| match item {
        Some((name, parameter)) => reference::declared(tree, name, parameter),
        None => Some(Span::new(file, 0, 0)),
    };
    match reference::module(module) {
        Some(library) => {
            let uri = std::str::FromStr::from_str(&format!("{LIBRARY_SCHEME}{module}.mpc")).ok()?;
            let span = declared(&library.tree, FileId(0))?;
            Some(Location { uri, range: places::range(library.sources.get(FileId(0))?, span) })
        }
        None => {
            let (tree, file) = own_module(analysis, module)?;
            location(declared(&tree, file)?, analysis, uri)
        }
    }
}

/// All places of the name at an offset of the first file, in all of them.
pub fn references(texts: &[Text], offset: u32) -> Vec<Location> {
    let asked = &texts[0];
    let Some(used) = asked.names.at(offset) else { return Vec::new() };
    let location = |text: &Text, used: &Use| Location {
        uri: text.uri.clone(),
        range: places::range(text.file(), used.span),
    };
    match asked.symbol(used) {
        Ok(symbol) => symbol
            .among(texts)
            .iter()
            .flat_map(|text| text.places(&symbol).into_iter().map(|used| location(text, used)))
            .collect(),
        Err(_) if matches!(used.target, Target::Field | Target::Unknown) => Vec::new(),
        // what others declare is found here alone
        Err(_) => {
            let same = asked.names.uses.iter().filter(|other| other.target == used.target);
            same.map(|used| location(asked, used)).collect()
        }
    }
}

/// The changes that give the name at an offset of the first file another one, wherever it stands in all of them.
///
/// # Errors
/// Why it cannot be done.
pub fn rename(texts: &[Text], offset: u32, new: &str) -> Result<Vec<(Uri, Vec<TextEdit>)>, String> {
    let asked = &texts[0];
    let used = asked.names.at(offset).ok_or("there is no name here")?;
    let symbol = asked.symbol(used)?;
    let texts = symbol.among(texts);
    let home = texts.iter().find(|text| text.declares(&symbol).is_some());
    let home = home.ok_or_else(|| format!("the file that declares {} is not to be had", used.name))?;
    if matches!(&symbol, Symbol::Item { name, parameter: None, .. } if name == "main") {
        return Err("main is where a program begins; it keeps its name".into());
    }
    if !is_name(new) {
        return Err(format!("{new:?} is no name"));
    }
    if let Some(taken) =
        home.names.uses.iter().find(|other| other.name == new && other.target != Target::Field)
    {
        let (line, _) = home.file().line_column(taken.span.start);
        let place = match std::ptr::eq(home, asked) {
            true => "here".to_string(),
            false => format!("in {}", home.file().name),
        };
        return Err(format!("{new} is in use {place} already, in line {line}"));
    }
    let mut changes = Vec::new();
    for text in texts {
        let edits: Vec<(Span, String)> = text
            .places(&symbol)
            .iter()
            .map(|used| match used.published {
                // the receiver keeps the name of the result
                true => (used.span, format!("{} = {new}", used.name)),
                false => (used.span, new.to_string()),
            })
            .collect();
        if edits.is_empty() {
            continue;
        }
        check(text, &edits, &symbol, new)?;
        let edit = |(span, with)| TextEdit::new(places::range(text.file(), span), with);
        changes.push((text.uri.clone(), edits.into_iter().map(edit).collect()));
    }
    Ok(changes)
}

fn is_name(text: &str) -> bool {
    matches!(tokens(&format!("const {text} = 1"), FILE).as_deref(), Ok([_, (_, Token::Name(name), _), _, _]) if *name == text)
}

/// Whether every name of a file means what it meant, once the edits are made.
fn check(text: &Text, edits: &[(Span, String)], symbol: &Symbol, new: &str) -> Result<(), String> {
    let mut changed = text.file().text.to_string();
    for (span, with) in edits.iter().rev() {
        changed.replace_range(span.start as usize..span.end as usize, with);
    }
    let after = Names::of(&tern_compiler::syntax::parse(&changed, FILE).0);
    let before = meanings(&text.names).map(|(declared, target)| (declared, symbol.renamed(target, new)));
    if before.eq(meanings(&after).map(|(declared, target)| (declared, target.clone()))) {
        Ok(())
    } else {
        Err(format!("{new} would mean something else in {}", text.file().name))
    }
}

/// What the names of a file stand for, in their order: of what it declares itself, which name of them declares it.
fn meanings(names: &Names) -> impl Iterator<Item = (Option<usize>, &Target)> {
    let places: HashMap<Span, usize> =
        names.uses.iter().enumerate().map(|(i, used)| (used.span, i)).collect();
    names.uses.iter().map(move |used| match &used.target {
        Target::Here(span) => (places.get(span).copied(), &Target::Unknown),
        target => (None, target),
    })
}
