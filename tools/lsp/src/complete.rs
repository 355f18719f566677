//! What could stand here.

use lsp_types::{
    CompletionItem, CompletionItemKind, Documentation, MarkupContent, MarkupKind, Position, Range, TextEdit,
};
use tern_compiler::diagnostics::SourceMap;
use tern_compiler::syntax::ast::{File, Item};

use crate::analysis::{Analysis, FILE};
use crate::names::Target;
use crate::{places, reference};

/// Words that begin something.
const WORDS: &[&str] = &[
    "assert", "break", "by", "client", "const", "else", "false", "fn", "for", "grad", "if", "in", "input",
    "let", "model", "output", "party", "public", "require", "return", "secret", "shares", "test", "to",
    "true", "unroll", "use", "var",
];

/// What stands before the offset.
pub enum Before {
    /// `p.` or `p.wei`: where the dot is.
    Dot(u32),
    /// `nn::`, also in the braces of a `use`: the module's name.
    Module(String),
    /// A name, or nothing of one yet.
    Name,
    /// A comment or a text: nothing is offered.
    Prose,
}

/// What stands before an offset of a text.
pub fn before(text: &str, offset: u32) -> Before {
    let text = &text[..offset as usize];
    let line = &text[text.rfind('\n').map_or(0, |at| at + 1)..];
    let quotes = line.matches('"').count();
    if quotes % 2 == 1 || line.contains("//") {
        return Before::Prose;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = text.trim_end_matches(is_word);
    if let Some(braces) = line.trim_start().strip_prefix("use ").and_then(|line| line.split_once("::{")) {
        return Before::Module(braces.0.trim().to_string());
    }
    if let Some(path) = rest.strip_suffix("::") {
        let name = &path[path.trim_end_matches(is_word).len()..];
        return Before::Module(name.to_string());
    }
    match rest.strip_suffix('.') {
        Some(base) if base.ends_with(|c| is_word(c) || c == ')' || c == ']') => {
            Before::Dot(rest.len() as u32 - 1)
        }
        _ => Before::Name,
    }
}

/// The fields of the model before a dot, from the analysis of the text without the dot and what is behind it.
pub fn fields(without: &Analysis, dot: u32) -> Vec<CompletionItem> {
    let ending = without.seen.iter().filter(|(span, sight)| span.end == dot && !sight.fields.is_empty());
    let Some((_, sight)) = ending.min_by_key(|(span, _)| span.end - span.start) else { return Vec::new() };
    let item = |(name, what): &(String, String)| plain(name, CompletionItemKind::FIELD, what.clone());
    sight.fields.iter().map(item).collect()
}

/// The items of a module, or the functions of the language under a name.
pub fn of_module(analysis: &Analysis, module: &str) -> Vec<CompletionItem> {
    let imported = analysis.names.imports.get(module);
    let module = if let Some(Target::Module(module, None)) = imported { module.as_str() } else { module };
    let prefix = format!("{module}::");
    let language = reference::builtins().filter_map(|function| {
        let name = function.name.strip_prefix(&prefix)?;
        Some(documented(name, CompletionItemKind::FUNCTION, function.signature(), function.doc))
    });
    let mut items: Vec<CompletionItem> = language.collect();
    if let Some(library) = reference::module(module) {
        items.extend(of_file(&library.tree, &library.sources));
    } else if let Some((tree, _)) = crate::hover::own_module(analysis, module) {
        items.extend(of_file(&tree, &analysis.sources));
    }
    items
}

/// All names in scope, those of the library with what it takes to use them, and words.
pub fn names(analysis: &Analysis, offset: u32) -> Vec<CompletionItem> {
    let mut items: Vec<CompletionItem> = Vec::new();
    let mut add = |item: CompletionItem| {
        if items.iter().all(|other| other.label != item.label) {
            items.push(item);
        }
    };
    for local in analysis.names.locals_at(offset) {
        let what = analysis.seen.get(&local.declared).map_or(String::new(), |sight| sight.what.clone());
        add(plain(&local.name, CompletionItemKind::VARIABLE, what));
    }
    of_file(&analysis.tree, &analysis.sources).into_iter().for_each(&mut add);
    for (name, target) in &analysis.names.imports {
        match target {
            Target::Module(module, Some(item)) => {
                let all = of_module(analysis, module);
                all.into_iter().filter(|found| found.label == *item).for_each(&mut add);
            }
            _ => add(plain(name, CompletionItemKind::MODULE, String::new())),
        }
    }
    for function in reference::builtins() {
        add(documented(function.name, CompletionItemKind::FUNCTION, function.signature(), function.doc));
    }
    let at = Position { line: line_for_use(analysis), character: 0 };
    for module in reference::modules() {
        for mut item in of_module(analysis, module) {
            let text = format!("use {module}::{}\n", item.label);
            item.additional_text_edits = Some(vec![TextEdit::new(Range::new(at, at), text)]);
            item.sort_text = Some(format!("~{}", item.label)); // behind what is in scope
            add(item);
        }
    }
    WORDS.iter().for_each(|word| add(plain(word, CompletionItemKind::KEYWORD, String::new())));
    items
}

/// The line behind the last `use`, or before the first item.
fn line_for_use(analysis: &Analysis) -> u32 {
    let file = analysis.file();
    let line = |offset: u32| places::position(file, offset).line;
    let mut uses = analysis.tree.items.iter().filter(|item| matches!(item, Item::Use(_)));
    match (uses.next_back(), analysis.tree.items.first()) {
        (Some(last), _) => line(last.span().end) + 1,
        (None, Some(first)) => line(reference_start(first)),
        (None, None) => 0,
    }
}

/// Where an item begins, with its comment.
fn reference_start(item: &Item) -> u32 {
    let doc = match item {
        Item::Const(item) => &item.doc,
        Item::Input(item) => &item.doc,
        Item::Model(item) => &item.doc,
        Item::Fn(item) => &item.doc,
        Item::Test(item) => &item.doc,
        Item::Use(_) | Item::Error(_) => &None,
    };
    doc.as_ref().map_or(item.span().start, |doc| doc.span.start)
}

fn of_file(tree: &File, sources: &SourceMap) -> Vec<CompletionItem> {
    let items = tree.items.iter().filter_map(|item| {
        let kind = match item {
            Item::Fn(_) => CompletionItemKind::FUNCTION,
            Item::Model(_) => CompletionItemKind::STRUCT,
            Item::Const(_) => CompletionItemKind::CONSTANT,
            Item::Input(_) => CompletionItemKind::VARIABLE,
            Item::Use(_) | Item::Test(_) | Item::Error(_) => return None,
        };
        let name = reference::name_of(item)?;
        let head = reference::declaration(item, sources);
        Some(documented(&name.name, kind, head, reference::doc(item).unwrap_or_default()))
    });
    // nobody calls the beginning of a program
    items.filter(|item| item.label != "main" || tree.file != FILE).collect()
}

fn plain(name: &str, kind: CompletionItemKind, detail: String) -> CompletionItem {
    CompletionItem {
        label: name.to_string(),
        kind: Some(kind),
        detail: Some(detail).filter(|detail| !detail.is_empty()),
        ..CompletionItem::default()
    }
}

fn documented(name: &str, kind: CompletionItemKind, detail: String, doc: &str) -> CompletionItem {
    let value = doc.trim().to_string();
    let markup = MarkupContent { kind: MarkupKind::Markdown, value };
    let documentation = Some(Documentation::MarkupContent(markup)).filter(|_| !doc.trim().is_empty());
    CompletionItem { documentation, ..plain(name, kind, detail) }
}
