#!/usr/bin/env python3
"""How fast tern has become: a line per commit that changes speed, as tools/measure/builds.py --history appends them.

    tools/measure/history.py [docs/results/history.tsv] [--figure 'C, f = 16: seconds']

A line has the day, the commit, the machine, and figures by name. A name that is new becomes a column, in which earlier
lines are empty. Without --figure, the last line of each machine is shown beside its first, with the ratio; with it, the
figure of all lines.
"""

import argparse
import csv
import io
from datetime import datetime, timezone
from pathlib import Path

ABOUT = ["day", "commit", "machine"]


def read(path):
    """The columns and the lines."""
    if not path.exists():
        return list(ABOUT), []
    with path.open(newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        lines = list(reader)
    if (reader.fieldnames or [])[: len(ABOUT)] != ABOUT:
        raise SystemExit(f"{path} does not begin with the columns {', '.join(ABOUT)}")
    return reader.fieldnames, lines


def append(path, commit, machine, figures):
    """Adds a line with the newer build's figures, in the place of an earlier one of the same commit and machine."""
    columns, lines = read(path)
    line = {"day": f"{datetime.now(timezone.utc):%Y-%m-%d}", "commit": commit, "machine": machine}
    line |= {f"{figure.row}: {figure.what}": f"{figure.new:.4g}" for figure in figures if figure.new is not None}
    columns += [name for name in line if name not in columns]
    lines = [other for other in lines if (other["commit"], other["machine"]) != (commit, machine)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter="\t", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*lines, line])
    path.write_text(text.getvalue())


def first_and_last(columns, lines):
    for machine in dict.fromkeys(line["machine"] for line in lines):
        own = [line for line in lines if line["machine"] == machine]
        first, last = own[0], own[-1]
        print(f"{machine}: {first['commit']} ({first['day']}) and {last['commit']} ({last['day']})")
        for name in columns[len(ABOUT) :]:
            if first.get(name) and last.get(name):
                before, now = float(first[name]), float(last[name])
                ratio = f"{now / before:8.3f}" if before else f"{'-':>8}"
                print(f"  {name:48} {before:12,.4g} {now:12,.4g} {ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("file", nargs="?", type=Path, default=root / "docs/results/history.tsv")
    parser.add_argument("--figure")
    chosen = parser.parse_args()
    columns, lines = read(chosen.file)
    if not chosen.figure:
        first_and_last(columns, lines)
    elif chosen.figure not in columns:
        raise SystemExit(f"there is no {chosen.figure}; there are {'; '.join(columns[len(ABOUT):])}")
    else:
        for line in lines:
            print(f"{line['day']}  {line['commit']:10} {line[chosen.figure] or '-':>12}  {line['machine']}")


if __name__ == "__main__":
    main()
