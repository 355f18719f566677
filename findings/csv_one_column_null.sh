#!/usr/bin/env bash
# A missing value in a CSV file of one column. PyArrow, Polars and DuckDB write an empty line for it.
# Polars and DuckDB read it back as a null; PyArrow and pandas skip it, so that all later rows move
# up by one: a file that PyArrow itself has written comes back with a row less, without a word. Labels
# beside features in two files are then shifted against each other.
# Guess: at least a package's own file has the rows that were written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1 pandas==3.1.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import duckdb, pandas, polars, pyarrow, pyarrow.csv

values = [1.5, None, -0.125]
pyarrow.csv.write_csv(pyarrow.table({"a": values}), "pyarrow.csv")
polars.DataFrame({"a": values}).write_csv("polars.csv")
duckdb.sql("COPY (SELECT unnest([1.5, NULL, -0.125]) AS a) TO 'duckdb.csv'")
readers = {
    "pyarrow": lambda name: pyarrow.csv.read_csv(name).num_rows,
    "polars": lambda name: len(polars.read_csv(name)),
    "duckdb": lambda name: duckdb.sql(f"SELECT count(*) FROM read_csv('{name}')").fetchall()[0][0],
    "pandas": lambda name: len(pandas.read_csv(name)),
}
print("pyarrow", pyarrow.__version__, "polars", polars.__version__, "duckdb", duckdb.__version__,
      "pandas", pandas.__version__)
for writer in ["pyarrow", "polars", "duckdb"]:
    lines = open(f"{writer}.csv").read().splitlines()
    rows = {reader: read(f"{writer}.csv") for reader, read in readers.items()}
    print(f"{writer} writes {lines}; rows read by each: {rows}")
    assert lines[2] == "" and len(lines) == 4
    assert rows == {"pyarrow": 2, "polars": 3, "duckdb": 3, "pandas": 2}
PYTHON
