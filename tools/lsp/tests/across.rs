//! Names that several files have: what a client is told about a directory of programs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tern_bytecode::program::{Protocol, Rounding};
use tern_compiler::diagnostics::{Origin, SourceMap};
use tern_compiler::lower::modules::Resolver;
use tern_compiler::{Compilation, Entry, Request, Settings, compile};
use tern_lsp::serve;

const SCALES: &str = r#"/// Times k.
fn scaled(x: fix[n], const k: int = 2) -> fix[n] {
    x * k
}

const FACTOR = 3
"#;

const USES: &str = r#"use scales::{scaled, FACTOR}
use scales

input x: fix[3] from party 0

fn main() {
    let scale = 1
    output y = scaled(x, k=FACTOR) + scales::scaled(x, k=4) * scale to party 0
    output FACTOR to party 0
}
"#;

/// A function of the same name that has nothing to do with the others.
const OTHER: &str = r#"fn scaled(x: fix[n]) -> fix[n] {
    x
}

input x: fix[3] from party 0

fn main() {
    output y = scaled(x) to party 0
}
"#;

fn compiled(path: &Path, text: String, resolve: &Resolver<'_>, entry: Entry) -> Result<Compilation, String> {
    let settings = Settings {
        protocol: Protocol::Rep3,
        ring: 64,
        frac: 16,
        total: 32,
        rounding: Rounding::Probabilistic,
        optimise: tern_compiler::ir::Optimise::Balanced,
    };
    let mut sources = SourceMap::new();
    let file = sources.add(path.display().to_string(), text, Origin::User);
    let (name, args) = ("program", BTreeMap::new());
    Ok(compile(Request { name, file, entry, settings, args, resolve, print_after: None }, sources))
}

/// A directory with the three files; what is in an editor counts, not what is on the disk.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in [("scales", SCALES), ("uses", "fn main() {\n}\n"), ("other", OTHER)] {
            std::fs::write(folder.path().join(format!("{name}.mpc")), text).expect("a file");
        }
        World { folder }
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.folder.path().join(format!("{name}.mpc")).display())
    }

    /// The answer to a question about the first place in an open file where a mark stands; `uses` is open always.
    fn ask(&self, method: &str, (name, text): (&str, &str), mark: &str, more: &Value) -> Value {
        let at = text.find(mark).unwrap_or_else(|| panic!("{mark:?} is not in the text"));
        let line = text[..at].matches('\n').count();
        let character = at - text[..at].rfind('\n').map_or(0, |end| end + 1);
        let mut params = json!({ "textDocument": { "uri": self.uri(name) }, "position": { "line": line, "character": character } });
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        let open = |name: &str, text: &str| {
            let document = json!({ "uri": self.uri(name), "languageId": "tern", "version": 1, "text": text });
            json!({ "method": "textDocument/didOpen", "params": { "textDocument": document } })
        };
        let messages = [
            json!({ "id": 1, "method": "initialize", "params": { "capabilities": {} } }),
            json!({ "method": "initialized", "params": {} }),
            open("uses", USES),
            open(name, text),
            json!({ "id": 2, "method": format!("textDocument/{method}"), "params": params }),
            json!({ "id": 3, "method": "shutdown" }),
            json!({ "method": "exit" }),
        ];
        let mut output = Vec::new();
        let orderly = serve(Cursor::new(framed(&messages)), &mut output, &compiled);
        assert!(orderly.expect("messages"));
        let said = String::from_utf8(output).expect("a text");
        let answers = said.split("Content-Length: ").filter_map(|part| part.split_once("\r\n\r\n"));
        let mut answers = answers.map(|(_, text)| serde_json::from_str::<Value>(text).expect("a message"));
        answers.find(|message| message["id"] == 2).expect("an answer")
    }

    /// The files after a rename, each with its edits; or why it is refused.
    fn renamed(&self, file: (&str, &str), mark: &str, new: &str) -> Result<[String; 2], String> {
        let answer = self.ask("rename", file, mark, &json!({ "newName": new }));
        if let Some(error) = answer["error"]["message"].as_str() {
            return Err(error.to_string());
        }
        let changes = &answer["result"]["changes"];
        assert!(changes[self.uri("other")].is_null(), "{answer}");
        Ok([("scales", SCALES), ("uses", USES)].map(|(name, text)| edited(text, &changes[self.uri(name)])))
    }
}

/// Messages as they stand on a stream.
fn framed(messages: &[Value]) -> String {
    let frame = |message: &Value| {
        let mut message = message.clone();
        message["jsonrpc"] = json!("2.0");
        let text = message.to_string();
        format!("Content-Length: {}\r\n\r\n{text}", text.len())
    };
    messages.iter().map(frame).collect()
}

/// A text after edits; all of them are in one line each.
fn edited(text: &str, edits: &Value) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_string).collect();
    let place = |place: &Value| {
        (place["line"].as_u64().unwrap() as usize, place["character"].as_u64().unwrap() as usize)
    };
    let mut edits: Vec<_> = edits.as_array().into_iter().flatten().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(place(&edit["range"]["start"])));
    for edit in edits {
        let ((line, start), (_, end)) = (place(&edit["range"]["start"]), place(&edit["range"]["end"]));
        lines[line].replace_range(start..end, edit["newText"].as_str().expect("a text"));
    }
    lines.join("\n")
}

#[test]
fn a_function_changes_in_every_file_that_has_it() {
    let world = World::new();
    let expected = [SCALES.replace("scaled", "times"), USES.replace("scaled", "times")];
    assert_eq!(world.renamed(("uses", USES), "scaled(x, k=F", "times").unwrap(), expected);
    assert_eq!(world.renamed(("uses", USES), "scaled, FACTOR}", "times").unwrap(), expected);
    assert_eq!(world.renamed(("scales", SCALES), "scaled", "times").unwrap(), expected);
}

#[test]
fn arguments_that_are_named_go_with_their_parameter() {
    let world = World::new();
    let function = SCALES.replace("const k:", "const factor:").replace("x * k", "x * factor");
    let expected = [function, USES.replace("k=", "factor=")];
    assert_eq!(world.renamed(("uses", USES), "k=4", "factor").unwrap(), expected);
    assert_eq!(world.renamed(("scales", SCALES), "k: int", "factor").unwrap(), expected);
}

/// The receiver keeps the name.
#[test]
fn results_keep_their_names() {
    let world = World::new();
    let uses = USES.replace("FACTOR", "THREE").replace("output THREE to", "output FACTOR = THREE to");
    let expected = [SCALES.replace("FACTOR", "THREE"), uses];
    assert_eq!(world.renamed(("scales", SCALES), "FACTOR", "THREE").unwrap(), expected);
}

/// What only one file knows changes nowhere else, wherever it stands in the others.
#[test]
fn local_names_stay_in_their_file() {
    let world = World::new();
    let expected = [
        SCALES.to_string(),
        USES.replace("let scale =", "let by_one =").replace("* scale to", "* by_one to"),
    ];
    assert_eq!(world.renamed(("uses", USES), "scale = 1", "by_one").unwrap(), expected);
    // the size in the function's head
    let expected = [SCALES.replace("fix[n]", "fix[m]"), USES.to_string()];
    assert_eq!(world.renamed(("scales", SCALES), "n]", "m").unwrap(), expected);
}

#[test]
fn nothing_comes_to_mean_something_else() {
    let world = World::new();
    for (file, mark, new, why) in [
        // the program has a variable of this name where it would be called
        (("uses", USES), "scaled(x, k=F", "scale", "scale would mean something else in"),
        (("scales", SCALES), "scaled", "scale", "scale would mean something else in"),
        (("uses", USES), "scaled(x, k=F", "x", "x is in use in"),
        (("uses", USES), "scales::{", "sizes", "scales is a file"),
        (("uses", USES), "scaled(x, k=F", "two words", "is no name"),
    ] {
        let said = world.renamed(file, mark, new).unwrap_err();
        assert!(said.contains(why), "{mark} as {new}: {said}");
    }
}

#[test]
fn places_and_declarations_are_found_across_files() {
    let world = World::new();
    let places = world.ask(
        "references",
        ("scales", SCALES),
        "scaled",
        &json!({ "context": { "includeDeclaration": true } }),
    );
    let found: Vec<&Value> = places["result"].as_array().unwrap().iter().map(|place| &place["uri"]).collect();
    assert_eq!(
        found,
        [
            &json!(world.uri("scales")),
            &json!(world.uri("uses")),
            &json!(world.uri("uses")),
            &json!(world.uri("uses"))
        ]
    );
    let at = world.ask("definition", ("uses", USES), "k=4", &json!({}));
    let (uri, start) = (&at["result"]["uri"], &at["result"]["range"]["start"]);
    assert_eq!((uri, start), (&json!(world.uri("scales")), &json!({ "line": 1, "character": 27 })));
}

/// What was wrong with a file is no longer shown when it is closed.
#[test]
fn messages_go_with_their_file() {
    let (from_editor, mut editor) = std::io::pipe().expect("a pipe");
    let (answers, to_editor) = std::io::pipe().expect("a pipe");
    let server = std::thread::spawn(move || serve(BufReader::new(from_editor), to_editor, &compiled));
    let mut answers = BufReader::new(answers);
    let mut tell = |messages: &[Value]| editor.write_all(framed(messages).as_bytes()).expect("it reads");
    let mut published = || loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(answers.read_line(&mut head).expect("a stream") > 0, "it has ended");
        }
        let mut text = vec![0; head.trim().split_once(": ").expect("a length").1.parse().expect("a number")];
        answers.read_exact(&mut text).expect("a stream");
        let message: Value = serde_json::from_slice(&text).expect("a message");
        if message["method"] == "textDocument/publishDiagnostics" {
            break message["params"]["diagnostics"].as_array().expect("a list").len();
        }
    };
    let file = json!({ "uri": "file:///nowhere/faulty.mpc", "languageId": "tern", "version": 1, "text": "fn main() { x }" });
    tell(&[
        json!({ "id": 1, "method": "initialize", "params": { "capabilities": {} } }),
        json!({ "method": "textDocument/didOpen", "params": { "textDocument": file } }),
    ]);
    assert_eq!(published(), 1);
    tell(&[
        json!({ "method": "textDocument/didClose", "params": { "textDocument": { "uri": file["uri"] } } }),
    ]);
    assert_eq!(published(), 0);
    tell(&[json!({ "id": 2, "method": "shutdown" }), json!({ "method": "exit" })]);
    assert!(server.join().expect("no panic").expect("messages"));
}
