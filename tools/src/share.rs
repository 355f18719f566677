//! `tern share` and `tern open`: values in files of shares, for those who run none of the servers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tern_host::Files;
use tern_host::results::Directory;
use tern_host::shares::open_files;
use tern_host::sharing::Owned;
use tern_tools::say;

use crate::args::OutputArgs;
use crate::compile::load_sized;
use crate::screen::{Audience, Screen};
use crate::{SettingArgs, SourceArgs};

/// What is shared, for which program.
#[derive(Args, Clone)]
pub(crate) struct ShareArgs {
    /// The data, with what `--input NAME=` of other commands takes besides: FILE, FILE.npz:TENSOR, `FILE[START:END]`,
    /// FILE,OPTION=VALUE.
    file: String,
    /// The program that they are for (.mpc or .tbc): it says their shape, precision and protocol.
    #[arg(long)]
    program: PathBuf,
    /// Which of its inputs they are.
    #[arg(long, value_name = "NAME")]
    input: String,
    /// Where the files go, one for each server.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A program argument: NAME=value. May be given several times.
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    args: Vec<String>,
    #[command(flatten)]
    settings: SettingArgs,
}

/// What is opened, and where it goes.
#[derive(Args, Clone)]
pub(crate) struct OpenArgs {
    /// Files of shares of one value, of different parties.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    outputs: OutputArgs,
}

/// `tern share`.
pub(crate) fn share(args: &ShareArgs) -> anyhow::Result<ExitCode> {
    let (program, settings) = (args.program.clone(), args.settings.clone());
    let files = Files { inputs: vec![format!("{}={}", args.input, args.file)], ..Files::default() };
    let source = SourceArgs { program, args: args.args.clone(), settings };
    let Some(loaded) = load_sized(&source, &files)? else { return Ok(ExitCode::FAILURE) };
    let mut screen = Screen::new(Audience::Person);
    let owned = Owned::read(&loaded.program, &args.input, &args.file, &mut screen)?;
    for (party, path) in owned.parties().zip(owned.write(&args.out)?) {
        say::outln(format_args!("for {party}: {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// `tern open`.
pub(crate) fn open(args: &OpenArgs) -> anyhow::Result<ExitCode> {
    let opened = open_files(&args.files)?;
    let outputs = args.outputs.outputs();
    let directory = Directory::claim(&outputs.out)?;
    directory.warning().into_iter().for_each(|warning| say::errln(format_args!("warning: {warning}")));
    let path = outputs.write(&opened.name, &opened.tensors)?;
    say::outln(format_args!("{}: {}", opened.name, path.display()));
    Ok(ExitCode::SUCCESS)
}
