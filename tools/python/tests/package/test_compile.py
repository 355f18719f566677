"""Programs, their errors, and what they cost."""
import json

import pytest
from programs import DOUBLE, ROOT

import tern


def test_a_text(double):
    assert (double.name, double.fixed, double.ring, double.protocol) == ("program", (16, 32), 52, "rep3")
    assert [(i["name"], i["shape"], i["from"]) for i in double.inputs] == [("x", [3], "party 0")]
    assert [(o["name"], o["to"]) for o in double.outputs] == [("y", "party 1")]
    assert "rep3" in repr(double)


def test_a_file_with_arguments_and_settings(tmp_path):
    path = ROOT / "programs" / "linear_regression.mpc"
    plain, nearest = tern.compile(path), tern.compile(str(path), fixed=(20, 44), rounding="nearest", protocol="rep4", ring=128)
    assert plain.rounding == "probabilistic" and plain.name == "linear_regression"
    assert (nearest.fixed, nearest.ring, nearest.rounding, nearest.protocol) == ((20, 44), 128, "nearest", "rep4")
    plain.save(tmp_path / "p.tbc")
    again = tern.compile(tmp_path / "p.tbc")
    assert again.cost().bits == plain.cost().bits > 0
    with pytest.raises(tern.Error, match="^fixed is fixed in bytecode"):
        tern.compile(tmp_path / "p.tbc", fixed=16)


def test_all_errors_with_their_parts():
    source = "input x: fix[3] from party 0\nfn main() {\n    let y = x + undefined\n    if x[0] > 1 { }\n    output y = x to party 1\n}\n"
    with pytest.raises(tern.CompileError) as raised:
        tern.compile(source, name="bad")
    error = raised.value
    assert len(error.diagnostics) >= 2 and all(isinstance(d, tern.Diagnostic) for d in error.diagnostics)
    assert (error.file, error.line, error.column) == ("bad.mpc", 3, 17) and error.code == error.diagnostics[0].code
    label = error.labels[0]
    assert label.primary and (label.end_line, label.end_column) == (3, 26)
    # the whole message, as the command shows it
    assert f"error[{error.code}]" in str(error) and "let y = x + undefined" in str(error)
    secret = next(d for d in error.diagnostics if d.code == "S001")
    assert secret.line == 4 and len(secret.help) >= 1 and secret.help[0] in str(error)


def test_settings_and_files_that_make_no_sense(tmp_path):
    for options, text in [({"fixed": 1}, "^fixed=1: "), ({"rounding": "up"}, "probabilistic, nearest"), ({"protocol": "rep5"}, "rep3, rep4")]:
        with pytest.raises(tern.Error, match=text):
            tern.compile(DOUBLE, **options)
    with pytest.raises(tern.Error, match="cannot read"):
        tern.compile(tmp_path / "none.mpc")


def test_warnings_are_warnings():
    source = DOUBLE.replace("y * 2", "y - 0.00001 / (1 + i) * x")
    with pytest.warns(tern.CompileWarning, match="less than one step"):
        program = tern.compile(source)
    assert [d.severity for d in program.warnings] == ["warning"] and program.warnings[0].line == 5


def test_sizes_of_data(tmp_path):
    numpy = pytest.importorskip("numpy")
    source = "const N = arg(rows(x))\ninput x: fix[N] from party 0\nfn main() {\n    output s = sum(x) to party 0\n}\n"
    x = numpy.arange(5.0)
    assert tern.compile(source, inputs={"x": x}).inputs[0]["shape"] == [5]
    assert tern.compile(source, {"N": 4}, inputs={"x": x}).inputs[0]["shape"] == [4]
    (tmp_path / "p.mpc").write_text(source)
    numpy.save(tmp_path / "x.npy", x)
    assert tern.compile(tmp_path / "p.mpc", inputs={"x": x[:3]}).inputs[0]["shape"] == [3]
    assert tern.compile(tmp_path / "p.mpc", inputs={"x": tmp_path / "x.npy"}).inputs[0]["shape"] == [5]
    assert tern.compile(tmp_path / "p.mpc", data=tmp_path).inputs[0]["shape"] == [5]
    with pytest.raises(tern.CompileError, match="N"):
        tern.compile(source)


def test_cost_by_line(double):
    cost = double.cost(network="wan")
    assert cost.rounds == sum(row["rounds"] for row in cost.rows) > 0 and cost.bits == sum(row["bits"] for row in cost.rows) > 0
    assert cost.seconds > 0 and double.cost().seconds is None
    reveal = next(row for row in cost.rows if row["line"] == 6)
    assert reveal["source"].startswith("metric(") and reveal["executions"] == 2
    assert [(p["what"], p["to"]) for p in cost.published if p["what"] == "y"] == [("y", "party 1")]
    assert "rounds" in str(cost) and cost.page().startswith("<!doctype html>")
    json.dumps(cost.report)
    with pytest.raises(ValueError, match="moon"):
        double.cost(network="moon")
