//! Where a name is declared, where else it stands, and what it would take to change it.

use lsp_types::{Location, TextEdit, Uri};
use tern_compiler::diagnostics::{FileId, Span};
use tern_compiler::syntax::{Token, tokens};

use crate::analysis::{Analysis, FILE};
use crate::hover::own_module;
use crate::messages::location;
use crate::names::{Names, Target};
use crate::{LIBRARY_SCHEME, places, reference};

/// Where the name at an offset is declared. The language's own functions are declared nowhere.
pub fn definition(analysis: &Analysis, offset: u32, uri: &Uri) -> Option<Location> {
    match &analysis.names.at(offset)?.target {
        Target::Here(span) => location(*span, analysis, uri),
        Target::Module(module, name) => match reference::module(module) {
            Some(library) => {
                let uri = std::str::FromStr::from_str(&format!("{LIBRARY_SCHEME}{module}.mpc")).ok()?;
                let span = match name {
                    Some(name) => reference::name_of(reference::item(&library.tree, name)?)?.span,
                    None => Span::new(FileId(0), 0, 0),
                };
                Some(Location { uri, range: places::range(library.sources.get(FileId(0))?, span) })
            }
            None => {
                let (tree, file) = own_module(analysis, module)?;
                let span = match name {
                    Some(name) => reference::name_of(reference::item(&tree, name)?)?.span,
                    None => Span::new(file, 0, 0),
                };
                location(span, analysis, uri)
            }
        },
        Target::Language(_) | Target::Field | Target::Unknown => None,
    }
}

/// All places of the name at an offset in its file.
pub fn references(analysis: &Analysis, offset: u32, uri: &Uri) -> Vec<Location> {
    let Some(used) = analysis.names.at(offset) else { return Vec::new() };
    let same = analysis.names.uses.iter().filter(|other| match &used.target {
        Target::Field | Target::Unknown => false,
        target => other.target == *target,
    });
    same.filter_map(|other| location(other.span, analysis, uri)).collect()
}

/// The changes that give the name at an offset another one, in its file.
///
/// # Errors
/// Why it cannot be done.
pub fn rename(analysis: &Analysis, offset: u32, new: &str) -> Result<Vec<TextEdit>, String> {
    let used = analysis.names.at(offset).ok_or("there is no name here")?;
    let Target::Here(declared) = used.target else {
        return Err(format!("{} is not declared in this file", used.name));
    };
    if used.name == "main"
        && reference::item(&analysis.tree, "main")
            .is_some_and(|item| reference::name_of(item).is_some_and(|ident| ident.span == declared))
    {
        return Err("main is where a program begins; it keeps its name".into());
    }
    if !is_name(new) {
        return Err(format!("{new:?} is no name"));
    }
    if let Some(taken) =
        analysis.names.uses.iter().find(|other| other.name == new && other.target != Target::Field)
    {
        let (line, _) = analysis.file().line_column(taken.span.start);
        return Err(format!("{new} is in use here already, in line {line}"));
    }
    let places: Vec<_> = analysis.names.of_target(declared).collect();
    let edits: Vec<(Span, String)> = places
        .iter()
        .map(|used| match used.published {
            // the receiver keeps the name of the result
            true => (used.span, format!("{} = {new}", used.name)),
            false => (used.span, new.to_string()),
        })
        .collect();
    check(analysis, &edits, new)?;
    let file = analysis.file();
    Ok(edits.into_iter().map(|(span, text)| TextEdit::new(places::range(file, span), text)).collect())
}

fn is_name(text: &str) -> bool {
    matches!(tokens(&format!("const {text} = 1"), FILE).as_deref(), Ok([_, (_, Token::Name(name), _), _, _]) if *name == text)
}

/// Whether the new name stands for the same thing in as many places, all of them of one declaration.
fn check(analysis: &Analysis, edits: &[(Span, String)], new: &str) -> Result<(), String> {
    let mut text = analysis.file().text.to_string();
    for (span, with) in edits.iter().rev() {
        text.replace_range(span.start as usize..span.end as usize, with);
    }
    let names = Names::of(&tern_compiler::syntax::parse(&text, FILE).0);
    let after: Vec<_> =
        names.uses.iter().filter(|used| used.name == new && used.target != Target::Field).collect();
    let one = after.windows(2).all(|pair| pair[0].target == pair[1].target);
    if one && after.len() == edits.len() {
        Ok(())
    } else {
        Err(format!("{new} would mean something else here"))
    }
}
