//! `tern lsp` in a real editor: Neovim, with its own client. Where there is none that is new enough, this says so and ends.

use std::process::Command;

use crate::shell::repository;

/// Whichever `TERN_NVIM` names, or the one on the path, if it is 0.11 or newer.
fn neovim() -> Option<String> {
    let command = std::env::var("TERN_NVIM").unwrap_or_else(|_| "nvim".into());
    let output = Command::new(&command).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let version = said.lines().next()?.strip_prefix("NVIM v")?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    ((parts.next()??, parts.next()??) >= (0, 11)).then_some(command)
}

#[test]
fn a_session_in_neovim() {
    let Some(neovim) = neovim() else {
        eprintln!("skipped: there is no Neovim of version 0.11 or newer here (TERN_NVIM=PATH says where)");
        return;
    };
    let mut command = Command::new(neovim);
    command.args(["--clean", "--headless", "-l"]).arg(repository("tools/neovim/session.lua"));
    let output = command.arg(env!("CARGO_BIN_EXE_tern")).output().expect("it said its version");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("all as it should be"), "{said}");
}
