"""Costs and results as a notebook shows them: self-contained, without scripts outside their frame."""
from html import escape

from . import _tern

ROWS = 20  # of a table of metrics; the last ones


def cost(page, lines):
    """The page of a cost in a frame of its own, whose styles touch nothing else."""
    height = min(900, 420 + 24 * lines)
    return f'<iframe srcdoc="{escape(page)}" style="width: 100%; height: {height}px; border: 1px solid #ddd" title="cost"></iframe>'


def result(result):
    """What has come of a run: figures, curves, the last rows of the metrics."""
    parts = [f"<p>{escape(summary(result))}</p>"]
    curves = {name: values for name, values in result.curves.items() if len(values) > 1}
    if curves:
        parts.append(_tern.figure("", [("", curves)]))
    parts.append(table(result.metrics))
    if result.ranges:
        lines = "".join(f"<li>{escape(one['message'])}</li>" for one in result.ranges[:ROWS])
        parts.append(f"<p><b>{len(result.ranges)} places left their range:</b></p><ul>{lines}</ul>")
    return f"<div>{''.join(parts)}</div>"


def summary(result):
    outputs = ", ".join(f"{name} {shape(value)}" for name, value in result.outputs.items()) or "no outputs"
    return f"{outputs}; {result.seconds:.2f} s; {result.rounds:,} rounds, {size(result.bits / 8)}"


def size(count):
    """Bytes, in a unit that shows them."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:,.1f} {unit}"
    return f"{count:.0f} bytes"


def shape(value):
    return f"({len(value)} tensors)" if isinstance(value, dict) else str(list(value.shape))


def table(metrics):
    """A row for each iteration, a column for each metric."""
    names = list(dict.fromkeys(row["name"] for row in metrics))
    rows = {}
    for row in metrics:
        at = tuple(row["iteration"])
        # a metric that is reported twice in one iteration begins a row
        turn = next(n for n in range(len(metrics)) if row["name"] not in rows.get((at, n), {}))
        rows.setdefault((at, turn), {})[row["name"]] = row["value"]
    if not rows:
        return ""
    shown = list(rows.items())[-ROWS:]
    head = "".join(f"<th>{escape(name)}</th>" for name in ["iteration", *names])
    cells = "".join(
        f"<tr><td>{', '.join(map(str, at))}</td>{''.join(f'<td>{number(values.get(name))}</td>' for name in names)}</tr>" for (at, _), values in shown
    )
    left = f"<caption>the last {ROWS} of {len(rows)}</caption>" if len(rows) > ROWS else ""
    return f"<table>{left}<thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"


def number(value):
    if value is None:
        return ""
    values = value if isinstance(value, list) else [value]
    return ", ".join(f"{one:.5g}" for one in values[:8]) + (", …" if len(values) > 8 else "")
