//! `tern test`: the test blocks of a file, each a program of its own in the emulator.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::bail;
use tern_compiler::diagnostics::Diagnostic;
use tern_compiler::{ASSERT, Entry, tests_of};
use tern_host::source::read_source;
use tern_tools::say;
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, Trip};

use crate::SourceArgs;
use crate::compile::{compile, show};

/// Collects failed assertions.
#[derive(Default)]
struct Assertions {
    failed: Vec<String>,
}

impl Host for Assertions {
    fn input(&mut self, _: usize, _: u64, _: ElementsMut<'_>) -> Result<(), HostError> {
        Err(HostError::from("tests have no inputs".to_string()))
    }

    fn output(&mut self, _: usize, _: Elements<'_>) -> Result<(), HostError> {
        Ok(())
    }

    fn metric(&mut self, name: &str, values: &[f64], _: &[Trip]) {
        if let Some(text) = name.strip_prefix(ASSERT) {
            let failed: f64 = values.iter().sum();
            if failed != 0.0 {
                let plural = if failed == 1.0 { " fails" } else { "s fail" };
                self.failed.push(format!("{text}  ({failed} element{plural})"));
            }
        }
    }

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

pub(crate) fn test(source: &SourceArgs, filter: Option<&str>) -> anyhow::Result<ExitCode> {
    let path = &source.program;
    let text =
        read_source(path).map_err(|reason| anyhow::anyhow!("cannot read {}: {reason}", path.display()))?;
    let names = tests_of(&text);
    let chosen: Vec<(usize, &String)> =
        names.iter().enumerate().filter(|(_, n)| filter.is_none_or(|f| n.contains(f))).collect();
    if chosen.is_empty() {
        return none(source, filter);
    }
    let (mut failed, mut shown) = (0, Vec::new());
    for (i, name) in &chosen {
        let complaints = run(source, *i, &mut shown)?;
        say::outln(format_args!("test {name} ... {}", if complaints.is_empty() { "ok" } else { "FAILED" }));
        for line in &complaints {
            say::outln(format_args!("    {line}"));
        }
        failed += usize::from(!complaints.is_empty());
    }
    say::outln(format_args!("{} passed, {failed} failed", chosen.len() - failed));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a test block; gives what is wrong. Messages that several tests have are shown once.
fn run(source: &SourceArgs, test: usize, shown: &mut Vec<Diagnostic>) -> anyhow::Result<Vec<String>> {
    let mut compilation = compile(source, Entry::Test(test), None)?;
    compilation.diagnostics.retain(|message| !shown.contains(message));
    show(&compilation.diagnostics, &compilation.sources);
    shown.append(&mut compilation.diagnostics);
    let Some(program) = compilation.program else { return Ok(vec!["does not compile".into()]) };
    let mut host = Assertions::default();
    let options = tern_vm::Options { seed: Some(1), ..Default::default() };
    match tern_vm::emulate(&program, &mut host, &options) {
        Ok(_) => Ok(host.failed),
        Err(error) => Ok(vec![error.to_string()]),
    }
}

/// No test was found: perhaps because the file is not in order.
fn none(source: &SourceArgs, filter: Option<&str>) -> anyhow::Result<ExitCode> {
    let compilation = compile(source, Entry::Test(usize::MAX), None)?;
    show(&compilation.diagnostics, &compilation.sources);
    let path = source.program.display();
    match filter {
        Some(filter) => bail!("{path} has no test whose name contains {filter}"),
        None => bail!("{path} has no tests; they look like this:  test \"a name\" {{ assert 1 + 1 == 2 }}"),
    }
}
