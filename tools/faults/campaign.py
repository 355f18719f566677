#!/usr/bin/env python3
"""A fault campaign: real parties under a supervisor, which are killed and stopped at random moments.

    tools/faults/campaign.py TERN [--faults 200] [--seed 1] [--program programs/digits.mpc] [--arg EPOCHS=2] [--every 2s]

Every run trains under a seed with nearest rounding, so that its results are known: those of the emulator. The supervisor
does what any would: a party that ends with an error is started again with the very same command line. Faults are
`kill -9` of one party, of two at once, and SIGSTOP for a while. A run must end at all parties, with the same results, and
nobody touches it. Prints a line per run and a summary; the exit code is 1 if a run was not as it should be.

Outside CI: it takes as long as it is told. A small one is `tools/tests/parties/checkpoints.rs`.
"""

import argparse
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ["alice", "bob", "carol", "dave"]
HUNG = 900  # seconds


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class World:
    """Directories of all parties, each with its key; one program."""

    def __init__(self, args, root):
        self.tern, self.root, self.every = args.tern, root, args.every
        self.parties = 4 if args.protocol == "rep4" else 3
        hosts = ""
        for i in range(self.parties):
            here = root / str(i)
            here.mkdir()
            hosts += self.call("keygen", NAMES[i], "--address", f"127.0.0.1:{free_port()}", "--dir", here)
        for i in range(self.parties):
            (root / str(i) / "hosts.toml").write_text(hosts)
        self.program = root / "program.tbc"
        arguments = [word for arg in args.arg for word in ("--arg", arg)]
        self.call(
            "compile", args.program, "-o", self.program, "--rounding", "nearest", "--protocol", args.protocol, *arguments
        )
        self.data = ["--data", args.data] if args.data else []

    def call(self, *words):
        return subprocess.run([self.tern, *map(str, words)], check=True, capture_output=True, text=True).stdout

    def expected(self, seed):
        out = self.root / f"expected-{seed}"
        self.call("emulate", self.program, "--seed", seed, "--out", out, *self.data)
        return out

    def command(self, i, seed):
        here = self.root / str(i)
        words = ["run", self.program, "--party", i, "--hosts", here / "hosts.toml", "--timeout", 10]
        words += ["--seed", seed, "--insecure", "--out", here / "out", *self.data]
        words += ["--checkpoint", here / "points", "--every", self.every, "--wait", "5min", "--retries", 1000]
        return [self.tern, *map(str, words)]


class Run:
    """The parties of one run, each started again when it fails."""

    def __init__(self, world, seed):
        self.world, self.seed = world, seed
        self.starts = 0
        self.log = open(world.root / f"run-{seed}.log", "w")
        self.processes = [self.start(i) for i in range(world.parties)]

    def start(self, i):
        self.starts += 1
        return subprocess.Popen(self.world.command(i, self.seed), stdout=self.log, stderr=self.log)

    def supervise(self):
        """Starts again whoever has failed; whether all have come to their ends."""
        over = True
        for i, process in enumerate(self.processes):
            code = process.poll()
            if code is not None and code != 0:
                time.sleep(0.2)
                self.processes[i] = self.start(i)
            over &= code == 0
        return over

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


def disturb(run, rng, stop):
    """One fault; what it was, or nothing if its victim has come to its end."""
    kind = rng.choices(["kill", "kill two", "stop"], [6, 2, 2])[0]
    victims = rng.sample(range(len(run.processes)), 2 if kind == "kill two" else 1)
    alive = [run.processes[i] for i in victims if run.processes[i].poll() is None]
    if not alive:
        return None
    for process in alive:
        process.send_signal(signal.SIGSTOP if kind == "stop" else signal.SIGKILL)
    if kind == "stop":
        time.sleep(rng.uniform(0.1, stop))
        alive[0].send_signal(signal.SIGCONT)
    return kind


def same(world, expected):
    """Which results differ from those of an undisturbed run."""
    wrong = []
    for file in sorted(expected.iterdir()):
        if not file.is_file():
            continue
        places = [world.root / str(i) / "out" / file.name for i in range(world.parties)]
        here = [place for place in places if place.exists()]
        if not here or any(place.read_bytes() != file.read_bytes() for place in here):
            wrong.append(file.name)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tern")
    parser.add_argument("--program", default="programs/digits.mpc")
    parser.add_argument("--protocol", default="rep3")
    parser.add_argument("--data")
    parser.add_argument("--arg", action="append", default=[])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", default="2s")
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two faults, at most")
    parser.add_argument("--stop", type=float, default=30.0, help="seconds of a stop, at most")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    counts, failed, seed = {}, 0, args.seed
    with tempfile.TemporaryDirectory(prefix="tern-faults-") as folder:
        world = World(args, Path(folder))
        while sum(counts.values()) < args.faults:
            expected, begun, faults = world.expected(seed), time.monotonic(), 0
            run = Run(world, seed)
            try:
                due = time.monotonic() + rng.uniform(0.5, args.pause)
                while not run.supervise():
                    if time.monotonic() - begun > HUNG:
                        break
                    if time.monotonic() > due and sum(counts.values()) < args.faults:
                        kind = disturb(run, rng, args.stop)
                        if kind:
                            counts[kind] = counts.get(kind, 0) + 1
                            faults += 1
                        due = time.monotonic() + rng.uniform(0.5, args.pause)
                    time.sleep(0.02)
                hung = not run.supervise()
            finally:
                run.end()
            wrong = ["it has not come to its end"] if hung else same(world, expected)
            failed += bool(wrong)
            verdict = "as undisturbed" if not wrong else "WRONG: " + ", ".join(wrong)
            took = time.monotonic() - begun
            print(f"seed {seed}: {faults} faults, {run.starts} starts, {took:.1f} s: {verdict}", flush=True)
            if wrong:
                print((world.root / f"run-{seed}.log").read_text()[-4000:], flush=True)
                break
            seed += 1
    total = ", ".join(f"{n} times {kind}" for kind, n in sorted(counts.items()))
    print(f"{sum(counts.values())} faults ({total}) in {seed - args.seed} runs, {failed} runs not as they should be")
    sys.exit(1 if failed else 0)


main()
