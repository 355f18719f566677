"""Two builds that take turns: running them, and what comes of it beside a limit."""

import gzip
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Lacking(Exception):
    """What a build cannot say, in a few words."""


@dataclass
class Done:
    """A command that has come to its end."""

    text: str
    seconds: float
    processor: float

    def json(self):
        """The last line, which is the report or the event of the end."""
        return json.loads(self.text.splitlines()[-1])


def call(words, **more):
    """Runs a command, and all its processes' processor time."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr or done.stdout}")
    processor = sum(getattr(after, part) - getattr(before, part) for part in ("ru_utime", "ru_stime"))
    return Done(done.stdout, seconds, processor)


class Build:
    """A checkout with target/release/tern, or a binary, which runs the programs of this repository."""

    def __init__(self, path):
        path = Path(path).resolve()
        binary = path / "target/release/tern"
        self.tern, self.root = (binary, path) if path.is_dir() else (path, ROOT)
        self.known = {}

    def program(self, name):
        return self.root / f"programs/{name}.mpc"

    def call(self, command, program, *words, env=None):
        return call([self.tern, command, program, *words], env=os.environ | (env or {}))

    def has(self, command, option):
        """Whether a command has an option."""
        if command not in self.known:
            self.known[command] = call([self.tern, command, "--help"]).text
        return re.search(rf"^\s*(-\w, )?{re.escape(option)}\b", self.known[command], re.M) is not None

    def offers(self, command, choice):
        """Whether the help of a command, which has options, names a choice of one of them."""
        return self.has(command, "--help") and choice in " ".join(self.known[command].split())

    def commit(self):
        """The commit of its sources, and a mark if they have been changed since; a binary does not tell."""
        if not self.tern.is_relative_to(self.root):
            return "a binary"
        git = ["git", "-C", self.root]
        try:
            commit = call([*git, "rev-parse", "--short", "HEAD"]).text.strip()
            return commit + ("*" if call([*git, "status", "--porcelain", "-uno"]).text else "")
        except SystemExit:
            return "unknown"


@dataclass
class Limit:
    """The most that a figure may be: as a ratio of the other build's, or of itself."""

    most: float
    absolute: bool = False

    def of(self, new, ratio):
        return (new if self.absolute else ratio) <= self.most

    def __str__(self):
        return f"{self.most:g}" if self.absolute else f"{self.most:g} x"


@dataclass
class Row:
    """What is measured. `measure` takes a build and gives figures by name; `limits` has some of the names. `option` is a
    command's, without which a build is measured all the same, and that is said."""

    name: str
    measure: callable
    limits: dict = field(default_factory=dict)
    pairs: int = 1
    option: tuple = None


@dataclass
class Figure:
    """One line of the table."""

    row: str
    what: str
    old: float = None
    new: float = None
    ratios: list = field(default_factory=list)
    limit: Limit = None
    note: str = ""

    def met(self):
        """Whether the limit is kept; nothing if there is none, or nothing to compare with it."""
        if self.limit is None or self.new is None or not (self.ratios or self.limit.absolute):
            return None
        return self.limit.of(self.new, statistics.median(self.ratios) if self.ratios else None)

    def line(self):
        number = lambda value: f"{value:14,.4g}" if value is not None else f"{'-':>14}"
        ratio = f"{statistics.median(self.ratios):10.3f}" if self.ratios else f"{'-':>10}"
        spread = f"{min(self.ratios):.3f} to {max(self.ratios):.3f}" if len(self.ratios) > 1 else ""
        verdict = {None: "", True: "met", False: "not met"}[self.met()]
        line = f"{self.row:30} {self.what:20}{number(self.old)}{number(self.new)}  {ratio}  {spread:16}"
        return f"{line}  {str(self.limit or ''):>8}  {verdict:9}{self.note}".rstrip()


HEAD = f"{'':30} {'':20}{'old':>14}{'new':>14}  new by old  {'least to most':16}  at most"


def measured(row, builds):
    """The figures of a row: builds take turns, and of each that lacks something there is a note."""
    turns, lacking, notes = [], {}, {}
    if row.option:
        without = [name for name, build in zip(("old", "new"), builds) if not build.has(*row.option)]
        notes = {name: f"no {row.option[1]}" for name in without}
    for _ in range(row.pairs):
        turn = []
        for name, build in zip(("old", "new"), builds):
            try:
                turn.append(row.measure(build) if name not in lacking else {})
            except Lacking as why:
                lacking[name] = str(why)
                turn.append({})
        turns.append(turn)
        if len(lacking) == 2:
            break
    note = "; ".join(f"{name}: {why}" for name, why in (notes | lacking).items())
    names = list(dict.fromkeys(what for turn in turns for seen in turn for what in seen)) or list(row.limits) or [""]
    for what in names:
        olds, news = ([turn[i][what] for turn in turns if what in turn[i]] for i in (0, 1))
        ratios = [turn[1][what] / turn[0][what] for turn in turns if turn[0].get(what) and what in turn[1]]
        middle = lambda seen: statistics.median(seen) if seen else None
        yield Figure(row.name, what, middle(olds), middle(news), ratios, row.limits.get(what), note)


class Data:
    """MNIST in a folder, of which builds get as many rows as they declare: older programs take no others."""

    FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

    def __init__(self, folder):
        self.folder, self.made = Path(folder).resolve(), tempfile.TemporaryDirectory()

    def first(self, count):
        """A folder with the first rows of training and test images alike."""
        folder = Path(self.made.name, str(count))
        if not folder.exists():
            folder.mkdir()
            for name in self.FILES:
                (folder / name).write_bytes(self.rows(name, count))
        return folder

    def rows(self, name, count):
        """An idx file with fewer rows: the sizes stand behind four bytes, the last of which says how many there are."""
        path = self.folder / name
        if not path.exists() and not path.with_name(f"{name}.gz").exists():
            raise SystemExit(f"MNIST is not in {self.folder}: there is no {name} (--data)")
        raw = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
        start = 4 + 4 * raw[3]
        each = (len(raw) - start) // int.from_bytes(raw[4:8], "big")
        return raw[:4] + count.to_bytes(4, "big") + raw[8 : start + count * each]


def machine():
    """This machine in a line."""
    about = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", about, re.M)
    wide = "AVX-512" if "avx512f" in about else "AVX2" if "avx2" in about else "neither AVX2 nor AVX-512"
    return f"{model[1].strip() if model else 'unknown processor'}, {os.cpu_count()} cores, {wide}"


def load():
    """How many processes were ready to run, over the last minute and the last quarter of an hour."""
    one, _, fifteen = os.getloadavg()
    return f"{one:.2f} and {fifteen:.2f}"
