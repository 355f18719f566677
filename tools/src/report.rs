//! `tern cost`, `tern inspect`, `tern explain`.

use std::process::ExitCode;

use anyhow::bail;
use tern_bytecode::report::{CostReport, group, report};
use tern_compiler::ir::Optimise;
use tern_compiler::schedule::show;
use tern_host::{Loaded, Source};
use tern_tools::say;
use tern_vm::net::NetworkModel;

use crate::compile::load;
use crate::{SourceArgs, View};

/// How a report is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
    Html,
}

/// `tern cost`.
pub(crate) fn cost(source: &SourceArgs, form: Form, network: Option<&str>) -> anyhow::Result<ExitCode> {
    let model = network.map(str::parse::<NetworkModel>).transpose()?;
    let Some(loaded) = load(source)? else { return Ok(ExitCode::FAILURE) };
    let report = report(&loaded.program);
    let seconds = model.map(|m| m.predict(report.rounds, report.serial_bits / 8).as_secs_f64());
    match form {
        Form::Json => {
            let mut object = serde_json::to_value(&report)?;
            if let (Some(fields), Some(seconds)) = (object.as_object_mut(), seconds) {
                fields.insert("seconds".into(), seconds.into());
            }
            say::outln(format_args!("{object}"));
        }
        Form::Html => {
            let page = tern_pages::page(&report, &loaded.program.header, &loaded.messages.sources, seconds);
            say::out(format_args!("{page}"));
        }
        Form::Text => {
            say::out(say::fitted(&report.to_text(|file, line| loaded.line(file, line))));
            if let Some(seconds) = seconds {
                say::outln(format_args!("predicted communication: {seconds:.1} s"));
            }
            for (option, other) in others(source, &report)? {
                let (rounds, bits) = (group(other.rounds), group(other.bits));
                say::outln(format_args!("with {option}: {rounds} rounds, {bits} bits"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the program would cost if it were compiled for something else, where that makes a difference.
fn others(source: &SourceArgs, this: &CostReport) -> anyhow::Result<Vec<(String, CostReport)>> {
    let source = source.source();
    let mut others = Vec::new();
    if source.is_bytecode() {
        return Ok(others);
    }
    for other in Optimise::ALL.iter().filter(|other| **other != source.optimise.unwrap_or_default()) {
        let loaded = Source { optimise: Some(*other), ..source.clone() }.load()?;
        let found = report(&loaded.program);
        if (found.rounds, found.bits) != (this.rounds, this.bits) {
            others.push((format!("--optimise {}", other.name()), found));
        }
    }
    Ok(others)
}

/// `tern inspect`.
pub(crate) fn inspect(source: &SourceArgs, view: View) -> anyhow::Result<ExitCode> {
    if view == View::Ir {
        let compilation = crate::compile::compile(source, tern_compiler::Entry::Main, None)?;
        crate::compile::show(&compilation.diagnostics, &compilation.sources);
        let Some(ir) = compilation.ir.filter(|_| compilation.program.is_some()) else {
            return Ok(ExitCode::FAILURE);
        };
        say::out(format_args!("{ir}"));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(loaded) = load(source)? else { return Ok(ExitCode::FAILURE) };
    let program = &loaded.program;
    let text = match view {
        View::Bytecode | View::Ir => tern_bytecode::disasm::disassemble(program),
        View::Schedule => show::text(program),
        View::Dot => show::dot(program),
        View::Masks => masks(&loaded),
    };
    say::out(format_args!("{text}"));
    Ok(ExitCode::SUCCESS)
}

/// What is opened under which mask.
fn masks(loaded: &Loaded) -> String {
    let report = report(&loaded.program);
    if report.dealt.is_none() {
        let protocol = loaded.program.header.protocol.name();
        return format!("{protocol} opens nothing under masks: compile with --protocol dealer\n");
    }
    let mut out = format!("{:>6} {:>12} {:>16} {:>10}  line\n", "mask", "instruction", "shape", "times");
    let mut total = 0u64;
    for mask in &report.masks {
        let text = loaded.line(&mask.file, mask.line).unwrap_or_default();
        let place = if mask.file.is_empty() { "-".into() } else { format!("{}:{}", mask.file, mask.line) };
        let shape = format!("{:?}", mask.shape);
        let row = format!(
            "{:>6} {:>12} {shape:>16} {:>10}  {place}  {text}",
            mask.mask,
            mask.at,
            group(mask.times)
        );
        out.push_str(row.trim_end());
        out.push('\n');
        let elements = mask.shape.iter().fold(1u64, |n, size| n.saturating_mul(u64::from(*size)));
        total = total.saturating_add(elements.saturating_mul(mask.times));
    }
    out.push_str(&format!("\n{} values that each party opens\n", group(total)));
    out
}

/// `tern explain`.
pub(crate) fn explain(code: &str) -> anyhow::Result<ExitCode> {
    let text = tern_compiler::diagnostics::explain(code).or_else(|| tern_vm::data::explain(code));
    match text {
        Some(text) => {
            say::out(format_args!("{text}"));
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("there is no code {code}"),
    }
}
