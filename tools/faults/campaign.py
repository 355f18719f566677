#!/usr/bin/env python3
"""A fault campaign: real parties under a supervisor, with faults at random moments.

    tools/faults/campaign.py TERN [--faults 200] [--seed 1] [--out FILE]

Runs take turns between the digits and network A on a few images, under a seed with nearest rounding, so that their
results are known: those of the emulator. The supervisor does what any would: a party that ends with an error is started
again with the very same command line. A run must end at all parties, with the same results, and nobody touches it.

| fault | what happens |
|---|---|
| kill | `kill -9` of one party |
| kill two | of two parties at once |
| stop | SIGSTOP for 30 s, three times as long as parties wait for a sign of life |
| full disk | the disk of a party's checkpoints is filled up for a while: a file system of its own, which takes root |
| cut | connections of two parties are closed, and new ones refused for a while |
| silence | what two parties send each other is held back for a while |

Links go through a proxy of this program. Prints a line per run and a summary; the exit code is 1 if a run was not as it
should be. What is lost when a run goes back are the iterations between the farthest that any party had said to be in and the
first that it says after it went on, in intervals of checkpoints, which are numbers of iterations; parties say where they
are ten times a second, so a tenth of a second may be missing.

Outside CI: it takes as long as it is told. A small one is `tools/tests/parties/checkpoints.rs`.
"""

import argparse
import asyncio
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NAMES = ["alice", "bob", "carol", "dave"]
ROOT = Path(__file__).resolve().parents[2]
# with the iterations between two checkpoints: a second or two of an undisturbed run
PROGRAMS = [("digits", ["EPOCHS=2"], 10), ("mnist_a", ["EPOCHS=1", "N=1920", "TEST=100", "BATCH=64"], 5)]
KINDS = {"kill": 8, "kill two": 4, "stop": 2, "full disk": 3, "cut": 3, "silence": 2}
HUNG = 3600  # seconds
TIMEOUT = 10  # seconds without a sign of life
DISK = 128 << 20  # bytes for the checkpoints of a party: two that are kept and one that is written, of 30 MB, have room


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Link:
    """What one party dials to reach another one: a port of its own that leads there."""

    def __init__(self, target):
        self.port, self.target = free_port(), target
        self.closed, self.silent, self.writers = False, False, set()

    async def serve(self):
        await asyncio.start_server(self.accept, "127.0.0.1", self.port)

    async def accept(self, reader, writer):
        if self.closed:
            writer.transport.abort()
            return
        try:
            theirs, to = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, to}
        await asyncio.gather(self.pump(reader, to), self.pump(theirs, writer))
        self.writers -= {writer, to}

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(1 << 18):
                while self.silent:
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()

    async def fail(self, silent, seconds):
        self.silent, self.closed = silent, not silent
        if not silent:
            for writer in list(self.writers):
                writer.transport.abort()
        await asyncio.sleep(seconds)
        self.silent = self.closed = False


class Proxy:
    """All links, in a thread."""

    def __init__(self, ports):
        self.loop = asyncio.new_event_loop()
        parties = range(len(ports))
        self.links = {(i, j): Link(ports[j]) for i in parties for j in parties if i != j}
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        for link in self.links.values():
            self.run(link.serve()).result()

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def fail(self, i, j, silent, seconds):
        works = [self.run(self.links[pair].fail(silent, seconds)) for pair in ((i, j), (j, i))]
        for work in works:
            work.result()


class World:
    """Directories of all parties, each with its key; programs and data."""

    def __init__(self, args, root):
        self.args, self.tern, self.root = args, str(Path(args.tern).resolve()), root
        self.parties = 4 if args.protocol == "rep4" else 3
        ports = [free_port() for _ in range(self.parties)]
        entries = []
        for i in range(self.parties):
            (root / str(i)).mkdir()
            entries.append(self.call("keygen", NAMES[i], "--address", f"127.0.0.1:{ports[i]}", "--dir", root / str(i)))
        self.proxy = Proxy(ports)
        for i in range(self.parties):
            hosts = ""
            for j, entry in enumerate(entries):
                port = ports[j] if i == j else self.proxy.links[i, j].port
                hosts += entry.replace(f"127.0.0.1:{ports[j]}", f"127.0.0.1:{port}")
            (root / str(i) / "hosts.toml").write_text(hosts)
        self.has_disks = self.mount()
        self.programs = [self.compile(*program) for program in PROGRAMS if self.has_data(program[0])]

    def mount(self):
        """A small disk for the checkpoints of each party."""
        for i in range(self.parties):
            (self.root / str(i) / "points").mkdir()
            options = ["-t", "tmpfs", "-o", f"size={DISK}", "tern", self.root / str(i) / "points"]
            mounted = subprocess.run(["mount", *options], capture_output=True, text=True)
            if mounted.returncode != 0:
                print(f"skipped: no disk is filled up, since none can be mounted: {mounted.stderr.strip()}", flush=True)
                return False
        return True

    def unmount(self):
        for i in range(self.parties):
            subprocess.run(["umount", self.root / str(i) / "points"], capture_output=True, check=False)

    def has_data(self, name):
        there = name == "digits" or Path(self.args.mnist).is_dir()
        if not there:
            print(f"skipped: {name}, for there is no {self.args.mnist}", flush=True)
        return there

    def compile(self, name, arguments, every):
        program = self.root / f"{name}.tbc"
        words = [word for arg in arguments for word in ("--arg", arg)]
        protocol = ["--protocol", self.args.protocol, "--rounding", "nearest"]
        self.call("compile", ROOT / f"programs/{name}.mpc", "-o", program, *protocol, *words)
        data = ROOT / "programs/digits/digits.npz" if name == "digits" else self.args.mnist
        return name, program, ["--data", data], every

    def call(self, *words):
        done = subprocess.run([self.tern, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{shlex.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def expected(self, program, seed):
        out = self.root / f"expected-{seed}"
        self.call("emulate", program[1], "--seed", seed, "--out", out, *program[2])
        return out

    def command(self, i, program, seed):
        here = self.root / str(i)
        words = ["run", program[1], "--party", i, "--hosts", here / "hosts.toml", "--timeout", TIMEOUT, "--threads", 1]
        words += ["--seed", seed, "--insecure", "--out", here / f"out-{seed}", *program[2], "--json"]
        words += ["--checkpoint", here / "points", "--every", program[3]]
        words += ["--wait", "5min", "--retries", 1000]
        return [self.tern, *map(str, words)]


class Run:
    """The parties of one run, each started again when it fails."""

    def __init__(self, world, program, seed):
        self.world, self.program, self.seed = world, program, seed
        self.starts, self.seen = 0, []
        self.logs = [open(world.root / f"run-{seed}-{i}.log", "w") for i in range(world.parties)]
        self.processes = [self.start(i) for i in range(world.parties)]

    def start(self, i):
        self.starts += 1
        command = self.world.command(i, self.program, self.seed)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.logs[i], text=True)
        threading.Thread(target=self.listen, args=(i, process.stdout), daemon=True).start()
        return process

    def listen(self, i, events):
        """Keeps what a party says, with the time at which it says it."""
        for line in events:
            try:
                self.seen.append((time.time(), i, json.loads(line)))
            except ValueError:  # of one that was killed while it wrote
                pass

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

    def tail(self):
        """The ends of the logs."""
        logs = [self.world.root / f"run-{self.seed}-{i}.log" for i in range(self.world.parties)]
        return "\n".join(f"--- party {i}\n{log.read_text()[-3000:]}" for i, log in enumerate(logs))

    def losses(self, faults):
        """Intervals that were lost whenever the run went back, and whether a disk was full meanwhile."""
        lost, begun, reached = [], set(), {0: 0.0}  # iterations, with the times at which they were first heard of
        for now, party, event in list(self.seen):
            if event["event"] in ("forecast", "resumed"):  # of a run that begins, or goes on
                begun.add(party)
            if event["event"] != "progress":
                continue
            done = event["done"]
            if party in begun and done < max(reached):
                since = min(time for iteration, time in reached.items() if iteration >= done)
                was_full = any(since - 8 <= t < now and kind == "full disk" for t, kind in faults)
                lost.append(((max(reached) - done) / self.program[3], was_full))
                reached = {iteration: time for iteration, time in reached.items() if iteration < done}
            begun.discard(party)
            reached.setdefault(done, now)
        return lost


def disturb(run, rng, world):
    """One fault; what it was, or nothing if its victim has come to its end."""
    kinds = {kind: n for kind, n in KINDS.items() if world.has_disks or kind != "full disk"}
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    victims = rng.sample(range(world.parties), 2)
    if kind in ("kill", "stop", "full disk"):
        victims = victims[:1]
    hold = rng.uniform(0.5, 8.0)
    alive = [run.processes[i] for i in victims if run.processes[i].poll() is None]
    if len(alive) < len(victims):
        return None
    if kind in ("kill", "kill two"):
        for process in alive:
            process.kill()
    elif kind == "stop":
        alive[0].send_signal(signal.SIGSTOP)
        time.sleep(world.args.stop)
        alive[0].send_signal(signal.SIGCONT)
    elif kind == "full disk":
        fill(world.root / str(victims[0]) / "points" / "ballast", hold)
    else:
        world.proxy.fail(*victims, kind == "silence", hold)
    return kind


def fill(ballast, seconds):
    """Fills a disk up for a while."""
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    time.sleep(seconds)
    ballast.unlink()


def same(world, expected, seed):
    """Which results differ from those of an undisturbed run."""
    wrong = []
    for file in sorted(expected.iterdir()):
        if not file.is_file():
            continue
        places = [world.root / str(i) / f"out-{seed}" / file.name for i in range(world.parties)]
        here = [place for place in places if place.exists()]
        if not here or any(place.read_bytes() != file.read_bytes() for place in here):
            wrong.append(file.name)
    return wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tern")
    parser.add_argument("--protocol", default="rep3")
    parser.add_argument("--mnist", default=str(ROOT / "../shared/data/mnist"), help="directory of MNIST")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two faults, at most")
    parser.add_argument("--stop", type=float, default=30.0, help="seconds of a stop")
    parser.add_argument("--out", help="where the summary goes too")
    return parser.parse_args()


def play(world, program, seed, rng, counts):
    """One run with its faults: whether it is as it should be, and the losses."""
    args = world.args
    expected, begun, faults = world.expected(program, seed), time.monotonic(), []
    run = Run(world, program, seed)
    try:
        due = time.monotonic() + rng.uniform(0.5, args.pause)
        while not (over := run.supervise()) and time.monotonic() - begun < HUNG:
            if time.monotonic() > due and sum(counts.values()) < args.faults:
                at = time.time()
                if kind := disturb(run, rng, world):
                    counts[kind] = counts.get(kind, 0) + 1
                    faults.append((at, kind))
                due = time.monotonic() + rng.uniform(0.5, args.pause)
            time.sleep(0.02)
    finally:
        run.end()
    wrong = same(world, expected, seed) if over else ["it has not come to its end"]
    verdict = "as undisturbed" if not wrong else "WRONG: " + ", ".join(wrong)
    losses = run.losses(faults)
    lost = f", {max(losses)[0]:.2f} intervals lost at most" if losses else ""
    took = time.monotonic() - begun
    line = f"{program[0]}, seed {seed}: {len(faults)} faults, {run.starts} starts, {took:.0f} s{lost}: {verdict}"
    print(line, flush=True)
    if wrong:
        print(run.tail(), flush=True)
    return not wrong, losses, line


def main():
    args = arguments()
    rng, counts, lines, losses, good = random.Random(args.seed), {}, [], [], True
    with tempfile.TemporaryDirectory(prefix="tern-faults-") as folder:
        world = World(args, Path(folder))
        try:
            while good and sum(counts.values()) < args.faults:
                program = world.programs[len(lines) % len(world.programs)]
                good, lost, line = play(world, program, args.seed + len(lines), rng, counts)
                lines.append(line)
                losses += lost
        finally:
            world.unmount()
    kinds = "\n".join(f"  {n:4} × {kind}" for kind, n in sorted(counts.items(), key=lambda item: -item[1]))
    most = {full: max([lost for lost, was_full in losses if was_full == full], default=0) for full in (False, True)}
    went_back = f"runs went back {len(losses)} times, by {most[False]:.2f} intervals of checkpoints at most; "
    went_back += f"by {most[True]:.2f} where a full disk had kept checkpoints from being written"
    summary = f"{sum(counts.values())} faults in {len(lines)} runs:\n{kinds}\n{went_back}\n"
    summary += f"{len(lines) - (not good)} of {len(lines)} runs ended at all parties with the results of an undisturbed run"
    print(summary)
    if args.out:
        command = shlex.join(["tools/faults/campaign.py", *sys.argv[1:]])
        cores = f"{os.cpu_count()} cores, a checkpoint every {', '.join(f'{every} iterations of {name}' for name, _, every in PROGRAMS)}"
        Path(args.out).write_text("\n".join([command, cores, "", *lines, "", summary, ""]))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
