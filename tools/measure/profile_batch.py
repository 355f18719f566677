#!/usr/bin/env python3
"""Where the time of one batch goes: by source line, as the parties measure it, and by function, as `perf` samples it.

    tools/measure/profile_batch.py BUILD… [--network c] [--fixed 16] [--batches 8] [--runs 3] [--emulator] [--out FILE]

BUILD is a checkout with target/release/tern, or a binary; with several, they stand side by side. By line: milliseconds
of the slowest party, of the difference of two trainings, the median of the runs, in which builds take turns; only lines
that every batch runs. By function: samples of all parties of the longer training, without the waiting; an instance of a
generic function is named with the closures that it is of. Without `perf`, or where it may not sample, only the lines are
shown. --emulator samples the emulator instead, which has no lines.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from pairs import ROOT, Build, Data, machine

BATCH = 128
LEAST = 0.4  # percent of the samples


def words(options, batches, *more):
    sizes = [f"N={batches * BATCH}", "EPOCHS=1", "TEST=0"]
    arguments = [word for size in sizes for word in ("--arg", size)]
    return ["--fixed", options.fixed, *arguments, "--data", options.data.first(batches * BATCH), "--seed", 1, *more]


def by_line(build, options):
    """Seconds of computing and of waiting per batch, by line."""
    with tempfile.TemporaryDirectory() as out:
        program = build.program(f"mnist_{options.network}")
        few, all_ = (
            {(line["file"], line["line"]): line for line in build.call("run", program, *words(options, n, "--out", out, "--json")).json()["by_line"]}
            for n in (1, 1 + options.batches)
        )
    nothing = {"compute": 0.0, "waited": 0.0, "executions": 0}
    each = lambda place, what: (all_[place][what] - few.get(place, nothing)[what]) / options.batches
    seconds = Counter(), Counter()
    for place in all_:
        if each(place, "executions") >= 1:
            for counter, what in zip(seconds, ("compute", "waited")):
                counter[named(build, *place)] += each(place, what)
    return {name: tuple(counter[name] for counter in seconds) for name in seconds[0]}


def named(build, file, line):
    """A line as it reads, by which those of several builds are found again."""
    path = Path(file) if Path(file).is_absolute() else build.root / file
    text = path.read_text().splitlines()[line - 1].strip() if path.is_file() else str(line)
    return f"{path.name}: {text[:80]}" if file else "what belongs to no line"


def lines_in_turns(options):
    """The medians of computing and waiting, by line, of each build."""
    turns = [[by_line(build, options) for build in options.builds] for _ in range(options.runs)]
    for seen in zip(*turns):
        middle = lambda place, i: statistics.median(lines.get(place, (0.0, 0.0))[i] for lines in seen)
        yield {place: (middle(place, 0), middle(place, 1)) for place in seen[0]}


def by_function(build, options):
    """Percent of the samples, by function."""
    if not shutil.which("perf"):
        return {}
    command = "emulate" if options.emulator else "run"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "perf.data")
        run = [build.tern, command, build.program(f"mnist_{options.network}"), *words(options, options.batches, "--out", folder)]
        sampled = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "-o", data, "--", *run]
        done = subprocess.run([str(word) for word in sampled], capture_output=True, text=True)
        if done.returncode:
            print(f"perf: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
            return {}
        script = ["perf", "script", "-i", str(data), "--no-demangle", "-F", "ip,sym,symoff,dso"]
        text = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    samples = Counter(re.findall(r"^\s*([0-9a-f]+) (\S+?)(?:\+0x([0-9a-f]+))? \((.*)\)$", text, re.M))
    named, all_ = names(build, samples), samples.total()
    shares = Counter()
    for sample, count in samples.items():
        shares[named.get(sample) or plain(sample)] += 100 * count / all_
    return shares


def plain(sample):
    """What a sample without an instance of its own is called."""
    _, symbol, _, binary = sample
    if binary.startswith("["):
        return f"the operating system: {symbol}"
    return "::".join(path(symbol)) or symbol


def path(symbol):
    """The last parts of a mangled name, without what tells instances apart: `_ZN4ring6target3run17h0123456789abcdefE`."""
    parts, rest = [], symbol.removeprefix("_ZN")
    while rest != symbol and (length := re.match(r"\d+", rest)):
        start = length.end()
        parts.append(rest[start : start + int(length[0])])
        rest = rest[start + int(length[0]) :]
    crate = parts[:1] if len(parts) > 4 else []
    return crate + [part for part in parts if not re.fullmatch(r"h[0-9a-f]{16}", part)][-3 if crate else -4 :]


def names(build, samples):
    """What our own functions are called, with the closures that an instance is of, from what the binary has for debuggers."""
    if not (shutil.which("nm") and shutil.which("addr2line")):
        return {}
    listing = subprocess.run(["nm", str(build.tern)], capture_output=True, text=True).stdout
    starts = {words[2]: int(words[0], 16) for line in listing.splitlines() if len(words := line.split()) == 3}
    own = [sample for sample in samples if sample[1] in starts and "tern_" in sample[1]]
    addresses = [hex(starts[symbol] + int(offset or "0", 16)) for _, symbol, offset, _ in own]
    command = ["addr2line", "-e", str(build.tern), "-a", "-f", "-i", "-C"]
    answer = subprocess.run(command, input="\n".join(addresses), capture_output=True, text=True).stdout
    # Of each address: itself, then pairs of lines, the function that the others were put into last.
    frames = [part.splitlines()[1::2] for part in re.split(r"^(?=0x)", answer, flags=re.M) if part]
    found = {}
    for sample, chain in zip(own, frames):
        closures = re.findall(r"tern_(?:kernels|vm)::([a-z0-9_:]+)::\{closure_env", chain[-1] if chain else "")
        of = " of " + ", ".join(dict.fromkeys(closures)) if closures else ""
        found[sample] = "::".join(path(sample[1])) + of
    return found


def line_table(seen):
    yield f"{'computing and waiting, ms a batch':>36}  line"
    columns = lambda pairs: "   ".join(f"{1000 * computing:8.1f} {1000 * waiting:8.1f}" for computing, waiting in pairs).rjust(36)
    for name in sorted(set().union(*seen), key=lambda name: -sum(seen[-1].get(name, (0.0, 0.0)))):
        pairs = [lines.get(name, (0.0, 0.0)) for lines in seen]
        if max(sum(pair) for pair in pairs) >= 0.0005:
            yield f"{columns(pairs)}  {name}"
    yield columns([[sum(pair[i] for pair in lines.values()) for i in (0, 1)] for lines in seen]) + "  all"


def function_table(seen):
    yield f"{'% of samples':>20}  function"
    names = set().union(*seen)
    for name in sorted(names, key=lambda name: -seen[-1].get(name, 0)):
        if max(shares.get(name, 0) for shares in seen) >= LEAST:
            yield "".join(f"{shares.get(name, 0):10.1f}" for shares in seen).rjust(20) + f"  {name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", metavar="BUILD", type=Build)
    parser.add_argument("--data", type=Data, default=str(ROOT / "../shared/data/mnist"))
    parser.add_argument("--network", default="c")
    parser.add_argument("--fixed", type=int, default=16)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--emulator", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    said = [
        f"Network {options.network.upper()}, f = {options.fixed}: {', '.join(build.commit() for build in options.builds)}",
        machine(),
    ]
    if not options.emulator:
        said += ["", *line_table(list(lines_in_turns(options)))]
    functions = [by_function(build, options) for build in options.builds]
    if any(functions):
        said += ["", *function_table(functions)]
    print("\n".join(said))
    if options.out:
        options.out.write_text("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
