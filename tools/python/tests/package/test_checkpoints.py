"""Runs that are interrupted and go on."""
import os
import subprocess
import sys

import numpy
import pytest
from test_runs import command, hosts

import tern

SOURCE = """\
const WORK = arg(0)
input x: fix[2] from party 0
input m: fix[100, 100] from party 0
fn main() {
    var y = x
    var w = m
    for i in 0..12 {
        for j in 0..WORK {
            w = (w @ w) * 0.01 + 0.1
        }
        metric("work", reveal(mean(w)))
        y = y + x
        metric("first", reveal(y[0]))
        output every = y to party 1
    }
    output y = y to party 1
}
"""
X = numpy.array([1.0, -0.5])
GIVEN = {"x": X, "m": numpy.full((100, 100), 0.1)}
METRICS = [2.0 + i for i in range(12)]


@pytest.fixture(scope="module")
def program():
    # long enough to be ended on the way
    return tern.compile(SOURCE, {"WORK": 40})


def interrupted(call):
    """Ends a run in its seventh iteration."""

    def listen(event):
        if event["event"] == "metric" and event["name"] == "first" and event["value"] == METRICS[6]:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        call(progress=listen)


def check(result):
    """It has everything, whichever process computed it."""
    assert result["y"].tolist() == [13.0, -6.5] and result.curves["first"] == METRICS
    names = {"y", "every", *(f"every.{i:04}" for i in range(12))}
    assert set(result.outputs) == names and result["every.0002"].tolist() == [4.0, -2.0] and result["every"].tolist() == [13.0, -6.5]


@pytest.mark.parametrize("how", ["emulate", "run"])
def test_a_run_goes_on(program, how, tmp_path):
    def call(progress=False):
        return getattr(program, how)(GIVEN, out=tmp_path / "out", checkpoint=tmp_path / "points", every=1, progress=progress)

    with pytest.raises(tern.Error, match="resume"):
        getattr(program, how)(GIVEN, out=tmp_path / "out", checkpoint=tmp_path / "points", resume=True)
    interrupted(call)
    assert any("checkpoint" in name for name in os.listdir(tmp_path / "points"))
    events = []
    check(call(events.append))
    resumed = [len(event["metrics"]) for event in events if event["event"] == "resumed"]
    assert len(resumed) == 1 and 12 <= resumed[0] < 24
    # what is over is forgotten
    check(call(events.append))
    assert len([event for event in events if event["event"] == "resumed"]) == 1


def test_what_checkpoints_need(program, tmp_path):
    with pytest.raises(tern.Error, match="out=DIRECTORY"):
        program.run(GIVEN, checkpoint=tmp_path)
    with pytest.raises(tern.Error, match="checkpoint=DIRECTORY"):
        program.emulate(GIVEN, resume=True)
    with pytest.raises(tern.Error, match="every="):
        program.emulate(GIVEN, out=tmp_path / "out", checkpoint=tmp_path / "points", every="soon")
    with pytest.raises(tern.Error, match="dealer"):
        tern.compile(SOURCE, protocol="dealer").run(GIVEN, out=tmp_path / "other", checkpoint=tmp_path / "points")


def test_a_run_that_was_over(program, tmp_path):
    """A process that was killed when all had their results finds these."""
    program.emulate(GIVEN, out=tmp_path)
    events = []
    tern._kept.earlier(events, {"over": True}, program.outputs, tmp_path)
    result = tern.Result({}, events, {"over": True, "seconds": 0.0})
    result._read(program.outputs, None)
    check(result)


PARTY = """\
import sys, numpy, tern
me, hosts = int(sys.argv[1]), sys.argv[2]
program = tern.compile("long.mpc")
given = {"x": numpy.array([1.0, -0.5]), "m": numpy.full((2, 2), 0.1)}
result = tern.party(program, me, hosts, given if me == 0 else {}, out=f"out{me}", checkpoint="points", every=5, wait="60s",
                    progress=lambda event: print(event["event"], flush=True))
print(len(result.metrics), len(result.outputs))
"""


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_a_party_that_dies_comes_back(tmp_path):
    (tmp_path / "long.mpc").write_text(SOURCE.replace("0..12", "0..400").replace("100, 100", "2, 2"))
    place = hosts(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def started(me):
        call = [sys.executable, "-c", PARTY, str(me), str(place)]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=tmp_path)

    parties = [started(me) for me in range(3)]
    try:
        heard = [line for line, _ in zip(iter(parties[1].stdout.readline, ""), range(200)) if line == "checkpoint\n"]
        assert heard
        parties[1].kill()
        parties[1].wait()
        parties[1].stdout.close()
        parties[1] = started(1)
        ended = [party.communicate(timeout=120)[0] for party in parties]
        assert [party.returncode for party in parties] == [0, 0, 0]
    finally:
        for party in parties:
            party.kill()
            party.wait()
    assert "resumed\n" in ended[1] and ended[1].endswith("800 402\n") and ended[0].endswith("800 0\n")
    assert len(list((tmp_path / "out1").glob("every.*.npz"))) == 400
