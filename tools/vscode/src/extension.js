// The client of `tern lsp`. All that is known of programs is known by the server.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function start() {
  const settings = vscode.workspace.getConfiguration("tern");
  const server = {
    command: settings.get("command"),
    args: ["lsp", ...settings.get("arguments")],
    transport: TransportKind.stdio,
  };
  client = new LanguageClient("tern", "tern", server, {
    documentSelector: [{ language: "tern" }],
    // modules that are changed elsewhere
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.mpc") },
  });
  try {
    await client.start();
  } catch (error) {
    const where = "Its path is the setting tern.command.";
    vscode.window.showErrorMessage(`The tern command does not start: ${error.message}. ${where}`);
  }
}

async function restart() {
  await deactivate();
  await start();
}

async function activate(context) {
  // files of the library are nowhere on the disk; the server has them
  const library = {
    provideTextDocumentContent: (uri) => client.sendRequest("tern/library", { uri: uri.toString() }),
  };
  context.subscriptions.push(
    vscode.workspace.registerTextDocumentContentProvider("tern", library),
    vscode.commands.registerCommand("tern.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("tern")) {
        restart();
      }
    }),
  );
  await start();
}

async function deactivate() {
  const old = client;
  client = undefined;
  if (old?.isRunning()) {
    await old.stop();
  }
}

module.exports = { activate, deactivate };
