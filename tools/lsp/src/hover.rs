//! What is under the pointer: its type, what is said of it, and what its line costs.

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Range};
use tern_compiler::diagnostics::Span;

use crate::analysis::{Analysis, FILE};
use crate::names::{Target, Use};
use crate::{hints, places, reference};

/// What there is to say of an offset.
pub fn hover(analysis: &Analysis, offset: u32) -> Option<Hover> {
    let named = analysis.names.at(offset);
    let seen = place(analysis, offset, named);
    let mut parts = Vec::new();
    if let Some(sight) = seen.and_then(|span| analysis.seen.get(&span)) {
        let name = named.map_or(String::new(), |named| format!("{}: ", named.name));
        parts.push(code(&format!("{name}{}", sight.what)));
        let fields = sight.fields.iter().map(|(field, what)| format!("    {field}: {what}"));
        parts.extend(Some(fields.collect::<Vec<_>>().join("\n")).filter(|f| !f.is_empty()).map(|f| code(&f)));
    }
    parts.extend(named.and_then(|named| said_of(analysis, named)));
    let line = analysis.file().line(offset);
    if let Some(cost) = &analysis.cost
        && let Some(spent) = cost.lines.get(&line)
    {
        parts.push(hints::sentence(cost, spent));
    }
    if parts.is_empty() {
        return None;
    }
    let value = parts.join("\n\n");
    let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
    let range: Option<Range> =
        named.map(|n| n.span).or(seen).map(|span| places::range(analysis.file(), span));
    Some(Hover { contents, range })
}

/// The smallest expression there of which something is known. A name is one itself, or the last part of one.
fn place(analysis: &Analysis, offset: u32, named: Option<&Use>) -> Option<Span> {
    if let Some(named) = named {
        if analysis.seen.contains_key(&named.span) {
            return Some(named.span);
        }
        if let Target::Here(declared) = named.target {
            return Some(declared).filter(|span| analysis.seen.contains_key(span));
        }
    }
    let around = analysis.seen.keys().filter(|span| span.start <= offset && offset < span.end);
    let smallest = around.min_by_key(|span| span.end - span.start).copied();
    match named {
        // of a function's name, the call would be said
        Some(Use { target: Target::Field, span, .. }) => smallest.filter(|found| found.end == span.end),
        Some(_) => None,
        None => smallest,
    }
}

/// The declaration and the comment of a function, a model or a module.
fn said_of(analysis: &Analysis, named: &Use) -> Option<String> {
    match &named.target {
        Target::Language(name) => {
            let function = reference::builtin(name)?;
            Some(format!("{}\n\n{}", code(&function.signature()), function.doc.trim()))
        }
        Target::Here(declared) => {
            let is_it = |item: &&_| reference::name_of(item).is_some_and(|ident| ident.span == *declared);
            let item = analysis.tree.items.iter().find(is_it)?;
            Some(of_item(item, &analysis.sources))
        }
        Target::Module(module, Some(name)) | Target::Parameter { module, function: name, .. } => {
            match reference::module(module) {
                Some(library) => Some(of_item(reference::item(&library.tree, name)?, &library.sources)),
                None => {
                    let (tree, _) = own_module(analysis, module)?;
                    Some(of_item(reference::item(&tree, name)?, &analysis.sources))
                }
            }
        }
        Target::Module(..) | Target::Field | Target::Unknown => None,
    }
}

/// A module of the user's, parsed, and its file.
pub fn own_module(
    analysis: &Analysis,
    name: &str,
) -> Option<(tern_compiler::syntax::ast::File, tern_compiler::diagnostics::FileId)> {
    let named = |file: &str| std::path::Path::new(file).file_stem().is_some_and(|stem| stem == name);
    let ids = (FILE.0 + 1..).map(tern_compiler::diagnostics::FileId);
    let mut files = ids.map_while(|id| Some((id, analysis.sources.get(id)?)));
    let (id, file) = files.find(|(_, file)| named(&file.name))?;
    Some((tern_compiler::syntax::parse(&file.text, id).0, id))
}

fn of_item(
    item: &tern_compiler::syntax::ast::Item,
    sources: &tern_compiler::diagnostics::SourceMap,
) -> String {
    let head = code(&reference::declaration(item, sources));
    match reference::doc(item) {
        Some(doc) => format!("{head}\n\n{doc}"),
        None => head,
    }
}

fn code(text: &str) -> String {
    format!("```tern\n{text}\n```")
}
