//! The compiler's messages as an editor shows them: the same texts, with reasons, notes and ways out behind them.

use std::str::FromStr;

use lsp_types::{
    Diagnostic as Shown, DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, Range,
    Uri,
};
use tern_compiler::diagnostics::{Diagnostic, Origin, Severity, SourceMap, Span};

use crate::LIBRARY_SCHEME;
use crate::analysis::{Analysis, FILE};
use crate::places;

/// The messages of a file.
pub fn messages(analysis: &Analysis, uri: &Uri) -> Vec<Shown> {
    analysis.diagnostics.iter().map(|message| shown(message, analysis, uri)).collect()
}

fn shown(message: &Diagnostic, analysis: &Analysis, uri: &Uri) -> Shown {
    let here = message.labels.iter().find(|label| label.span.file == FILE);
    let place = message.place().filter(|span| span.file == FILE).or(here.map(|label| label.span));
    let labels = message.labels.iter().filter(|label| Some(label.span) != place && !label.text.is_empty());
    let related = labels.filter_map(|label| {
        let location = location(label.span, analysis, uri)?;
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let related: Vec<DiagnosticRelatedInformation> = related.collect();
    Shown {
        range: place.map_or(Range::default(), |span| places::range(analysis.file(), span)),
        severity: Some(match message.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(message.code.to_string())),
        source: Some("tern".to_string()),
        message: text(message, place, &analysis.sources),
        related_information: Some(related).filter(|related| !related.is_empty()),
        ..Shown::default()
    }
}

/// All that a message says, line by line.
fn text(message: &Diagnostic, place: Option<Span>, sources: &SourceMap) -> String {
    let mut lines = Vec::new();
    if let Some(elsewhere) = message.place().filter(|_| place.is_none()) {
        lines.push(format!("{}: {}", sources.place(elsewhere), message.message));
    } else {
        lines.push(message.message.clone());
    }
    let label = message.labels.iter().find(|label| Some(label.span) == place);
    lines.extend(label.map(|label| label.text.clone()).filter(|text| !text.is_empty()));
    lines.extend(message.why.iter().map(|text| format!("why: {text}")));
    lines.extend(message.notes.iter().map(|text| format!("note: {text}")));
    lines.extend(message.helps.iter().map(|text| format!("help: {text}")));
    lines.join("\n")
}

/// Where a span is, for an editor.
pub fn location(span: Span, analysis: &Analysis, uri: &Uri) -> Option<Location> {
    let file = analysis.sources.get(span.file)?;
    let uri = if span.file == FILE {
        uri.clone()
    } else if file.origin == Origin::Library {
        Uri::from_str(&format!("{LIBRARY_SCHEME}{}", file.name)).ok()?
    } else {
        places::uri(std::path::Path::new(&*file.name))?
    };
    Some(Location { uri, range: places::range(file, span) })
}
