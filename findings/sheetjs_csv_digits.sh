#!/usr/bin/env bash
# SheetJS writes cells of a worksheet as CSV in the form in which a spreadsheet shows them: a number
# without a format of its own keeps nine significant digits or so, though the cell holds a double.
# Through CSV, a third comes back as 0.333333333 and 123456789.123456 as 123456789.1.
# Guess: numbers in a CSV file are those of the cells, as JSON from the same cells has them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund xlsx@0.18.5
node -e '
const assert = require("assert"), xlsx = require("xlsx");
const row = [0.1234567890123456, 123456789.123456, 1 / 3];
const sheet = xlsx.utils.aoa_to_sheet([row]);
const csv = xlsx.utils.sheet_to_csv(sheet);
console.log("xlsx", xlsx.version);
console.log("cells:", row.join(" "));
console.log("JSON: ", JSON.stringify(xlsx.utils.sheet_to_json(sheet, {header: 1})[0]));
console.log("CSV:  ", csv);
assert.deepStrictEqual(xlsx.utils.sheet_to_json(sheet, {header: 1})[0], row);
assert.strictEqual(csv.trim(), "0.123456789,123456789.1,0.333333333");
console.log("CSV, rawNumbers:", xlsx.utils.sheet_to_csv(sheet, {rawNumbers: true}).trim());
'
