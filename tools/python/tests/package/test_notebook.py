"""The example notebook, and what a notebook shows."""
import html
import importlib.util
import json
import re
import subprocess
import sys
import types

import numpy
import pytest
from programs import ROOT

NOTEBOOK = ROOT / "tools" / "python" / "examples" / "digits.ipynb"


def test_its_cells_run_and_show(monkeypatch):
    """Without Jupyter: every cell, and what its last line shows."""
    monkeypatch.chdir(NOTEBOOK.parent)
    cells = ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names, shown = {}, []
    for text in cells:
        body, _, last = text.rpartition("\n")
        if last[:1].isspace() or last.startswith("print"):
            exec(text, names)
            continue
        exec(body, names)
        shown.append(eval(last, names))
    cost, result = (next(value._repr_html_() for value in shown if type(value).__name__ == kind) for kind in ("Cost", "Result"))
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', cost)[1])
    assert page.startswith("<!doctype html>") and "By function" in page and "cross_entropy" in page
    assert result.count("<svg") == 1 and ">accuracy<" in result.replace("\n", "") and "<table>" in result and "epoch" in result
    assert shown[-1][1] is True and shown[-1][0]["accuracy"] > 0.3


def test_progress_in_a_cell(monkeypatch, double):
    """One output of the cell that changes, and is empty at the end; a stand-in for IPython keeps what it is told."""
    shown = []
    handle = types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))
    kernel = types.ModuleType("IPython")
    kernel.get_ipython = lambda: types.SimpleNamespace(kernel=True)
    kernel.display = types.ModuleType("IPython.display")
    kernel.display.display = lambda data, raw, display_id: handle
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", kernel.display)
    double.emulate({"x": numpy.ones(3)})
    assert len(shown) >= 2 and shown[-1] == ""
    assert any(re.search(r"\d+/\d+ \d\d:\d\d", text) for text in shown)
    shown.clear()
    double.emulate({"x": numpy.ones(3)}, progress=False)
    assert not shown


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ["nbconvert", "ipykernel"])), reason="no Jupyter")
def test_jupyter_runs_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--output-dir", str(tmp_path), str(NOTEBOOK)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "digits.html").read_text()
    assert "<svg" in page and "srcdoc" in page and "Traceback" not in page
