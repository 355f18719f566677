//! The lexer, the parser and the renderer of their messages on any text: no panic, bounded trees, places within the
//! text, and a message wherever something could not be parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tern_compiler::diagnostics::{Look, Origin, SourceMap, Span, render_all};
use tern_compiler::syntax::{ast::Item, parse};

fuzz_target!(|text: &str| {
    let mut sources = SourceMap::new();
    let file = sources.add("any.mpc", text, Origin::User);
    let (tree, messages) = parse(text, file);
    let covers_text = |span: Span| text.get(span.start as usize..span.end as usize).is_some();
    for item in &tree.items {
        assert!(covers_text(item.span()));
        assert!(!matches!(item, Item::Error(_)) || !messages.is_empty());
    }
    for message in &messages {
        assert!(message.labels.iter().all(|label| covers_text(label.span)));
    }
    assert_eq!(tree, tree.clone()); // goes through every node, by recursion
    assert_eq!(render_all(&messages, &sources, Look::PLAIN).is_empty(), messages.is_empty());
});
