//! A compiled program, and what is done with it.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use tern_bytecode::program::{Place, Protocol, Rounding};
use tern_compiler::ir::Optimise;
use tern_host::cores::cores;
use tern_host::events::peak_memory;
use tern_host::inputs::provide_inputs;
use tern_host::results::{self, Directory};
use tern_host::{Emulation, Events, Files, Loaded, Outputs, Results, Source, Stop, ranges};
use tern_pages::figure::{Curve, Look, Metrics, draw};
use tern_vm::machine::{Report, Watch};
use tern_vm::net::NetworkModel;

use crate::arrays::array;
use crate::attend::attend;
use crate::failed;
use crate::given::Given;
use crate::kept::{Kept, keeping};

/// A program that is ready to run.
#[pyclass(frozen)]
pub(crate) struct Program(pub(crate) Arc<Loaded>);

/// Compiles a file, or a text as if it stood in the file.
#[pyfunction]
#[pyo3(signature = (path, text, args, files, data, fixed, ring, rounding, protocol, optimise))]
#[allow(clippy::too_many_arguments, reason = "the package gives them names")]
pub(crate) fn compile(
    py: Python<'_>,
    path: PathBuf,
    text: Option<String>,
    args: Vec<String>,
    files: Vec<String>,
    data: Option<PathBuf>,
    fixed: Option<String>,
    ring: Option<String>,
    rounding: Option<String>,
    protocol: Option<String>,
    optimise: Option<String>,
) -> PyResult<Program> {
    let work = move |_| {
        let rounding =
            rounding.map(|name| known(&name, "rounding", &ROUNDINGS, Rounding::name)).transpose()?;
        let protocol =
            protocol.map(|name| known(&name, "protocol", Protocol::ALL, Protocol::name)).transpose()?;
        let optimise =
            optimise.map(|name| known(&name, "optimise", Optimise::ALL, Optimise::name)).transpose()?;
        let source = Source { program: path, args, fixed, ring, rounding, protocol, optimise };
        match text {
            Some(text) => source.load_text(text),
            None => source.sized(&Files { inputs: files, data, store: None })?.load(),
        }
    };
    attend(py, &Stop::default(), None, work).map(|loaded| Program(Arc::new(loaded)))
}

const ROUNDINGS: [Rounding; 2] = [Rounding::Probabilistic, Rounding::Nearest];

/// The one of this name.
fn known<T: Copy>(given: &str, what: &str, all: &[T], name: fn(T) -> &'static str) -> anyhow::Result<T> {
    all.iter().copied().find(|one| name(*one) == given).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        anyhow::anyhow!("there is no {what} {given:?}; there are {}", names.join(", "))
    })
}

/// The arguments of a program that are, by its text, sizes of inputs: each with the input's name.
#[pyfunction]
pub(crate) fn rows_wanted(text: &str) -> Vec<(String, String)> {
    tern_compiler::rows_wanted(text)
}

/// Curves of several runs as SVG, each with its name and its metrics.
#[pyfunction]
pub(crate) fn figure(title: &str, curves: Vec<(String, Metrics)>) -> PyResult<String> {
    let named = curves.into_iter().enumerate();
    let curves: Vec<Curve> =
        named.map(|(i, (name, metrics))| Curve { name, look: Look::of(i), metrics }).collect();
    draw(title, &curves).map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

#[pymethods]
impl Program {
    /// Name, arithmetic, inputs, outputs and warnings, as JSON.
    fn about(&self) -> String {
        let (program, messages) = (&self.0.program, &self.0.messages);
        let header = &program.header;
        let place = |place: Place| tern_bytecode::disasm::place(program, place).to_string();
        let inputs: Vec<Value> = program.inputs.iter().map(|i| {
            json!({"name": i.name, "field": i.field, "shape": i.shape, "type": element(i.element), "from": place(i.from)})
        }).collect();
        let outputs: Vec<Value> = program.outputs.iter().map(|o| {
            json!({"name": o.name, "field": o.field, "shape": o.shape, "type": element(o.element), "to": place(o.to)})
        }).collect();
        let warnings: Vec<Value> =
            messages.diagnostics.iter().map(|d| failed::diagnostic(d, &messages.sources)).collect();
        let args: serde_json::Map<_, _> =
            header.args.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
        json!({
            "name": header.name, "fixed": [header.frac, header.total], "ring": header.ring,
            "rounding": header.rounding.name(), "protocol": header.protocol.name(), "args": args,
            "inputs": inputs, "outputs": outputs, "warnings": warnings, "rendered": messages.to_string(),
        })
        .to_string()
    }

    /// What it costs, as JSON with the texts of the lines; with a network also its seconds.
    fn cost(&self, network: Option<String>) -> PyResult<String> {
        let report = self.0.cost();
        let mut value = serde_json::to_value(&report).expect("a report is an object");
        self.0.add_lines(&mut value);
        value["seconds"] = json!(seconds(&report, network)?);
        Ok(value.to_string())
    }

    /// The same as a page, and the report as text.
    fn cost_page(&self, network: Option<String>) -> PyResult<(String, String)> {
        let report = self.0.cost();
        let (header, sources) = (&self.0.program.header, &self.0.messages.sources);
        let page = tern_pages::page(&report, header, sources, seconds(&report, network)?);
        Ok((page, report.to_text(|file, line| self.0.line(file, line))))
    }

    /// The bytecode.
    fn bytecode(&self) -> Vec<u8> {
        tern_bytecode::encode(&self.0.program)
    }

    /// Runs it on clear data: outputs by name and field, and what was measured as JSON.
    #[pyo3(signature = (inputs, data, out, seed, threads, watch_all, kept, listener))]
    #[allow(clippy::too_many_arguments, reason = "the package gives them names")]
    fn emulate<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        data: Option<PathBuf>,
        out: Option<PathBuf>,
        seed: Option<u64>,
        threads: Option<usize>,
        watch_all: bool,
        kept: Option<Kept>,
        listener: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyDict>, String)> {
        let given = Given::of(inputs, data, None)?;
        let (loaded, stop) = (self.0.clone(), Stop::default());
        let asked = stop.clone();
        let work = move |heard| {
            let program = &loaded.program;
            let (to, keeping) = (out.map(Outputs::to_directory), keeping(kept)?);
            let directory = to.as_ref().map(|to| Directory::claim(&to.out)).transpose()?;
            let mut events = Events::new(heard, to.as_ref().map(|to| to.out.as_path()));
            if let Some(directory) = &directory {
                directory.try_out(results::size(program, None))?;
                directory.warning().into_iter().for_each(|warning| events.warn(warning));
            }
            let inputs = provide_inputs(program, given.tensors, &given.files, None, &mut events)?;
            let emulation = Emulation {
                seed,
                threads: threads.unwrap_or_else(cores),
                ranges: if watch_all { Watch::Everything } else { Watch::Limits },
                outputs: to.as_ref(),
                keeping: keeping.as_ref(),
                stop: asked,
                ..Emulation::default()
            };
            let emulated = emulation.run(program, inputs, &mut events)?;
            events.close()?;
            Ok((emulated.results, measured(&loaded, &emulated.report, watch_all)))
        };
        let (results, report) = attend(py, &stop, listener, work)?;
        Ok((outputs(py, &self.0, results)?, report.to_string()))
    }
}

fn element(element: tern_bytecode::program::Element) -> &'static str {
    match element {
        tern_bytecode::program::Element::Fix => "fix",
        tern_bytecode::program::Element::Int => "int",
        tern_bytecode::program::Element::Bool => "bool",
    }
}

/// What communication takes on a network, if one is asked for.
fn seconds(report: &tern_bytecode::report::CostReport, network: Option<String>) -> PyResult<Option<f64>> {
    let Some(network) = network else { return Ok(None) };
    let model: NetworkModel = network
        .parse()
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(format!("network {network:?}: {error}")))?;
    Ok(Some(model.predict(report.rounds, report.serial_bits / 8).as_secs_f64()))
}

/// What the emulator measured.
fn measured(loaded: &Loaded, report: &Report, long: bool) -> Value {
    let found = report.ranges.as_ref();
    let outside: Vec<Value> =
        found.iter().flat_map(|found| found.outside.iter().map(ranges::event)).collect();
    let largest: Vec<Value> = found
        .iter()
        .flat_map(|found| &found.lines)
        .map(|line| {
            let (file, number) = line.place.clone().unzip();
            json!({"file": file, "line": number, "largest": line.largest})
        })
        .collect();
    json!({
        "seconds": report.elapsed.as_secs_f64(), "rounds": report.rounds, "bits": report.bits(),
        "peak_memory": peak_memory(), "outside": outside, "largest": largest,
        "warning": found.and_then(|found| ranges::paragraph(loaded, found, long)),
    })
}

/// Results by name: an array, or of a model a dictionary of its fields.
pub(crate) fn outputs<'py>(
    py: Python<'py>,
    loaded: &Loaded,
    results: Results,
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (name, tensors) in results {
        let declared = |output: &&tern_bytecode::program::Output| {
            output.name == name || name.rsplit_once('.').is_some_and(|(plain, _)| plain == output.name)
        };
        let is_model = loaded.program.outputs.iter().find(declared).is_some_and(|o| !o.field.is_empty());
        let fields = PyDict::new(py);
        for (field, tensor) in tensors {
            let tensor = array(py, tensor)?;
            if is_model { fields.set_item(field, tensor)? } else { all.set_item(&name, tensor)? }
        }
        if is_model {
            all.set_item(&name, fields)?;
        }
    }
    Ok(all)
}
