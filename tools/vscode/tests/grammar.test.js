// The grammar in the editor's own engine: what a word is taken for, and that no line of any program is left uncoloured or spills into the next.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const test = require("node:test");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const HERE = path.join(__dirname, "..");
const ROOT = path.join(HERE, "..", "..");

async function grammar() {
  const wasm = fs.readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));
  const file = path.join(HERE, "syntaxes", "tern.tmLanguage.json");
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => textmate.parseRawGrammar(fs.readFileSync(file, "utf8"), file),
  });
  return registry.loadGrammar("source.tern");
}

const loaded = grammar();

/** The innermost scope of every piece of a line that is not blank, without the language's name. */
async function scopes(line) {
  const { tokens } = (await loaded).tokenizeLine(line, textmate.INITIAL);
  const piece = (token) => line.slice(token.startIndex, token.endIndex);
  const scope = (token) => token.scopes.at(-1).replace(/\.tern$/, "");
  return tokens.filter((token) => piece(token).trim()).map((token) => [piece(token).trim(), scope(token)]);
}

async function check(line, expected) {
  const found = (await scopes(line)).filter(([, scope]) => scope !== "source");
  assert.deepStrictEqual(found, expected, line);
}

test("declarations", async () => {
  await check("input train_x: fix[N, 784] from party 0, scale = 1/256", [
    ["input", "keyword.control.input"],
    ["train_x", "variable.other.input"],
    ["fix", "support.type"],
    ["N", "variable.other.constant"],
    ["784", "constant.numeric"],
    ["from", "keyword.control.place"],
    ["party", "keyword.control.place"],
    ["0", "constant.numeric"],
    ["scale", "variable.other"],
    ["=", "keyword.operator.assignment"],
    ["1", "constant.numeric"],
    ["/", "keyword.operator"],
    ["256", "constant.numeric"],
  ]);
  await check("fn relu(x: fix[..s]) -> fix[..s] {", [
    ["fn", "storage.type.function"],
    ["relu", "entity.name.function"],
    ["x", "variable.other"],
    ["fix", "support.type"],
    ["..", "keyword.operator.range"],
    ["s", "variable.other"],
    ["->", "keyword.operator.arrow"],
    ["fix", "support.type"],
    ["..", "keyword.operator.range"],
    ["s", "variable.other"],
  ]);
  await check("model Net { // two layers", [
    ["model", "storage.type.model"],
    ["Net", "entity.name.type"],
    ["// two layers", "comment.line.double-slash"],
  ]);
  await check("use nn::{dense, relu}", [
    ["use", "keyword.control.import"],
    ["nn", "entity.name.namespace"],
    ["dense", "variable.other"],
    ["relu", "variable.other"],
  ]);
});

test("expressions", async () => {
  await check("    (p, s) = optim::step(grad(loss, p), 2.5e-3)", [
    ["p", "variable.other"],
    ["s", "variable.other"],
    ["=", "keyword.operator.assignment"],
    ["optim", "entity.name.namespace"],
    ["::", "punctuation.separator"],
    ["step", "entity.name.function.call"],
    ["grad", "support.function.grad"],
    ["loss", "variable.other"],
    ["p", "variable.other"],
    ["2.5e-3", "constant.numeric"],
  ]);
  await check('    for i in 0..10 { require x >= 0, "never // less" }', [
    ["for", "keyword.control"],
    ["i", "variable.other"],
    ["in", "keyword.control"],
    ["0", "constant.numeric"],
    ["..", "keyword.operator.range"],
    ["10", "constant.numeric"],
    ["require", "keyword.control"],
    ["x", "variable.other"],
    [">=", "keyword.operator.comparison"],
    ["0", "constant.numeric"],
    ['"never // less"', "string.quoted.double"],
  ]);
});

test("words that are names elsewhere", async () => {
  await check("    let test = model.input[from - to]", [
    ["let", "storage.type"],
    ["test", "variable.other"],
    ["=", "keyword.operator.assignment"],
    ["model", "variable.other"],
    ["input", "variable.other.member"],
    ["from", "variable.other"],
    ["-", "keyword.operator"],
    ["to", "variable.other"],
  ]);
  await check("    output weights = p to party 2", [
    ["output", "keyword.control.output"],
    ["weights", "variable.other.output"],
    ["=", "keyword.operator.assignment"],
    ["p", "variable.other"],
    ["to", "keyword.control.place"],
    ["party", "keyword.control.place"],
    ["2", "constant.numeric"],
  ]);
});

test("every word of every program has a colour", async () => {
  const folders = ["programs", "stdlib"].map((folder) => path.join(ROOT, folder));
  const files = folders.flatMap((folder) => fs.readdirSync(folder).map((name) => path.join(folder, name)));
  const programs = files.filter((file) => file.endsWith(".mpc"));
  assert.ok(programs.length > 10);
  for (const file of programs) {
    let state = textmate.INITIAL;
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
      for (const [text, scope] of await scopes(line)) {
        assert.ok(scope !== "source" || !/[A-Za-z0-9"]/.test(text), `${file}: ${JSON.stringify(text)} in ${line}`);
      }
      state = (await loaded).tokenizeLine(line, state).ruleStack;
      assert.ok(state.equals(textmate.INITIAL) || state.depth === 1, `${file}: what begins in ${line} does not end there`);
    }
  }
});
