//! Errors as the exceptions of `tern.errors`, which have as fields what the messages have as parts. The package puts them into Python's words.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use serde_json::{Value, json};
use tern_compiler::diagnostics::{Diagnostic, Label, Severity, SourceMap};
use tern_host::{InputError, Messages};
use tern_vm::RunError;
use tern_vm::data::Message;

/// The exception for an error of the library.
pub(crate) fn exception(py: Python<'_>, error: anyhow::Error) -> PyErr {
    if let Some(messages) = error.downcast_ref::<Messages>() {
        let parts: Vec<Value> =
            messages.diagnostics.iter().map(|d| diagnostic(d, &messages.sources)).collect();
        return made(py, "CompileError", &messages.to_string(), &json!({ "diagnostics": parts }));
    }
    if let Some(inputs) = error.downcast_ref::<InputError>() {
        let problems: Vec<Value> =
            inputs.problems().map(|(name, text, message)| problem(Some(name), text, message)).collect();
        return made(py, "DataError", &inputs.to_string(), &json!({ "problems": problems }));
    }
    if let Some(message) = error.downcast_ref::<Message>() {
        let text = message.to_string();
        let problems = [problem(None, &text, Some(message))];
        return made(py, "DataError", &text, &json!({ "problems": problems }));
    }
    if let Some(run) = error.downcast_ref::<RunError>() {
        let (file, line) = run.place.clone().map_or((None, None), |(file, line)| (Some(file), Some(line)));
        return made(py, "RunError", &run.to_string(), &json!({ "file": file, "line": line }));
    }
    made(py, "Error", &format!("{error:#}"), &json!({}))
}

/// Data that cannot be used, where they are taken from Python.
pub(crate) fn data(py: Python<'_>, text: &str) -> PyErr {
    made(py, "DataError", text, &json!({ "problems": [] }))
}

fn made(py: Python<'_>, class: &str, text: &str, fields: &Value) -> PyErr {
    let make = || {
        let class = py.import("tern.errors")?.getattr(class)?;
        class.call_method1("_of", (text, fields.to_string()))
    };
    match make() {
        Ok(exception) => PyErr::from_value(exception),
        Err(_) => PyRuntimeError::new_err(text.to_string()),
    }
}

/// What is wrong with an input, part by part.
fn problem(input: Option<&str>, text: &str, message: Option<&Message>) -> Value {
    let code = text.strip_prefix("error[").and_then(|rest| rest.split(']').next());
    json!({
        "input": input, "text": text, "code": code, "title": message.map(|m| &m.title),
        "notes": message.map(|m| &m.notes),
        "help": message.map(|m| &m.helps),
    })
}

/// A message of the compiler, part by part.
pub(crate) fn diagnostic(message: &Diagnostic, sources: &SourceMap) -> Value {
    let place = |label: &Label| {
        let file = sources.get(label.span.file);
        let (line, column) = file.map(|file| file.line_column(label.span.start)).unzip();
        let (end_line, end_column) = file.map(|file| file.line_column(label.span.end)).unzip();
        json!({
            "file": file.map(|file| &*file.name), "line": line, "column": column, "end_line": end_line,
            "end_column": end_column, "text": label.text, "primary": label.primary,
        })
    };
    let labels: Vec<Value> = message.labels.iter().map(place).collect();
    json!({
        "code": message.code.name(), "severity": if message.severity == Severity::Error { "error" } else { "warning" },
        "message": message.message, "labels": labels, "why": message.why, "notes": message.notes, "help": message.helps,
    })
}
