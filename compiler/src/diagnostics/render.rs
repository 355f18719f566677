//! What a message looks like: header and notes in rustc's form, and between them the excerpts, which miette draws.

use super::{Diagnostic, Label, Severity, SourceFile, SourceMap};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use std::fmt;
use std::ops::Range;

/// What the place can show where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether to colour.
    pub color: bool,
    /// Whether to draw with more than ASCII.
    pub unicode: bool,
    /// Columns. Longer messages are wrapped; excerpts are not.
    pub width: usize,
}

impl Look {
    /// The same everywhere: for files, pipes and tests.
    pub const PLAIN: Look = Look { color: false, unicode: false, width: 120 };
}

/// Labels that are more lines apart than this get excerpts of their own.
const GAP: u32 = 3;

/// Bytes of a line that are shown on each side of a label, if the line is longer.
const REACH: u32 = 100;

/// The message with its excerpts: first where it happened, then the other places in the order of the labels.
/// Ends in a newline.
pub fn render(message: &Diagnostic, sources: &SourceMap, look: Look) -> String {
    let excerpts = excerpts(message, sources);
    let mut out = draw(message, &message.message, excerpts.first(), look).trim_start().to_string();
    for excerpt in excerpts.iter().skip(1) {
        let drawn = draw(message, "", Some(excerpt), look);
        out += drawn.split_once('\n').map_or("", |(_empty_header, rest)| rest);
    }
    let margin = " ".repeat(excerpts.first().map_or(1, Excerpt::margin));
    let why = message.why.iter().map(|text| ("why", text));
    let notes = message.notes.iter().map(|text| ("note", text));
    let helps = message.helps.iter().map(|text| ("help", text));
    for (kind, text) in why.chain(notes).chain(helps) {
        let text = printable(text).replace('\n', &format!("\n{margin}  {:width$}  ", "", width = kind.len()));
        out += &format!("{margin}= {kind}: {text}\n");
    }
    out
}

/// All messages, with an empty line behind each.
pub fn render_all(messages: &[Diagnostic], sources: &SourceMap, look: Look) -> String {
    messages.iter().map(|message| render(message, sources, look) + "\n").collect()
}

/// Some lines of a file and the labels in them.
#[derive(Debug)]
struct Excerpt {
    name: String,
    /// The number of the first line, from 0.
    first: u32,
    /// Characters that are left out at the beginning of the first line.
    cut: usize,
    text: String,
    labels: Vec<LabeledSpan>,
}

/// A label's place, cut down to its first line.
struct Spot<'m> {
    label: &'m Label,
    line: u32,
    start: u32,
    end: u32,
}

fn excerpts(message: &Diagnostic, sources: &SourceMap) -> Vec<Excerpt> {
    let mut groups: Vec<(&SourceFile, Vec<Spot>)> = Vec::new();
    let mut labels: Vec<&Label> = message.labels.iter().collect();
    labels.sort_by_key(|label| !label.primary);
    for label in labels {
        let Some(file) = sources.get(label.span.file) else { continue };
        let spot = Spot::new(label, file);
        let near = |other: &Spot| other.line.abs_diff(spot.line) <= GAP;
        match groups.iter_mut().find(|(other, spots)| std::ptr::eq(*other, file) && spots.iter().any(near)) {
            Some((_, spots)) => spots.push(spot),
            None => groups.push((file, vec![spot])),
        }
    }
    groups.into_iter().map(|(file, spots)| Excerpt::new(file, spots)).collect()
}

impl<'m> Spot<'m> {
    fn new(label: &'m Label, file: &SourceFile) -> Spot<'m> {
        let start = file.boundary(label.span.start);
        let line = file.line_column(start).0 - 1;
        let end = file.boundary(label.span.end).clamp(start, file.line_range(line).end);
        Spot { label, line, start, end }
    }
}

impl Excerpt {
    fn new(file: &SourceFile, mut spots: Vec<Spot>) -> Excerpt {
        spots.sort_by_key(|spot| spot.start);
        let (first, last) = (spots[0].line, spots[spots.len() - 1].line); // a group has a spot
        let lines = file.line_range(first).start..file.line_range(last).end;
        let range = match (first..=last).any(|line| file.line_range(line).len() > 2 * REACH as usize) {
            true => part_of_line(file, &mut spots),
            false => lines.clone(),
        };
        // Every line with its end, because miette draws an empty label only where there is a character.
        let text = printable(&file.text[range.start as usize..range.end as usize]) + "\n";
        let labels = spots.iter().map(|spot| {
            let start = spot.start.clamp(range.start, range.end);
            let length = spot.end.clamp(start, range.end) - start;
            let span = SourceSpan::new(((start - range.start) as usize).into(), length as usize);
            let text = Some(printable(&spot.label.text)).filter(|text| !text.is_empty());
            if spot.label.primary {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        let labels = labels.collect();
        let cut =
            file.text[file.line_range(spots[0].line).start as usize..range.start as usize].chars().count();
        Excerpt { name: file.name.to_string(), first: spots[0].line, cut, text, labels }
    }

    /// The column of the bar beside the lines.
    fn margin(&self) -> usize {
        (self.first as usize + self.text.lines().count()).to_string().len() + 2
    }
}

/// Of lines too long to be shown: the surroundings of the first primary label, or else of the first one. Labels on other
/// lines are dropped.
fn part_of_line(file: &SourceFile, spots: &mut Vec<Spot>) -> Range<u32> {
    let at = spots.iter().position(|spot| spot.label.primary).unwrap_or(0);
    let (line, start) = (spots[at].line, spots[at].start);
    spots.retain(|spot| spot.line == line);
    let range = file.line_range(line);
    let from = file.boundary(start.saturating_sub(REACH)).max(range.start);
    from..file.boundary(start.saturating_add(REACH)).clamp(from, range.end)
}

/// miette asks in two ways: for the place of a label without context, and for the lines around it. The latter are
/// always the whole excerpt.
impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        _lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let before = self.text.get(..span.offset()).ok_or(MietteError::OutOfBounds)?;
        let (line, column) = match (lines_before, before.rsplit_once('\n')) {
            (0, Some((lines, rest))) => (lines.matches('\n').count() + 1, rest.chars().count()),
            (0, None) => (0, self.cut + before.chars().count()),
            _ => (0, 0),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            self.text.as_bytes(),
            (0, self.text.len()).into(),
            self.first as usize + line,
            column,
            self.text.lines().count(),
        )))
    }
}

/// What miette gets to see of a message: the sentence, and one of its excerpts.
#[derive(Debug)]
struct Report<'m> {
    severity: Severity,
    sentence: &'m str,
    excerpt: Option<&'m Excerpt>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&printable(self.sentence))
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.excerpt
            .map(|excerpt| Box::new(excerpt.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

fn draw(message: &Diagnostic, sentence: &str, excerpt: Option<&Excerpt>, look: Look) -> String {
    let report = Report { severity: message.severity, sentence, excerpt };
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(theme(message, excerpt, look))
        .with_links(false)
        .without_cause_chain()
        .without_syntax_highlighting()
        .with_break_words(false)
        .with_width(look.width);
    match handler.render_report(&mut out, &report) {
        Ok(()) => out,
        Err(fmt::Error) => format!("{}: {sentence}\n", header(message)),
    }
}

fn header(message: &Diagnostic) -> String {
    match message.severity {
        Severity::Error => format!("error[{}]", message.code),
        Severity::Warning => format!("warning[{}]", message.code),
    }
}

fn theme(message: &Diagnostic, excerpt: Option<&Excerpt>, look: Look) -> GraphicalTheme {
    let mut styles = if look.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let happened = match message.severity {
        Severity::Error => styles.error,
        Severity::Warning => styles.warning,
    };
    let labels = excerpt.map_or(&[][..], |excerpt| &excerpt.labels);
    let colors = labels.iter().map(|label| if label.primary() { happened } else { styles.advice });
    styles.highlights = colors.chain([happened]).collect();
    let header = header(message) + ":";
    let characters = ThemeCharacters {
        error: header.clone(),
        warning: header,
        ..if look.unicode {
            ThemeCharacters::unicode()
        } else {
            ThemeCharacters { vbar_break: '|', underbar: '^', ..ThemeCharacters::ascii() }
        }
    };
    GraphicalTheme { characters, styles }
}

/// The text without what a terminal would obey: control characters but tabs and newlines, and changes of direction.
/// Every offset keeps its place.
fn printable(text: &str) -> String {
    let obeyed = |c: char| match c {
        '\t' | '\n' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    text.chars()
        .map(|c| match c.len_utf8() {
            1 if obeyed(c) => '?',
            2 if obeyed(c) => '\u{bf}',
            3 if obeyed(c) => '\u{fffd}',
            _ => c,
        })
        .collect()
}
