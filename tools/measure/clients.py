#!/usr/bin/env python3
"""What it costs that data come from a client: 60,000 × 784 numbers, sent to three servers, against a party's own input.

    tools/measure/clients.py [--tern target/release/tern] [--images 60000] [--pairs 5]

Two things are compared, each in pairs that take turns, everything on this machine:

- `tern send` of the images, to three `tern serve`, against a run in which party 0 puts in the same images itself and
  nothing is computed with them: the median ratio of wall time (at most 1.5), and the client's memory (below 200 MB).
- network A on one batch: the memory of a party on data that clients sent, against its own (at most 1.1 times).

The images are noise of the right shape. Quiet machines only. The exit code is 1 if a limit is not kept.
"""

import argparse
import contextlib
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"send": 1.5, "client": 200.0, "memory": 1.1}
INPUT = """
input x: fix[{images}, 784] from {source}, scale = 1/256
fn main() {{
    metric("first", reveal(sum(x[0])))
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class World:
    """Three servers and a client, each with a key; programs and data."""

    def __init__(self, options, root):
        self.tern, self.root, self.options = str(Path(options.tern).resolve()), root, options
        self.failed = []
        hosts = ""
        for i in range(3):
            ports = ["--address", f"127.0.0.1:{free_port()}", "--clients", f"127.0.0.1:{free_port()}"]
            hosts += self.call("keygen", f"server{i}", *ports, "--dir", root)
        hosts += self.call("keygen", "lab", "--client", "--dir", root)
        (root / "hosts.toml").write_text(hosts)
        images = options.images
        for source, name in (("party 0", "own"), ("client lab", "sent")):
            (root / f"{name}.mpc").write_text(INPUT.format(images=images, source=source))
            text = (ROOT / "programs/mnist_a.mpc").read_text()
            if name == "sent":
                text = re.sub(r"(input train_[xy]: *fix\[[^]]*\] *)from party [01]", r"\1from client lab", text)
            (root / f"train_{name}.mpc").write_text(text)
        header = b"\x93NUMPY\x01\x00"
        self.npy("x", header, f"({images}, 784)", os.urandom(images * 784))
        self.npy("train_x", header, f"({images}, 784)", os.urandom(images * 784))
        self.npy("train_y", header, f"({images},)", bytes(i % 10 for i in range(images)))
        self.npy("test_x", header, "(100, 784)", os.urandom(100 * 784))
        self.npy("test_y", header, "(100,)", bytes(i % 10 for i in range(100)))

    def npy(self, name, header, shape, data):
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
        text += " " * ((-len(header) - 2 - len(text) - 1) % 64) + "\n"
        (self.root / f"{name}.npy").write_bytes(header + len(text).to_bytes(2, "little") + text.encode() + data)

    def call(self, *words):
        done = subprocess.run([self.tern, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{words}: {done.stderr}")
        return done.stdout

    def start(self, *words):
        return subprocess.Popen([self.tern, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, process):
        """The largest resident size of a process, in MB."""
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            self.failed.append(said)
        return usage.ru_maxrss / 1e3

    def check(self):
        if self.failed:
            sys.exit("\n".join(self.failed))

    def run(self, program, *more):
        """Three parties: seconds, and the largest memory of one."""
        begun = time.monotonic()
        words = ["run", self.root / program, "--hosts", self.root / "hosts.toml", "--threads", 1, *more]
        parties = []
        for i in range(3):
            own = ["--party", i, "--out", self.root / f"out{i}", "--key", self.root / f"server{i}.key.pem"]
            if "sent" in program:
                own += ["--store", self.root / f"store{i}"]
            if program == "own.mpc" and i == 0:
                own += ["--input", f"x={self.root / 'x.npy'}"]
            parties.append(self.start(*words, *own))
        memory = max(self.finish(party) for party in parties)
        self.check()
        return time.monotonic() - begun, memory

    @contextlib.contextmanager
    def serving(self, program):
        """Three servers for clients, until the end of the block, whatever happens in it."""
        servers = []
        try:
            for i in range(3):
                own = ["--party", i, "--key", self.root / f"server{i}.key.pem", "--store", self.root / f"store{i}"]
                words = ["serve", self.root / program, "--hosts", self.root / "hosts.toml", *own, *self.arguments(program)]
                servers.append(self.start(*words))
                while "serving clients at" not in (line := servers[-1].stdout.readline()):
                    if not line:
                        sys.exit("a server ended")
            yield
        finally:
            for server in servers:
                server.terminate()
                server.wait()

    def arguments(self, program):
        if not program.startswith("train"):
            return []
        sizes = {"N": self.options.images, "EPOCHS": 1, "TEST": 100, "BATCH": self.options.images // 2}
        if self.options.images > 1000:
            sizes["BATCH"] = 1000
        return [word for name, value in sizes.items() for word in ("--arg", f"{name}={value}")]

    def send(self, program, *names):
        """Seconds of a sending, and the client's memory."""
        begun = time.monotonic()
        words = ["send", self.root / program, "--as", "lab", "--hosts", self.root / "hosts.toml", "--replace"]
        words += [word for name in names for word in ("--input", f"{name}={self.root / name}.npy")]
        memory = self.finish(self.start(*words, *self.arguments(program)))
        self.check()
        return time.monotonic() - begun, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tern", default=str(ROOT / "target/release/tern"))
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        world = World(options, Path(folder))
        ratios, most = [], 0.0
        with world.serving("sent.mpc"):
            for _ in range(options.pairs):
                own, _ = world.run("own.mpc")
                sent, memory = world.send("sent.mpc", "x")
                ratios.append(sent / own)
                most = max(most, memory)
                print(f"own input {own:6.2f} s, sent {sent:6.2f} s with {memory:.0f} MB: {ratios[-1]:.3f}", flush=True)
        figures["send"], figures["client"] = statistics.median(ratios), most
        data, sizes = ["--data", world.root], world.arguments("train_own.mpc")
        _, own = world.run("train_own.mpc", *data, *sizes)
        with world.serving("train_sent.mpc"):
            world.send("train_sent.mpc", "train_x", "train_y")
        for name in ("train_x", "train_y"):
            (world.root / f"{name}.npy").unlink()
        _, sent = world.run("train_sent.mpc", *data, *sizes)
        figures["memory"] = sent / own
        print(f"network A takes {own:.0f} MB at a party on its own data, {sent:.0f} MB on what clients sent")
    for name, text in (("send", "wall time of a sending"), ("client", "MB of a client"), ("memory", "memory of a party")):
        print(f"{text}: {figures[name]:.3f} (at most {LIMITS[name]})")
    sys.exit(0 if all(figures[name] <= limit for name, limit in LIMITS.items()) else 1)


main()
