//! One file, compiled.

use std::collections::BTreeMap;
use std::path::Path;

use tern_bytecode::report::{LineCost, report};
use tern_compiler::diagnostics::{Code, Diagnostic, FileId, Origin, SourceFile, SourceMap};
use tern_compiler::lower::modules::Resolver;
use tern_compiler::lower::seen::Seen;
use tern_compiler::syntax::{ast, parse};
use tern_compiler::{Compilation, Entry, rows_wanted};

use crate::Compile;
use crate::names::Names;

/// What is known of a file.
pub struct Analysis {
    /// The file, and all others that it uses.
    pub sources: SourceMap,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// The tree; it holds what could be parsed.
    pub tree: ast::File,
    /// What its names stand for.
    pub names: Names,
    /// What its expressions are.
    pub seen: Seen,
    /// What it costs, if it compiles.
    pub cost: Option<Cost>,
}

/// What a program costs.
pub struct Cost {
    /// By line, from 1.
    pub lines: BTreeMap<u32, LineCost>,
    /// For which settings: `rep3, f = 16`; and for how many rows, where that is asked of the data.
    pub settings: String,
    /// Whether the figures are upper bounds.
    pub at_most: bool,
}

/// The file is the first of its source map.
pub const FILE: FileId = FileId(0);

impl Analysis {
    /// Compiles a text: `main` if there is one, or all tests.
    pub fn new(path: &Path, text: &str, resolve: &Resolver<'_>, compile: &Compile<'_>) -> Analysis {
        let (tree, _) = parse(text, FILE);
        let names = Names::of(&tree);
        let mut analysis = Analysis {
            sources: SourceMap::new(),
            diagnostics: Vec::new(),
            names,
            seen: Seen::new(),
            cost: None,
            tree,
        };
        for entry in analysis.entries() {
            match compile(path, text.to_string(), resolve, entry) {
                Ok(compilation) => analysis.add(compilation, entry),
                Err(reason) => analysis.diagnostics.push(Diagnostic::error(Code::A001, reason)),
            }
        }
        if analysis.sources.get(FILE).is_none() {
            analysis.sources.add(path.display().to_string(), text, Origin::User);
        }
        analysis
    }

    /// What is compiled of the file. A file of neither kind is a module: it is parsed, and its constants are evaluated.
    fn entries(&self) -> Vec<Entry> {
        let main =
            self.tree.items.iter().any(|item| matches!(item, ast::Item::Fn(f) if f.name.name == "main"));
        let tests = self.tree.items.iter().filter(|item| matches!(item, ast::Item::Test(_))).count();
        let main = main.then_some(Entry::Main);
        let entries: Vec<Entry> = main.into_iter().chain((0..tests).map(Entry::Test)).collect();
        if entries.is_empty() { vec![Entry::Test(0)] } else { entries }
    }

    fn add(&mut self, compilation: Compilation, entry: Entry) {
        for message in compilation.diagnostics {
            if !self.diagnostics.contains(&message) {
                self.diagnostics.push(message);
            }
        }
        if self.sources.get(FILE).is_none() {
            // Other entries may bring further files of the library, in which nobody looks anything up.
            self.sources = compilation.sources;
        }
        self.seen.extend(compilation.seen.into_iter().filter(|(span, _)| span.file == FILE));
        if let Some(program) = compilation.program.filter(|_| entry == Entry::Main) {
            let report = report(&program);
            let name = self.sources.get(FILE).map(|file| file.name.to_string()).unwrap_or_default();
            let lines = report.by_line.into_iter().filter(|line| line.file == name);
            let header = &program.header;
            let counted = rows_wanted(&self.file().text);
            let rows = header.args.iter().filter(|(name, _)| counted.iter().any(|(other, _)| other == name));
            let rows: String = rows.map(|(name, value)| format!(", {name} = {value}")).collect();
            self.cost = Some(Cost {
                lines: lines.map(|line| (line.line, line)).collect(),
                settings: format!("{}, f = {}{rows}", header.protocol.name(), header.frac),
                at_most: report.at_most,
            });
        }
    }

    /// The file itself.
    pub fn file(&self) -> &SourceFile {
        self.sources.get(FILE).expect("the file is in the map from the start")
    }
}
