//! `tern test`: the test blocks of a file, each a program of its own in the emulator.

use std::ops::ControlFlow;
use std::process::ExitCode;

use tern_compiler::{ASSERT, Entry, tests_of};
use tern_vm::machine::{Elements, ElementsMut, Host, HostError, Trip};

use crate::SourceArgs;
use crate::compile::{compile, show};

/// Collects failed assertions.
#[derive(Default)]
struct Assertions {
    failed: Vec<String>,
    checked: usize,
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
            self.checked += 1;
            if values.iter().any(|v| *v != 0.0) {
                self.failed.push(format!("{text}  ({} elements fail)", values.iter().sum::<f64>()));
            }
        }
    }

    fn tick(&mut self, _: &[Trip]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

pub(crate) fn test(source: &SourceArgs, filter: Option<&str>) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&source.program)?;
    let names = tests_of(&text);
    let chosen: Vec<(usize, &String)> =
        names.iter().enumerate().filter(|(_, n)| filter.is_none_or(|f| n.contains(f))).collect();
    let mut failed = 0;
    for (i, name) in &chosen {
        let compilation = compile(source, Entry::Test(*i), None)?;
        show(&compilation.diagnostics, &compilation.sources);
        let outcome = match compilation.program {
            None => vec!["does not compile".to_string()],
            Some(program) => {
                let mut host = Assertions::default();
                match tern_vm::emulate(
                    &program,
                    &mut host,
                    &tern_vm::Options { seed: Some(1), ..Default::default() },
                ) {
                    Ok(_) => host.failed,
                    Err(error) => vec![error.to_string()],
                }
            }
        };
        println!("test {name} ... {}", if outcome.is_empty() { "ok" } else { "FAILED" });
        for line in &outcome {
            println!("    {line}");
        }
        failed += usize::from(!outcome.is_empty());
    }
    println!("{} passed, {failed} failed", chosen.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
