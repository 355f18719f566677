#!/usr/bin/env python3
"""Two builds of tern beside each other: time, processor time, memory, rounds and bits, with limits for the newer one.

    tools/measure/builds.py OLD NEW [--data ../shared/data/mnist] [--pairs 5] [--networks abcd] [--fixed 16 32]
        [--only TEXT…] [--narrow VARIABLE=VALUE] [--clone] [--tests] [--out docs/results/builds.txt] [--history FILE]

OLD and NEW are checkouts with target/release/tern, or binaries. Builds take turns, and each figure is the median of
the pairs' ratios, new by old, with the least and the most; a machine that slows both down shows in the spread. Each
build runs the programs of its own sources. Three parties over TLS on this machine; a batch is the difference of two
trainings of one epoch, without test images; processor seconds are those of all parties.

--narrow names the variable of the environment that keeps a build from using AVX-512. --clone times a fresh copy of the
sources until the first accuracy of the README's first command, --tests the README's test command once all is built;
both take minutes. --history appends a line with the figures of NEW to a file (tools/measure/history.py shows it).
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import history
from pairs import HEAD, ROOT, Build, Data, Lacking, Limit, Row, call, load, machine, measured

BATCH = 128
MORE = {"a": 40, "b": 8, "c": 8, "d": 40}  # batches of which the difference is taken
WAN = "rtt=40ms,bw=352Mbit"
WAN_BATCHES = 3

SECONDS = {("a", 16): 0.65, ("b", 16): 0.6, ("c", 16): 0.55, ("d", 16): 0.65}
SECONDS |= {("a", 32): 0.6, ("b", 32): 0.5, ("c", 32): 0.45, ("d", 32): 0.55}
ROUNDS = {"a": 72, "c": 115}
MEMORY = {"a": 0.6, "c": 0.7}


def words(fixed, images, *more):
    """Arguments of a training of one epoch without test images."""
    sizes = [f"N={images}", "EPOCHS=1", "TEST=0", f"BATCH={BATCH}"]
    return ["--fixed", fixed, *(word for size in sizes for word in ("--arg", size)), *more]


def optimised(build, command, goal):
    """The option that chooses what costs are kept low; a build without it has nothing to choose."""
    return ["--optimise", goal] if goal and build.has(command, "--optimise") and build.offers(command, f"{goal}, for") else []


def announced(build, network, fixed, goal=None, *more):
    """Rounds, bits and, with a network among `more`, seconds of a batch."""
    own = [*optimised(build, "cost", goal), "--json", *more]
    costs = [build.call("cost", build.program(f"mnist_{network}"), *words(fixed, n * BATCH, *own)).json() for n in (1, 2)]
    return {what: costs[1][what] - costs[0][what] for what in ("rounds", "bits", "seconds") if what in costs[0]}


def difference(build, command, program, of, many):
    """Seconds and processor seconds of a batch: of `many` more than one; `of` gives the arguments for so many."""
    with tempfile.TemporaryDirectory() as out:
        few, all_ = (build.call(command, program, *of(n), "--seed", 1, "--out", out) for n in (1, 1 + many))
    return {"seconds": (all_.seconds - few.seconds) / many, "processor seconds": (all_.processor - few.processor) / many}


def trained(build, options, network, fixed, command="run", *more, many=None, env=None):
    program = build.program(f"mnist_{network}")
    of = lambda n: words(fixed, n * BATCH, "--data", options.data.first(n * BATCH), *more)
    if env:
        build = with_environment(build, env)
    return difference(build, command, program, of, many or MORE[network])


def with_environment(build, env):
    changed = Build(build.root if build.tern.is_relative_to(build.root) else build.tern)
    changed.call = lambda command, program, *words: Build.call(changed, command, program, *words, env=env)
    return changed


def inferred(build, options):
    """128 images of network C, by weights of a batch."""
    with tempfile.TemporaryDirectory() as out:
        one = options.data.first(BATCH)
        build.call("emulate", build.program("mnist_c"), *words(16, BATCH, "--data", one, "--out", out))
        images = lambda n: f"images={options.data.first(n * BATCH)}/t10k-images-idx3-ubyte"
        given = lambda n: ["--input", f"weights={out}/weights.npz", "--input", images(n)]
        of = lambda n: ["--fixed", 16, "--arg", f"N={n * BATCH}", "--arg", f"BATCH={BATCH}", *given(n)]
        return difference(build, "run", build.program("mnist_c_inference"), of, 8)


def remembered(build, options, network):
    """Megabytes of the largest party in three batches and the test, with all of MNIST."""
    source = build.program(f"mnist_{network}").read_text()
    short = re.sub(r"( +)total \+= .*", r"\g<0>\n\1steps += 1\n\1if steps == 3 {\n\1    break\n\1}", source, count=1)
    short = short.replace("        var total = 0.0\n", "        var total = 0.0\n        var steps = 0\n", 1)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "short.mpc")
        program.write_text(short)
        more = ["--arg", "EPOCHS=1", "--data", options.data.folder, "--seed", 1, "--out", folder, "--json"]
        return {"MB per party": build.call("run", program, *more).json()["peak_memory"] / 1e6}


def narrow(build, options):
    """How much longer a batch of C takes without AVX-512."""
    if not options.narrow:
        raise Lacking("no variable that narrows the choice (--narrow)")
    name, value = options.narrow.split("=", 1)
    if name.encode() not in build.tern.read_bytes():
        raise Lacking(f"no {name}")
    wide = trained(build, options, "c", 16)
    less = trained(build, options, "c", 16, env={name: value})
    return {f"{what}, times": less[what] / wide[what] for what in wide}


def commands(build):
    """The commands of the README."""
    return re.findall(r"^    (cargo .*)$", (build.root / "README.md").read_text(), re.M)


def cloned(build):
    """Seconds of a fresh copy until the first accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "-C", build.root, "archive", "HEAD"], check=True, capture_output=True)
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
        begun = time.monotonic()
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        process = subprocess.Popen(shlex.split(commands(build)[0]), cwd=folder, start_new_session=True, **quiet)
        found = any("accuracy" in line for line in process.stdout)
        seconds = time.monotonic() - begun
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # cargo and what it started
        process.wait()
    if not found:
        raise SystemExit(f"{build.root}: {commands(build)[0]} showed no accuracy")
    return {"seconds": seconds}


def tested(build):
    """Seconds of the README's test command, when everything is built."""
    command = next(command for command in commands(build) if command.startswith("cargo test"))
    call([*shlex.split(command), "--no-run"], cwd=build.root)
    return {"seconds": call(shlex.split(command), cwd=build.root).seconds}


def batches(options):
    for network in options.networks:
        for fixed in options.fixed:
            name = f"{network.upper()}, f = {fixed}"
            most = Limit(SECONDS[network, fixed]) if (network, fixed) in SECONDS else None
            yield Row(name, lambda b, n=network, f=fixed: announced(b, n, f))
            limits = {"seconds": most, "processor seconds": most}
            yield Row(name, lambda b, n=network, f=fixed: trained(b, options, n, f), limits, options.pairs)


def of_c(options):
    pairs, most = options.pairs, Limit(0.6)
    limits = {"seconds": most, "processor seconds": most}
    yield Row("C, 128 images classified", lambda b: inferred(b, options), limits, pairs)
    for threads in (1, 2):
        name = f"C, emulator, {threads} thread{'s' * (threads > 1)}"
        more = ("emulate", "--threads", threads)
        limits = {"seconds": Limit(0.5), "processor seconds": Limit(0.5)}
        yield Row(name, lambda b, more=more: trained(b, options, "c", 16, *more), limits, pairs)
    limits = {"seconds, times": Limit(2.2, absolute=True)}
    yield Row("C, AVX2 by AVX-512", lambda b: narrow(b, options), limits, pairs)


def on_lines(options):
    """What matters where links are slow, each with the option that keeps it low."""
    for network in sorted(set("ac") & set(options.networks)):
        letter = network.upper()
        limits = {"rounds": Limit(ROUNDS[network], absolute=True), "bits": Limit(1.15)}
        said = lambda b, n=network: announced(b, n, 16, "rounds")
        yield Row(f"{letter}, --optimise rounds", said, limits, option=("cost", "--optimise"))
        limits = {"seconds": Limit(0.75)}
        said = lambda b, n=network: {"seconds": announced(b, n, 16, "rounds", "--network", WAN)["seconds"]}
        yield Row(f"{letter}, WAN predicted", said, limits, option=("cost", "--optimise"))
        ran = lambda b, n=network: trained(
            b, options, n, 16, "run", "--network", WAN, *optimised(b, "run", "rounds"), many=WAN_BATCHES
        )
        yield Row(f"{letter}, WAN simulated", ran, limits, options.pairs, ("run", "--optimise"))
    for network in options.networks:
        name = f"{network.upper()}, --optimise balanced"  # which keeps bits low
        said = lambda b, n=network: announced(b, n, 16, "balanced")
        yield Row(name, said, {"bits": Limit(0.97)})


def rows(options):
    """What is measured, in the order of the table."""
    yield from batches(options)
    if "c" in options.networks:
        yield from of_c(options)
    yield from on_lines(options)
    for network in sorted(set("ac") & set(options.networks)):
        limits = {"MB per party": Limit(MEMORY[network])}
        name = f"{network.upper()}, all of MNIST"
        yield Row(name, lambda b, n=network: remembered(b, options, n), limits, options.pairs)
    if options.clone:
        yield Row("fresh clone to accuracy", cloned, {"seconds": Limit(0.5)})
    if options.tests:
        yield Row("README's test command", tested, {"seconds": Limit(1)})


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs=2, metavar="BUILD", type=Build)
    parser.add_argument("--data", type=Data, default=str(ROOT / "../shared/data/mnist"))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--networks", default="abcd")
    parser.add_argument("--fixed", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--only", nargs="*", default=[], help="only rows whose name contains one of these")
    parser.add_argument("--narrow", metavar="VARIABLE=VALUE")
    parser.add_argument("--clone", action="store_true")
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--history", type=Path)
    return parser.parse_args()


def main():
    chosen = options()
    old, new = chosen.builds
    lines, figures = [], []

    def say(line=""):
        lines.append(line)
        print(line, flush=True)

    say(f"{new.commit()} beside {old.commit()}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {chosen.pairs} pairs")
    say(f"{machine()}; load before: {load()}")
    say()
    say(HEAD)
    for row in rows(chosen):
        if chosen.only and not any(text in row.name for text in chosen.only):
            continue
        for figure in measured(row, chosen.builds):
            figures.append(figure)
            say(figure.line())
    say()
    say(f"load after: {load()}")
    verdicts = [figure.met() for figure in figures if figure.limit]
    say(f"of {len(verdicts)} limits, {verdicts.count(True)} met, {verdicts.count(False)} not, {verdicts.count(None)} not measured")
    if chosen.out:
        chosen.out.write_text("\n".join(lines) + "\n")
    if chosen.history:
        history.append(chosen.history, new.commit(), machine(), figures)


if __name__ == "__main__":
    main()
