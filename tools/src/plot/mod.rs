//! `tern plot`: metrics of runs, as `metrics` reads them from files, as a figure.

pub(crate) mod metrics;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use tern_pages::figure::{Curve, Look, draw};
use tern_tools::say;

use metrics::read;

/// Which runs, and where the figure goes.
#[derive(Args)]
pub(crate) struct PlotArgs {
    /// Metrics of runs, each with its name in the figure if that is not to be the name of its directory: FILE, or NAME=FILE.
    #[arg(required = true, value_name = "[NAME=]METRICS.jsonl")]
    runs: Vec<String>,
    /// The figure, an SVG file.
    #[arg(short, long)]
    output: PathBuf,
    /// What is written above it.
    #[arg(long, default_value = "")]
    title: String,
}

/// `tern plot`.
pub(crate) fn plot(args: &PlotArgs) -> anyhow::Result<ExitCode> {
    let mut curves = Vec::new();
    for (i, text) in args.runs.iter().enumerate() {
        let (name, path) = name_and_path(text);
        let metrics = read(&path)?;
        if metrics.is_empty() {
            bail!("{} holds no metrics that are single numbers", path.display());
        }
        curves.push(Curve { name, look: Look::of(i), metrics });
    }
    save(&args.output, &draw(&args.title, &curves)?)?;
    say::outln(format_args!("{}", args.output.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes a figure.
pub(crate) fn save(path: &Path, svg: &str) -> anyhow::Result<()> {
    tern_vm::data::write_atomically(path, tern_vm::data::Access::Everybody, |file| {
        std::io::Write::write_all(file, svg.as_bytes())
    })
    .with_context(|| format!("cannot write {}", path.display()))
}

/// `NAME=FILE`, or a file that is called after its directory where its own name says nothing.
fn name_and_path(text: &str) -> (String, PathBuf) {
    if let Some((name, path)) = text.split_once('=') {
        return (name.to_string(), path.into());
    }
    let path = PathBuf::from(text);
    let part = |part: Option<&std::ffi::OsStr>| part.map(|name| name.to_string_lossy().into_owned());
    let stem = part(path.file_stem()).filter(|stem| stem != "metrics");
    let name = stem.or_else(|| part(path.parent().and_then(Path::file_name)));
    (name.unwrap_or_else(|| "metrics".into()), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs() {
        let name = |text| name_and_path(text).0;
        assert_eq!(name("out/sgd/metrics.jsonl"), "sgd");
        assert_eq!(name("out/sgd.jsonl"), "sgd");
        assert_eq!(name("metrics.jsonl"), "metrics");
        assert_eq!(name_and_path("rate 0.1=a/b.jsonl"), ("rate 0.1".into(), "a/b.jsonl".into()));
    }
}
