"""Programs of several tests."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[4]

DOUBLE = """\
input x: fix[3] from party 0
fn main() {
    var y = x
    for i in 0..2 {
        y = y * 2
        metric("first", reveal(y[0]))
    }
    output y = y to party 1
}
"""

NET = """\
use nn::{Dense, dense}
model Net {
    l1: Dense(3, 2)
}
input x: fix[2, 3] from party 0
input weights: Net from party 1
fn main() {
    output z = dense(x, weights.l1) to party 0
    output weights = weights to party 1
}
"""
