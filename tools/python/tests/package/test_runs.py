"""Runs on shares: local processes, real parties, clients."""
import concurrent.futures
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy
import pytest
from programs import DOUBLE, ROOT

import tern

X = numpy.array([1.0, -0.5, 0.25])


def test_local_parties_compute_what_the_emulator_does(double):
    events = []
    result = double.run({"x": X}, seed=3, progress=events.append)
    assert result["y"].tolist() == [4.0, -2.0, 1.0] and result.curves == {"first": [2.0, 4.0]}
    assert result.measured["as_announced"] is True and result.rounds == double.cost().rounds and result.bits == double.cost().bits
    assert {"event": "begun"} in events and any(line["source"].startswith("metric(") for line in result.measured["by_line"])
    assert pathlib.Path(result.files["y"][0]).exists()


def test_models_arrays_and_places(net, tmp_path):
    state = {"l1.weight": numpy.arange(6.0, dtype="f4").reshape(2, 3), "l1.bias": numpy.ones(2)}
    numpy.save(tmp_path / "x.npy", numpy.ones((2, 3), dtype="u1"))
    result = net.run({"weights": state}, data=tmp_path, out=tmp_path / "out", threads=1)
    assert result["z"].tolist() == [[4.0, 13.0], [4.0, 13.0]]
    assert set(result["weights"]) == {"l1.weight", "l1.bias"} and (tmp_path / "out" / "metrics.jsonl").exists()


@pytest.mark.filterwarnings("error::tern.RunWarning")
def test_outputs_in_loops_and_four_parties():
    program = tern.compile(DOUBLE.replace("    }\n", "        output every = y to party 0\n    }\n"), protocol="rep4")
    emulated, run = (runs({"x": X}, seed=1).outputs for runs in (program.emulate, program.run))
    assert set(emulated) == set(run) == {"every", "every.0000", "every.0001", "y"}
    assert all(numpy.array_equal(emulated[name], run[name]) for name in run)


def test_what_goes_wrong_is_said_with_the_party(double):
    with pytest.raises(tern.Error, match="party 0: .*D005"):
        double.run({"x": numpy.ones(4)})
    with pytest.raises(tern.Error, match="no dealer"):
        double.run({"x": X}, dealt="nowhere")


def processes(marker):
    """Processes whose command line has a text."""
    lines = subprocess.run(["ps", "-wweo", "pid,args"], capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if marker in line]


def test_ctrl_c_ends_the_parties(tmp_path):
    program = DOUBLE.replace("0..2", "0..1000000")
    marker = f"marker-{os.getpid()}"
    # a test may run where interrupts are ignored, and Python keeps that
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = f"{heard}import sys, numpy, tern\nsys.path.append({marker!r})\np = tern.compile({program!r})\n" + (
        "try:\n    p.run({'x': numpy.ones(3)}, progress=lambda e: print(e['event'], flush=True))\nexcept KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        while process.stdout.readline() != "begun\n":
            assert process.poll() is None
        assert len(processes("tern._party")) >= 3
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert rest.endswith("interrupted\n") and process.returncode == 0
    deadline = time.monotonic() + 10
    while [line for line in processes(marker) if "_party" in line] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [line for line in processes(marker) if "_party" in line]


# ---- real parties, with keys of the command


def command():
    """The tern command, which makes keys; None if it was not built."""
    built = [os.environ.get("TERN"), *(ROOT / "target" / kind / "tern" for kind in ("release", "debug"))]
    return next((str(path) for path in built if path and pathlib.Path(path).exists()), None)


def free():
    """An address that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def hosts(folder, clients=()):
    """Keys, and the hosts file; with clients the servers listen for them too."""
    servers = [[name, "--address", free(), *(["--clients", free()] if clients else [])] for name in ("alice", "bob", "carol")]
    entries = []
    for options in [*servers, *([name, "--client"] for name in clients)]:
        made = subprocess.run([command(), "keygen", *options], cwd=folder, capture_output=True, text=True, check=True)
        entries.append(made.stdout)
    path = folder / "hosts.toml"
    path.write_text("".join(entries))
    return path


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_real_parties(tmp_path):
    """Three processes of Python, in each of which this is one of the parties."""
    place = hosts(tmp_path)
    script = (
        "import sys, numpy, tern\n"
        "me, hosts = int(sys.argv[1]), sys.argv[2]\n"
        f"program = tern.compile({DOUBLE!r})\n"
        "result = tern.party(program, me, hosts, {'x': numpy.array([1.0, -0.5, 0.25])} if me == 0 else {}, timeout=30)\n"
        "print(result.outputs['y'].tolist() if me == 1 else sorted(result.outputs), result.last)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def one(me):
        return subprocess.run([sys.executable, "-c", script, str(me), str(place)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        ended = list(pool.map(one, range(3)))
    assert [run.returncode for run in ended] == [0, 0, 0], ended
    assert ended[1].stdout == "[4.0, -2.0, 1.0] {'first': 4.0}\n" and ended[0].stdout == "[] {'first': 4.0}\n"


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_a_party_with_a_seed_or_wrong_data(tmp_path, double):
    place = hosts(tmp_path)
    with pytest.raises(tern.Error, match="insecure"):
        tern.party(double, 0, place, seed=1)
    with pytest.raises(tern.Error, match="there is no party 7"):
        tern.party(double, 7, place)


def test_shares_in_files(tmp_path):
    program = tern.compile(DOUBLE.replace("from party 0", "from shares").replace("to party 1", "to shares"))
    files = tern.share(program, {"x": X}, tmp_path / "in")
    assert [pathlib.Path(file).name for file in files] == ["x.shares-0.tern", "x.shares-1.tern", "x.shares-2.tern"]
    assert tern.open(files[:2]).tolist() == X.tolist()
    result = program.run({"x": files[0]}, out=tmp_path / "out")
    assert len(result.files["y"]) == 3 and tern.open(result.files["y"]).tolist() == [4.0, -2.0, 1.0]
    with pytest.raises(tern.Error, match="exists already"):
        tern.share(program, {"x": X}, tmp_path / "in")
    with pytest.raises(tern.Error, match="nothing to share"):
        tern.share(tern.compile(DOUBLE), {"x": X}, tmp_path / "other")
    with pytest.raises(tern.DataError, match="D005"):
        tern.share(program, {"x": numpy.ones(4)}, tmp_path / "other")


def test_clients_of_a_local_run():
    program = tern.compile(DOUBLE.replace("from party 0", "from client hospital").replace("to party 1", "to client analyst"))
    assert program.run({"x": X})["y"].tolist() == [4.0, -2.0, 1.0]


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_sending_and_receiving(tmp_path):
    """Two servers are of the command here, one and the clients of the package."""
    source = DOUBLE.replace("from party 0", "from client hospital").replace("to party 1", "to client analyst")
    (tmp_path / "study.mpc").write_text(source)
    place, program = hosts(tmp_path, ("hospital", "analyst")), tern.compile(tmp_path / "study.mpc")
    calls = [[command(), "serve", "study.mpc", "--party", str(i), "--hosts", place, "--store", f"store{i}"] for i in range(2)]
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = f"{heard}import tern\ntry:\n    tern.serve(tern.compile('study.mpc'), 2, 'hosts.toml', store='store2')\nexcept KeyboardInterrupt:\n    print('ended')\n"
    calls.append([sys.executable, "-c", script])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    servers = [subprocess.Popen(call, cwd=tmp_path, env=environment, text=True, stdout=pipe, stderr=pipe) for call in calls]
    try:
        sent = tern.send(program, {"x": X}, client="hospital", hosts=place, wait="30s")
        assert len(sent) == 3 and all(count > 0 for count in sent.values())
        runs = [
            subprocess.Popen([command(), "run", "study.mpc", "--party", str(i), "--hosts", place, "--store", f"store{i}", "--out", f"out{i}"], cwd=tmp_path)
            for i in range(3)
        ]
        assert [run.wait(60) for run in runs] == [0, 0, 0]
        assert tern.receive(program, client="analyst", hosts=place, wait="30s")["y"].tolist() == [4.0, -2.0, 1.0]
        with pytest.raises(tern.Error, match="hospital"):
            tern.receive(program, "y", client="hospital", hosts=place)
        servers[2].send_signal(signal.SIGINT)
        output, errors = servers[2].communicate(timeout=60)
        assert output == "ended\n" and errors.startswith("serving clients at ") and "hospital" in errors, errors
    finally:
        for server in servers:
            server.terminate()
            server.communicate()

