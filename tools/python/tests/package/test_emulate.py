"""Runs on clear data."""
import os
import signal
import subprocess
import sys
import threading
import time

import numpy
import pytest
from programs import DOUBLE

import tern


def test_outputs_metrics_and_figures(double):
    result = double.emulate({"x": numpy.array([1.0, -0.5, 0.25])}, seed=1)
    assert result["y"].dtype == numpy.float64 and result["y"].tolist() == [4.0, -2.0, 1.0]
    assert result.metrics == [{"name": "first", "value": 2.0, "iteration": [0]}, {"name": "first", "value": 4.0, "iteration": [1]}]
    assert result.last == {"first": 4.0} and result.curves == {"first": [2.0, 4.0]}
    assert result.rounds == double.cost().rounds and result.bits == double.cost().bits and result.seconds > 0
    assert result.ranges == [] and "first 4" in repr(result)


@pytest.mark.parametrize("kind", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f2", ">f4", ">f8", ">i2", ">u4", ">i4", ">u8"])
def test_every_type_of_number(double, kind):
    x = numpy.array([1, 0, 1]).astype(kind)
    assert double.emulate({"x": x})["y"].tolist() == [4.0, 0.0, 4.0]


def test_arrays_that_are_not_contiguous(double):
    wide = numpy.arange(12.0).reshape(4, 3)
    assert double.emulate({"x": wide[1]})["y"].tolist() == [12.0, 16.0, 20.0]
    assert double.emulate({"x": wide[1:, 0]})["y"].tolist() == [12.0, 24.0, 36.0]
    assert double.emulate({"x": wide[0, ::-1]})["y"].tolist() == [8.0, 4.0, 0.0]
    assert double.emulate({"x": wide[:3, 1].astype("f2")[::-1]})["y"].tolist() == [28.0, 16.0, 4.0]
    read_only = wide[1].copy()
    read_only.flags.writeable = False
    assert double.emulate({"x": read_only})["y"].tolist() == [12.0, 16.0, 20.0]
    assert double.emulate({"x": [1, 2, 3]})["y"].tolist() == [4.0, 8.0, 12.0]


def test_arrays_by_columns(net):
    """As a transposed array is, and what Fortran and linear algebra give."""
    weight, x = numpy.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), numpy.array([[1.0, 0.0, 2.0], [0.5, 0.5, 0.5]])
    for kind in ("f2", "f4", "f8", "i4"):
        for given in (x, numpy.asfortranarray(x), x.T.copy().T):
            state = {"l1.weight": numpy.asfortranarray(weight.astype(kind)), "l1.bias": numpy.zeros(2)}
            assert numpy.allclose(net.emulate({"x": given, "weights": state}, seed=1)["z"], x @ weight.T, atol=1e-3)


PEAK = """\
import re, sys
import numpy, tern

N = 1 << 23
program = tern.compile("const N = arg(1)\\ninput x: fix[N] from party 0\\nfn main() {\\n    output y = x[0] to party 0\\n}\\n", {"N": N})


def memory(what):
    with open("/proc/self/status") as status:
        return int(re.search(rf"{what}:\\s+(\\d+) kB", status.read())[1]) * 1024


x = {array}
before = memory("VmRSS")
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
assert program.emulate({"x": x}, threads=1)["y"] == 1
print((memory("VmHWM") - before) / N)
"""


def peak(array, tmp_path):
    """The most memory that an emulation takes beside its input, in bytes per element."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", PEAK.replace("{array}", array)], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no peak of memory to be read here")
def test_arrays_are_copied_once(tmp_path):
    """What is computed with takes the same memory whatever the array's type: what double precision takes more than bytes are its copies, of 7 bytes more."""
    least = peak("numpy.ones(N, 'u1')", tmp_path)
    for array in ("numpy.ones(N)", "numpy.ones(N, '>f8')", "numpy.ones((2, N), order='F')[0]", "numpy.ones(2 * N)[::-2]", "numpy.ones(N, 'u8')"):
        copies = (peak(array, tmp_path) - least) / 7
        assert 0.8 < copies < 1.2, f"{array} is copied {copies:.2f} times"


def test_a_model_is_a_state_dictionary(net):
    state = {
        "l1.weight": numpy.arange(6.0).reshape(2, 3), "l1.bias": numpy.array([1.0, -1.0]), "l1.num_batches_tracked": numpy.array(3),
        "head.weight": numpy.zeros((4, 2), "f4"),
    }
    x = numpy.array([[1.0, 0.0, 2.0], [0.5, 0.5, 0.5]])
    result = net.emulate({"x": x, "weights": state}, seed=1)
    assert numpy.allclose(result["z"], x @ state["l1.weight"].T + state["l1.bias"], atol=1e-3)
    assert set(result["weights"]) == {"l1.weight", "l1.bias"}
    assert numpy.array_equal(result["weights"]["l1.weight"], state["l1.weight"])
    # what the program does not use is a note
    assert len(result.notes) == 1 and "head.weight" in result.notes[0]


def test_files(net, tmp_path):
    numpy.savez(tmp_path / "w.npz", **{"l1.weight": numpy.ones((2, 3)), "l1.bias": numpy.zeros(2)})
    numpy.save(tmp_path / "x.npy", numpy.ones((2, 3)))
    for inputs, data in [({"weights": tmp_path / "w.npz"}, tmp_path), ({"weights": str(tmp_path / "w.npz"), "x": numpy.ones((2, 3))}, None)]:
        assert net.emulate(inputs, data=data)["z"].tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_data_that_do_not_fit(net, double):
    with pytest.raises(tern.DataError) as raised:
        net.emulate({"x": numpy.ones((2, 4)), "weights": {"l1.weight": numpy.ones((3, 2))}})
    error = raised.value
    assert [p["input"] for p in error.problems] == ["x", "weights"] and error.code == "D004" and error.input == "x"
    assert error.problems[1]["code"] == "D019" and "l1.bias" in str(error) and "error[D019]" in str(error)
    with pytest.raises(tern.DataError, match="inputs=") as raised:
        double.emulate()
    assert raised.value.code == "D001" and raised.value.input == "x" and 'inputs={"x": "FILE"}' in str(raised.value)
    for inputs, text in [({"x": numpy.ones(3), "z": 1}, "no input z"), ({"x": {"a": numpy.ones(3)}}, "one array"), ({"x": ["a"]}, "not numbers")]:
        with pytest.raises(tern.Error, match=text):
            double.emulate(inputs)
    with pytest.raises(tern.Error, match="is a model"):
        net.emulate({"x": numpy.ones((2, 3)), "weights": numpy.ones(3)})


def test_ways_out_are_those_of_python(double, tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.ones(4))
    with pytest.raises(tern.DataError) as raised:
        double.emulate({"x": tmp_path / "x.npy"})
    way = raised.value.help[0]
    assert way == f'inputs={{"x": "{tmp_path}/x.npy[:3]"}}' and way in str(raised.value) and "--input" not in str(raised.value)
    assert double.emulate(eval(f"dict({way})")["inputs"])["y"].tolist() == [4.0, 4.0, 4.0]
    # of what is in no file, nothing is said about one
    with pytest.raises(tern.DataError) as raised:
        double.emulate({"x": numpy.ones(4)})
    assert raised.value.code == "D005" and not any("inputs=" in help for help in raised.value.help)


def test_progress_in_a_terminal(tmp_path):
    master, slave = os.openpty()
    script = f"import numpy, tern\ntern.compile({DOUBLE.replace('0..2', '0..20000')!r}).emulate({{'x': numpy.zeros(3)}})\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script], stderr=slave, env=environment, cwd=tmp_path) as process:
        os.close(slave)
        shown = b""
        while chunk := read(master):
            shown += chunk
    assert process.returncode == 0 and "/20000 00:".encode() in shown and b"first 0.0000" in shown


def read(terminal):
    """What a terminal shows next; nothing when its last process has gone."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_seed_fixes_everything():
    program = tern.compile(DOUBLE.replace("y * 2", "y * 0.3"))
    x = {"x": numpy.array([0.1, 0.2, 0.3])}
    one, two = (program.emulate(x, seed=7)["y"] for _ in range(2))
    assert numpy.array_equal(one, two)
    assert any(not numpy.array_equal(one, program.emulate(x)["y"]) for _ in range(20))


def test_ranges():
    program = tern.compile(DOUBLE.replace("y * 2", "y * y"))
    with pytest.warns(tern.RangeWarning, match="left its range"):
        result = program.emulate({"x": numpy.array([300.0, 0, 0])}, ranges=True)
    assert result.ranges and result.ranges[0]["place"] == "program.mpc:5" and result.ranges[0]["times"] > 0
    assert {row["line"] for row in result.largest} >= {5}
    assert program.emulate({"x": numpy.array([3.0, 0, 0])}).ranges == []


def test_run_errors():
    program = tern.compile("input i: int from party 0\ninput x: fix[3] from party 0\nfn main() {\n    let at = reveal(i)\n    output y = x[at] to party 0\n}\n")
    with pytest.raises(tern.RunError, match="not a row") as raised:
        program.emulate({"x": numpy.ones(3), "i": 5})
    assert (raised.value.file, raised.value.line) == ("program.mpc", 5)


LONG = """\
input x: fix[200, 200] from party 0
fn main() {
    var y = x
    for i in 0..100000 {
        y = y @ x
    }
    output y = y to party 1
}
"""


def test_others_run_meanwhile():
    """The interpreter's lock is released, and a listener's exception ends the run."""
    count, program = [0], tern.compile(LONG)

    def listener(event):
        if event["event"] == "progress" and count[0] > 20:
            raise RuntimeError("enough")

    def tick():
        while count[0] >= 0:
            count[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="enough"):
            program.emulate({"x": numpy.eye(200)}, progress=listener)
        assert count[0] > 20
    finally:
        count[0] = -10**9
        thread.join()


def test_ctrl_c_ends_a_run(tmp_path):
    # a test may run where interrupts are ignored, and Python keeps that
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = f"{heard}import numpy, tern\np = tern.compile({LONG!r})\nprint('begun', flush=True)\ntry:\n    p.emulate({{'x': numpy.eye(200)}})\n" + (
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.5)
        since = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n" and process.returncode == 0
        assert time.monotonic() - since < 10
