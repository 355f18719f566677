//! `tern doc`: the reference of a module, from its comments.
//!
//! A comment is prose; two kinds of lines in it are figures and are shown as such: `Error: …` and
//! `Cost of `CALL` per UNIT at f = 16 and 32: R and R rounds, B and B bits.` A test holds the latter to the cost model.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use tern_compiler::diagnostics::{Origin, SourceMap, Span};
use tern_compiler::lower::SUBJECTS;
use tern_compiler::lower::modules::LIBRARY;
use tern_compiler::syntax::{ast, parse};
use tern_host::source::read_source;
use tern_tools::say;

use crate::compile::show;

/// `tern doc`: of the library, if no files are given.
pub(crate) fn doc(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let library = files.is_empty();
    let mut text = String::new();
    if library {
        text.push_str(PREFACE);
        text.push_str(&language());
        for (name, source) in LIBRARY {
            text.push_str(&module(name, source)?);
        }
    }
    for path in files {
        let source = read_source(path)
            .map_err(|reason| anyhow::anyhow!("cannot read {}: {reason}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        text.push_str(&module(&name, &source)?);
    }
    say::out(format_args!("{text}"));
    Ok(ExitCode::SUCCESS)
}

const PREFACE: &str = "# Functions

First those of the language itself, then the library: what the language has no operation for is written in it, in `stdlib/`. This page
is made by `tern doc`, from the compiler's table and from the comments in the library.

Costs are those of all three parties together, per element unless a row is named, with f fraction bits modulo 2^(4f) and probabilistic
truncation: rounds and bits at f = 16 and at f = 32. Errors are against exact values, beyond the rounding of the arguments. `..s` stands for any number of axes.
";

/// The reference of the functions of the language itself, as Markdown.
fn language() -> String {
    let mut out = String::from("\n## The language\n\n");
    out.push_str(
        "`tensor` is num or bool, `any` also a model or a tuple. Where num stands for the first parameter of a function of single elements, a \
         model goes field by field.\n\n",
    );
    for (subject, functions) in SUBJECTS {
        write_to(&mut out, format_args!("### {subject}\n\n"));
        for function in *functions {
            let prose = on_one_line(function.doc);
            let signature = function.signature();
            write_to(
                &mut out,
                format_args!("#### {}\n\n```\n{signature}\n```\n\n{prose}\n\n", function.name),
            );
        }
    }
    out
}

/// The reference of one module, as Markdown.
fn module(name: &str, source: &str) -> anyhow::Result<String> {
    let mut sources = SourceMap::new();
    let file = sources.add(format!("{name}.mpc"), source.to_string(), Origin::User);
    let (tree, diagnostics) = parse(source, file);
    if !diagnostics.is_empty() {
        show(&diagnostics, &sources);
        bail!("{name}.mpc does not parse");
    }
    let entries: Vec<Entry<'_>> = tree.items.iter().filter_map(|item| Entry::of(item, source)).collect();
    let mut out = format!("\n## {name}\n\n");
    let about = about(source);
    if !about.is_empty() {
        write_to(&mut out, format_args!("{about}\n\n"));
    }
    out.push_str(&costs(&entries));
    let mut sections = sections(source).into_iter().peekable();
    for entry in &entries {
        while let Some((_, title)) = sections.next_if(|(at, _)| *at < entry.at) {
            // Of several headings without entries between them, the last one counts.
            if sections.peek().is_none_or(|(next, _)| *next > entry.at) {
                write_to(&mut out, format_args!("### {title}\n\n"));
            }
        }
        write_to(&mut out, format_args!("{entry}"));
    }
    Ok(out)
}

/// What a module says of one of its items.
struct Entry<'a> {
    /// The offset of the item.
    at: usize,
    name: &'a str,
    /// As it is declared.
    declaration: String,
    prose: String,
    error: Option<&'a str>,
    cost: Option<Cost<'a>>,
}

impl<'a> Entry<'a> {
    /// Of a function with a comment, or a model.
    fn of(item: &'a ast::Item, source: &str) -> Option<Entry<'a>> {
        let (name, declaration, doc) = match item {
            ast::Item::Fn(function) => {
                let declaration = on_one_line(slice(source, function.header));
                (&function.name.name, declaration, Some(function.doc.as_ref()?))
            }
            ast::Item::Model(model) => {
                (&model.name.name, slice(source, model.span).to_string(), model.doc.as_ref())
            }
            ast::Item::Use(_) | ast::Item::Const(_) | ast::Item::Input(_) => return None,
            ast::Item::Test(_) | ast::Item::Error(_) => return None,
        };
        let at = item.span().start as usize;
        let mut entry = Entry { at, name, declaration, prose: String::new(), error: None, cost: None };
        for line in doc.map_or("", |doc| &doc.text).lines() {
            if let Some(error) = line.strip_prefix("Error: ") {
                entry.error = Some(error);
            } else if let Some(cost) = Cost::of(line) {
                entry.cost = Some(cost);
            } else {
                let space = if entry.prose.is_empty() { "" } else { " " };
                write_to(&mut entry.prose, format_args!("{space}{}", line.trim()));
            }
        }
        Some(entry)
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#### {}\n", self.name)?;
        writeln!(f, "```\n{}\n```\n", self.declaration)?;
        if !self.prose.is_empty() {
            writeln!(f, "{}\n", self.prose)?;
        }
        if let Some(error) = self.error {
            writeln!(f, "Error: {error}\n")?;
        }
        Ok(())
    }
}

/// The figures of a comment.
struct Cost<'a> {
    call: &'a str,
    unit: &'a str,
    /// At f = 16 and at f = 32.
    rounds: (&'a str, &'a str),
    bits: (&'a str, &'a str),
}

impl<'a> Cost<'a> {
    fn of(line: &'a str) -> Option<Cost<'a>> {
        let (call, rest) = line.strip_prefix("Cost of `")?.split_once("` per ")?;
        let (unit, rest) = rest.split_once(" at f = 16 and 32: ")?;
        let (rounds, bits) = rest.strip_suffix(" bits.")?.split_once(" rounds, ")?;
        Some(Cost { call, unit, rounds: rounds.split_once(" and ")?, bits: bits.split_once(" and ")? })
    }
}

/// The table of a module's costs; nothing if no comment has any.
fn costs(entries: &[Entry<'_>]) -> String {
    let mut table = String::new();
    for entry in entries {
        let Some(Cost { call, unit, rounds, bits }) = &entry.cost else { continue };
        if table.is_empty() {
            table
                .push_str("| call | per | rounds, f = 16 | bits, f = 16 | rounds, f = 32 | bits, f = 32 |\n");
            table.push_str("|---|---|--:|--:|--:|--:|\n");
        }
        let row =
            format_args!("| `{call}` | {unit} | {} | {} | {} | {} |\n", rounds.0, bits.0, rounds.1, bits.1);
        write_to(&mut table, row);
    }
    if table.is_empty() { table } else { table + "\n" }
}

/// The comment at the top of a file, without the module's name before it. One of three strokes is of what stands below it.
fn about(source: &str) -> String {
    let comment = |line| str::strip_prefix(line, "//").filter(|text| !text.starts_with('/'));
    let lines = source.lines().map_while(comment).map(str::trim);
    let text = lines.take_while(|line| !line.starts_with("--")).collect::<Vec<_>>().join(" ");
    let named = text.split_once(": ").filter(|(name, _)| !name.contains(' '));
    let mut sentence = named.map_or(text.as_str(), |(_, rest)| rest).chars();
    sentence.next().map_or(String::new(), |first| first.to_uppercase().chain(sentence).collect())
}

/// The headings in a file, `// ---- title`, with their offsets.
fn sections(source: &str) -> Vec<(usize, &str)> {
    let offset = |line: &str| line.as_ptr() as usize - source.as_ptr() as usize;
    source.lines().filter_map(|line| Some((offset(line), line.strip_prefix("// ---- ")?))).collect()
}

fn slice(source: &str, span: Span) -> &str {
    source.get(span.start as usize..span.end as usize).unwrap_or_default()
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A string takes everything.
fn write_to(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_with_everything() {
        let source = "// odd: an example. It\n// has two lines.\n\n// ---- nothing\n// ---- something\n
/// Twice x,
/// no more.
/// Error: none.
/// Cost of `twice(x)` per element at f = 16 and 32: 1 and 2 rounds, 1,000 and 3,000 bits.
fn twice(x: fix[..s],
         const k: int = 2) -> fix[..s] {
    k * x
}

fn without_comment(x: fix) -> fix {
    x
}

model Point {
    at: fix[2]
}
";
        let expected = "
## odd

An example. It has two lines.

| call | per | rounds, f = 16 | bits, f = 16 | rounds, f = 32 | bits, f = 32 |
|---|---|--:|--:|--:|--:|
| `twice(x)` | element | 1 | 1,000 | 2 | 3,000 |

### something

#### twice

```
fn twice(x: fix[..s], const k: int = 2) -> fix[..s]
```

Twice x, no more.

Error: none.

#### Point

```
model Point {
    at: fix[2]
}
```

";
        assert_eq!(module("odd", source).unwrap(), expected);
        assert!(module("bad", "fn (").is_err());
    }
}
