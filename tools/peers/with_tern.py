"""tern, in the emulator: the same bytecode and arithmetic as three parties, here with probabilistic truncation.

usage: with_tern.py TERN F...
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from points import COUNT, FUNCTIONS, points, show

CALLS = {
    "exp": "exp(x)",
    "reciprocal": "1 / x",
    "inverse root": "inv_sqrt(x)",
    "root": "sqrt(x)",
    "ln": "ln(x)",
    "sigmoid": "sigmoid(x)",
    "tanh": "2 * sigmoid(2 * x) - 1",
}
SOURCE = """use math::{{inv_sqrt, sigmoid}}
input x: fix[{count}] from party 0
fn main() {{ output y = {call} to party 0 }}
"""

tern, *precisions = sys.argv[1:]
for f in precisions:
    for name in FUNCTIONS:
        with tempfile.TemporaryDirectory() as directory:
            home = pathlib.Path(directory)
            (home / "point.mpc").write_text(SOURCE.format(count=COUNT, call=CALLS[name]))
            np.save(home / "x.npy", np.array(points(name)))
            command = [tern, "emulate", home / "point.mpc", "--fixed", f, "--seed", "1"]
            command += ["--input", f"x={home / 'x.npy'}", "--out", home / "out"]
            subprocess.run(command, check=True, capture_output=True)
            show(f"tern, {f} bits", name, np.load(home / "out" / "y.npz")["y"])
