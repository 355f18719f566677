"""Messages name arguments of Python, none of the command."""
import re

import numpy
import pytest
from programs import DOUBLE, ROOT

import tern
from tern._words import python, translated

#: Where messages come from that Python shows.
LIBRARY = ("tools/host/src", "vm/src", "vm/bytecode/src", "compiler/src")

SAID = {
    "   = help: --input x=FILE": '   = help: inputs={"x": "FILE"}',
    "headings:  --input x=t.csv,header=yes": 'headings:  inputs={"x": "t.csv,header=yes"}',
    "--input 'x=a b.csv[:3]'": 'inputs={"x": "a b.csv[:3]"}',
    "--input 'x=it'\\''s.npy'": 'inputs={"x": "it\'s.npy"}',
    "--input x=x.shares-0.tern, or --data and the directory": 'inputs={"x": "x.shares-0.tern"}, or data and the directory',
    "--input z: no input of that name": 'inputs["z"]: no input of that name',
    "--data /tmp/a b: x can be 1.npy": 'data="/tmp/a b": x can be 1.npy',
    "--key /a/b.pem: its name should": 'key="/a/b.pem": its name should',
    "more bits in all, --fixed 24,48, or smaller numbers": "more bits in all, fixed=(24, 48), or smaller numbers",
    "--fixed 1: 2 to 64 fraction bits": "fixed=1: 2 to 64 fraction bits",
    "--ring x: there are 52, 64": 'ring="x": there are 52, 64',
    "a larger ring, --ring 128, or": "a larger ring, ring=128, or",
    "--ring auto": 'ring="auto"',
    "compile for another protocol:  --protocol rep3": 'compile for another protocol:  protocol="rep3"',
    "--rounding is fixed in bytecode": "rounding is fixed in bytecode",
    "and 3 more (--ranges)": "and 3 more (ranges=True)",
    "everybody else: --arg N=ROWS": 'everybody else: args={"N": ROWS}',
    "--arg KIND=sgd": 'args={"KIND": "sgd"}',
    "a directory of its own: --out DIR": "a directory of its own: out=DIRECTORY",
    "without --resume the run begins": "without resume=True the run begins",
    "as a program:  tern import /a/m.onnx": 'as a program:  tern.from_onnx("/a/m.onnx")',
    "with  tern send … --as lab --input x=FILE  while": 'with  tern.send(…, {"x": …}, client="lab")  while',
    " 12 │ // for --fixed 32": " 12 │ // for --fixed 32",
}


@pytest.mark.parametrize("said", SAID)
def test_what_the_command_says(said):
    assert python(said) == SAID[said]


def test_only_texts_are_translated():
    parts = {"file": "--out DIR", "line": 3, "why": None, "help": ["--out DIR"], "labels": [{"text": "--arg N=3"}]}
    assert translated(parts) == {"file": "--out DIR", "line": 3, "why": None, "help": ["out=DIRECTORY"], "labels": [{"text": 'args={"N": 3}'}]}


def texts():
    """Every text in the library's code that names an option of the command, without comments and tests; 3 is in place of what is filled in."""
    for folder in LIBRARY:
        for path in sorted((ROOT / folder).rglob("*.rs")):
            code = re.sub(r"^\s*//.*$", "", path.read_text().split("#[cfg(test)]")[0], flags=re.MULTILINE)
            for text in re.findall(r'"((?:[^"\\]|\\.)*)"', code):
                if re.search(r"(?:^|[\s(`'])--[a-z]", text):
                    yield path.relative_to(ROOT), re.sub(r"\{[^}]*\}", "3", text)


def test_every_option_that_the_library_names_has_a_name_in_python():
    found = list(texts())
    assert len(found) > 20
    left = [(str(path), text) for path, text in found if re.search(r"--[a-z]", python(text))]
    assert not left


def test_messages_have_it(tmp_path):
    with pytest.raises(tern.Error, match='^ring="x": there are'):
        tern.compile(DOUBLE, ring="x")
    program = tern.compile(DOUBLE.replace("y * 2", "y * y"))
    with pytest.warns(tern.RangeWarning, match=r"fixed=\(16, ") as warned:
        program.emulate({"x": numpy.array([300.0, 0, 0])})
    assert "--" not in str(warned[0].message)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(tern.DataError, match=r"tern\.from_onnx\(") as raised:
        program.emulate({"x": tmp_path / "m.onnx"})
    assert raised.value.code == "D023" and "tern.from_onnx(" in raised.value.help[0]
