//! `tern lsp` as an editor meets it: a process, and messages on its standard input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::shell::repository;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const FILE: &str = "file:///nowhere/program.mpc";

/// The other end of the server's streams.
struct Editor {
    server: Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
    last: i32,
}

impl Editor {
    /// A server that has not been greeted.
    fn start(args: &[&str]) -> Editor {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tern"));
        command.arg("lsp").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = command.spawn().expect("the command was built with its tests");
        let mut stream = BufReader::new(server.stdout.take().expect("a pipe"));
        let (sender, output) = channel();
        std::thread::spawn(move || {
            while let Some(message) = message(&mut stream) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Editor { input: server.stdin.take(), server, output, last: 0 }
    }

    fn open(args: &[&str]) -> Editor {
        let mut editor = Editor::start(args);
        let answer = editor.ask("initialize", json!({ "capabilities": {} }));
        assert_eq!(answer["result"]["capabilities"]["hoverProvider"], true, "{answer}");
        editor.tell("initialized", json!({}));
        editor
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the stream is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The answer to a question; what else arrives in between is dropped.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.next();
            if message["id"] == id {
                return message;
            }
        }
    }

    fn next(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("the server answers")
    }

    /// The messages that the server finds in a text.
    fn write(&mut self, version: i32, text: &str) -> Vec<Value> {
        if version == 1 {
            let document = json!({ "uri": FILE, "languageId": "tern", "version": version, "text": text });
            self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        } else {
            let document = json!({ "uri": FILE, "version": version });
            let changes = json!([{ "text": text }]);
            self.tell(
                "textDocument/didChange",
                json!({ "textDocument": document, "contentChanges": changes }),
            );
        }
        loop {
            let message = self.next();
            if message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["version"] == version
            {
                return message["params"]["diagnostics"].as_array().expect("a list").clone();
            }
        }
    }

    /// A question about the first place in `text` where `mark` stands, plus so many characters.
    fn about(&mut self, method: &str, text: &str, mark: &str, plus: usize, more: &Value) -> Value {
        let at = text.find(mark).unwrap_or_else(|| panic!("{mark:?} is not in the text")) + plus;
        let line = text[..at].matches('\n').count();
        let character = at - text[..at].rfind('\n').map_or(0, |end| end + 1);
        let mut params =
            json!({ "textDocument": { "uri": FILE }, "position": { "line": line, "character": character } });
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        self.ask(&format!("textDocument/{method}"), params)
    }

    /// Says goodbye; the server's exit code and what it said on standard error.
    fn close(mut self) -> (Option<i32>, String) {
        let answer = self.ask("shutdown", Value::Null);
        assert!(answer["error"].is_null(), "{answer}");
        self.tell("exit", Value::Null);
        self.ends()
    }

    fn ends(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        let begun = Instant::now();
        let status = loop {
            match self.server.try_wait().expect("a process of ours") {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    self.server.kill().expect("a process of ours");
                    panic!("the server does not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut said = String::new();
        self.server.stderr.take().expect("a pipe").read_to_string(&mut said).expect("a text");
        (status.code(), said)
    }
}

fn message(stream: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
        match line.trim_end().split_once(": ") {
            Some((_, value)) => length = value.parse().ok()?,
            None => break,
        }
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn digits() -> String {
    std::fs::read_to_string(repository("programs/mnist_c.mpc")).expect("a program")
}

/// The text after edits of the form that servers send.
fn edited(text: &str, edits: &Value) -> String {
    let offset = |place: &Value| {
        let (line, character) = (place["line"].as_u64().unwrap(), place["character"].as_u64().unwrap());
        let start: usize = text.split_inclusive('\n').take(line as usize).map(str::len).sum();
        (start + character as usize).min(text.len())
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .expect("edits")
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            (offset(&range["start"]), offset(&range["end"]), edit["newText"].as_str().expect("a text"))
        })
        .collect();
    edits.sort_unstable();
    let mut out = text.to_string();
    for (start, end, with) in edits.into_iter().rev() {
        out.replace_range(start..end, with);
    }
    out
}

#[test]
fn messages_are_those_of_the_compiler() {
    let text = digits();
    let wrong = text.replace("p.conv1", "p.conv9");
    let mut editor = Editor::open(&[]);
    assert_eq!(editor.write(1, &text), Vec::<Value>::new());
    let found = editor.write(2, &wrong);
    assert_eq!(found.len(), 1, "{found:?}");
    let line = wrong.lines().position(|line| line.contains("p.conv9")).unwrap();
    assert_eq!(found[0]["range"]["start"]["line"], line);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("program.mpc");
    std::fs::write(&path, &wrong).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_tern")).arg("check").arg(&path).output().expect("a run");
    let said = String::from_utf8(output.stderr).expect("a text");
    let shown = found[0]["message"].as_str().expect("a text");
    for part in shown.lines().map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest)) {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(said.contains(found[0]["code"].as_str().expect("a code")), "{said}");
    // what does not parse is said, too, and goes away again
    assert!(!editor.write(3, "fn main( {").is_empty());
    assert_eq!(editor.write(4, &text), Vec::<Value>::new());
    assert_eq!(editor.close(), (Some(0), String::new()));
}

#[test]
fn hover_and_hints_know_types_and_costs() {
    let text = digits();
    let mut editor = Editor::open(&["--fixed", "16", "--protocol", "rep3"]);
    editor.write(1, &text);
    let said = |answer: Value| answer["result"]["contents"]["value"].as_str().unwrap_or_default().to_string();
    let layer = said(editor.about("hover", &text, "relu(dense(flatten", 1, &json!({})));
    assert!(layer.contains("fn relu(x: fix[..s]) -> fix[..s]") && layer.contains("max(x, 0)"), "{layer}");
    let program = text.clone();
    let cost = {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("program.mpc");
        std::fs::write(&path, &program).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_tern")).args(["cost", "--json"]).arg(&path).output();
        serde_json::from_slice::<Value>(&output.expect("a run").stdout).expect("a report")
    };
    let number =
        |line: &Value| text.lines().nth(line["line"].as_u64().unwrap() as usize - 1).unwrap().to_string();
    let lines = cost["by_line"].as_array().expect("lines");
    let line =
        lines.iter().find(|line| number(line).contains("relu(dense(flatten")).expect("a line that costs");
    let bits = tern_bytecode::report::group(line["bits"].as_u64().unwrap());
    assert!(layer.contains(&format!("{bits} bits")) && layer.contains("rep3, f = 16"), "{layer}");
    let value = said(editor.about("hover", &text, "h), p.fc1", 0, &json!({})));
    assert!(value.contains("h: secret fix["), "{value}");
    let builtin = said(editor.about("hover", &text, "reveal(total", 1, &json!({})));
    assert!(builtin.contains("reveal("), "{builtin}");
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 999, "character": 0 } });
    let answer =
        editor.ask("textDocument/inlayHint", json!({ "textDocument": { "uri": FILE }, "range": range }));
    let hints = answer["result"].as_array().expect("hints");
    let costly = lines.iter().filter(|l| l["bits"].as_u64() > Some(0) || l["rounds"].as_u64() > Some(0));
    assert_eq!(hints.len(), costly.count());
    let of_line = hints.iter().find(|hint| hint["position"]["line"] == line["line"].as_u64().unwrap() - 1);
    assert!(of_line.expect("a hint")["tooltip"].as_str().unwrap().contains(&bits));
    editor.close();
}

#[test]
fn completion_knows_what_is_in_scope() {
    let text = digits();
    let mut editor = Editor::open(&[]);
    editor.write(1, &text);
    let labels = |answer: &Value| -> Vec<String> {
        let items = answer["result"].as_array().expect("items");
        items.iter().map(|item| item["label"].as_str().expect("a label").to_string()).collect()
    };
    let has = |labels: &[String], wanted: &[&str]| {
        wanted
            .iter()
            .for_each(|name| assert!(labels.iter().any(|l| l == name), "{name} is not among {labels:?}"));
    };
    let names = labels(&editor.about("completion", &text, "relu(dense(flatten", 1, &json!({})));
    has(&names, &["h", "p", "train", "forward", "Net", "train_x", "dense", "softmax", "sum", "for"]);
    assert!(!names.contains(&"epoch".to_string()), "a name of another function");
    let answer = editor.about("completion", &text, "relu(dense(flatten", 1, &json!({}));
    let softmax =
        answer["result"].as_array().unwrap().iter().find(|item| item["label"] == "softmax").unwrap().clone();
    let with = edited(&text, &softmax["additionalTextEdits"]);
    assert!(with.contains("\nuse nn::softmax\n"), "{with}");
    has(
        &labels(&editor.about("completion", &text, "optim::step", 8, &json!({}))),
        &["adam", "sgd", "step", "State"],
    );
    // while it is written, the text does not parse
    let writing = text.replace("p.fc1)", "p.)");
    editor.write(2, &writing);
    let fields = labels(&editor.about("completion", &writing, "p.)", 2, &json!({})));
    assert_eq!(fields, ["conv1", "conv2", "fc1", "fc2"]);
    let none = editor.about("completion", &writing, "// ", 3, &json!({}));
    assert_eq!(labels(&none), Vec::<String>::new());
    editor.close();
}

const SCOPES: &str = r#"use math::sqrt

/// Twice.
fn twice(x: fix[..s, n], const k: int = 2) -> fix[..s, n] {
    k * x
}

input x: fix[3, 2] from party 0

fn main() {
    let y = twice(x, k=2)
    let y = sqrt(y * y)
    var sum_of = y
    for i in 0..2 {
        sum_of += twice(y)
    }
    output sum_of to party 1
}
"#;

#[test]
fn definition_and_rename_follow_scopes() {
    let mut editor = Editor::open(&[]);
    assert_eq!(editor.write(1, SCOPES), Vec::<Value>::new());
    let line = |answer: &Value| answer["result"]["range"]["start"]["line"].as_u64();
    assert_eq!(line(&editor.about("definition", SCOPES, "twice(y)", 2, &json!({}))), Some(3));
    assert_eq!(line(&editor.about("definition", SCOPES, "(y * y)", 1, &json!({}))), Some(10));
    assert_eq!(line(&editor.about("definition", SCOPES, "k * x", 4, &json!({}))), Some(3));
    let library = editor.about("definition", SCOPES, "sqrt(y", 1, &json!({}));
    assert_eq!(library["result"]["uri"], "tern:/math.mpc");
    let text = editor.ask("tern/library", json!({ "uri": "tern:/math.mpc" }));
    let declared =
        text["result"].as_str().unwrap().lines().nth(line(&library).unwrap() as usize).unwrap().to_string();
    assert!(declared.starts_with("fn sqrt("), "{declared}");

    let mut renamed = |mark: &str, plus: usize, new: &str| -> Result<String, String> {
        let answer = editor.about("rename", SCOPES, mark, plus, &json!({ "newName": new }));
        match answer["error"]["message"].as_str() {
            Some(error) => Err(error.to_string()),
            None => Ok(edited(SCOPES, &answer["result"]["changes"][FILE])),
        }
    };
    let doubled = renamed("twice(y)", 0, "doubled").unwrap();
    assert_eq!(doubled, SCOPES.replace("twice", "doubled"));
    let first = renamed("let y = twice", 4, "z").unwrap();
    assert_eq!(first, SCOPES.replace("let y = twice", "let z = twice").replace("sqrt(y * y)", "sqrt(z * z)"));
    let factor = renamed("k=2", 0, "factor").unwrap();
    assert_eq!(
        factor,
        SCOPES.replace("const k:", "const factor:").replace("k * x", "factor * x").replace("k=2", "factor=2")
    );
    let result = renamed("var sum_of", 4, "total").unwrap();
    assert!(
        result.contains("output sum_of = total to party 1") && result.contains("total += twice(y)"),
        "{result}"
    );
    let size = renamed("n], const", 0, "m").unwrap();
    assert_eq!(size, SCOPES.replace("..s, n]", "..s, m]"));
    for (mark, plus, new) in [
        ("main()", 0, "start"),
        ("sqrt(y", 0, "root"),
        ("twice(y)", 0, "sqrt"),
        ("twice(y)", 0, "x"),
        ("twice(y)", 0, "for"),
        ("twice(y)", 0, "a b"),
        ("twice(y)", 0, ""),
        ("0..2", 0, "a"),
    ] {
        let refused = renamed(mark, plus, new);
        assert!(refused.is_err(), "{mark} as {new:?}: {refused:?}");
    }
    // every new text compiles
    for (version, text) in [(2, doubled), (3, first), (4, factor), (5, result), (6, size)] {
        assert_eq!(editor.write(version, &text), Vec::<Value>::new(), "{text}");
    }
    editor.close();
}

/// How many rows the data has is not known here; the costs say for how many they are.
#[test]
fn sizes_of_data_are_assumed() {
    let text = "const N = arg(rows(x))\ninput x: fix[N] from party 0\nfn main() {\n    output y = x * x to party 0\n}\n";
    for (args, rows) in [(&[][..], 100), (&["--arg", "N=7"], 7)] {
        let mut editor = Editor::open(args);
        assert_eq!(editor.write(1, text), Vec::<Value>::new());
        let answer = editor.about("hover", text, "x * x", 0, &json!({}));
        let said = answer["result"]["contents"]["value"].as_str().unwrap().to_string();
        assert!(
            said.contains(&format!("secret fix[{rows}]")) && said.contains(&format!(", N = {rows})")),
            "{said}"
        );
        editor.close();
    }
}

#[test]
fn formatting() {
    let mut editor = Editor::open(&[]);
    let text = "fn main( ) {\n let x=secret(1)\n  }\n\n\n";
    editor.write(1, text);
    let params =
        json!({ "textDocument": { "uri": FILE }, "options": { "tabSize": 4, "insertSpaces": true } });
    let answer = editor.ask("textDocument/formatting", params.clone());
    assert_eq!(edited(text, &answer["result"]), "fn main() {\n    let x = secret(1)\n}\n");
    editor.write(2, "fn main( {");
    assert_eq!(editor.ask("textDocument/formatting", params)["result"], Value::Null);
    editor.close();
}

#[test]
fn what_is_no_message_is_survived() {
    let mut editor = Editor::start(&[]);
    let early = editor.ask("textDocument/hover", json!({}));
    assert_eq!(early["error"]["code"], -32002, "{early}");
    editor.ask("initialize", json!({ "capabilities": {} }));
    for text in ["{]", "[]", "null", "3", "{}", "{\"id\":7}", "\u{7f}", "{\"jsonrpc\":\"2.0\",\"method\":3}"]
    {
        editor.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
        let answer = editor.next();
        assert_eq!(answer["error"]["code"], -32700, "{text}: {answer}");
    }
    editor.raw(&[&b"Content-Length: 6\r\n\r\n"[..], &[0xff, 0xfe, 0, 1, 2, 3]].concat());
    assert_eq!(editor.next()["error"]["code"], -32700);
    let deep = "[".repeat(100_000);
    editor.raw(format!("Content-Length: {}\r\n\r\n{deep}", deep.len()).as_bytes());
    assert_eq!(editor.next()["error"]["code"], -32700);
    // questions that make no sense, and notifications that do not either
    for method in ["hover", "completion", "rename", "definition", "inlayHint", "formatting", "references"] {
        let params = [json!(null), json!([1]), json!({ "textDocument": { "uri": "::" } })];
        for params in params {
            let answer = editor.ask(&format!("textDocument/{method}"), params);
            assert_eq!(answer["error"]["code"], -32602, "{method}: {answer}");
        }
        editor.tell(&format!("textDocument/{method}"), json!(null));
    }
    for method in [
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
        "$/cancelRequest",
        "no/such",
    ] {
        editor.tell(method, json!({ "textDocument": 3 }));
    }
    assert_eq!(editor.ask("no/such", json!({}))["error"]["code"], -32601);
    // places outside the text, and a text that is none
    editor.write(1, "fn main() {\n    let é = 1\u{0}\n}");
    for (line, character) in [(0u32, u32::MAX), (u32::MAX, 0), (u32::MAX, u32::MAX), (1, 9)] {
        let at =
            json!({ "textDocument": { "uri": FILE }, "position": { "line": line, "character": character } });
        for method in ["hover", "completion", "definition"] {
            let answer = editor.ask(&format!("textDocument/{method}"), at.clone());
            assert!(answer["error"].is_null(), "{method}: {answer}");
        }
        let range = json!({ "start": at["position"], "end": { "line": 0, "character": 0 } });
        let answer =
            editor.ask("textDocument/inlayHint", json!({ "textDocument": { "uri": FILE }, "range": range }));
        assert_eq!(answer["result"], json!([]));
    }
    let (code, said) = editor.close();
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_stream_that_is_none_ends_the_server() {
    let mut editor = Editor::open(&[]);
    editor.raw(b"GET / HTTP/1.1\r\n\r\n");
    let (code, said) = editor.ends();
    assert_eq!(code, Some(1));
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
    // an editor that has gone
    let (code, said) = Editor::open(&[]).ends();
    assert_eq!((code, said.as_str()), (Some(1), ""));
}

/// How long answers take; to be looked at with `--nocapture`, of an optimized build on an idle machine.
#[test]
fn answers_come_while_one_types() {
    let text = digits();
    let mut editor = Editor::open(&[]);
    editor.write(1, &text);
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 999, "character": 0 } });
    let (mut messages, mut costs) = (Vec::new(), Vec::new());
    for key in 2..22 {
        // a keystroke within an expression, and back
        let typed = if key % 2 == 0 { text.replace("loss / BATCH", "loss / BATC") } else { text.clone() };
        let begun = Instant::now();
        let found = editor.write(key, &typed);
        messages.push(begun.elapsed());
        assert_eq!(found.len(), usize::from(key % 2 == 0));
        let params = json!({ "textDocument": { "uri": FILE }, "range": range });
        let hints = editor.ask("textDocument/inlayHint", params);
        if key % 2 == 1 {
            costs.push(begun.elapsed());
            assert!(hints["result"].as_array().is_some_and(|hints| hints.len() > 10));
        }
    }
    messages.sort_unstable();
    costs.sort_unstable();
    let of = |times: &[Duration]| {
        format!("{:?} in the middle, {:?} at most", times[times.len() / 2], times[times.len() - 1])
    };
    println!("messages after {}; costs after {}", of(&messages), of(&costs));
    editor.close();
}
