"""Checkpoints of a run, as the native module takes them, and what a run that goes on finds on disk."""
import glob
import json
import os
from typing import Any, Dict, List, Optional, Tuple, Union

from .errors import Error

Path = Union[str, "os.PathLike[str]"]
#: Directory, how often, whether there has to be a point, how long a party that is gone is waited for, and how often.
Kept = Tuple[str, str, bool, Optional[str], int]


def asked(checkpoint: Optional[Path], every: Union[int, str], resume: bool, wait: Optional[str], retries: int, out: Optional[Path]) -> Optional[Kept]:
    """What `checkpoint=` and the parameters beside it ask for; None if nothing is kept."""
    if checkpoint is None:
        if resume:
            raise Error("resume=True: from which checkpoints?\n   = help: checkpoint=DIRECTORY")
        return None
    if out is None:
        raise Error("checkpoint: results before a checkpoint are files, which need a place\n   = help: out=DIRECTORY")
    return os.fspath(checkpoint), str(every), resume, wait, retries


def earlier(events: List[Dict[str, Any]], measured: Dict[str, Any], declared: List[Dict[str, Any]], out: Path) -> None:
    """Adds to the events what this process has not heard, since another one had come so far: results of iterations before, and of a run that is over all
    results and metrics."""
    over = measured.get("over", False)
    if not over and not any(event["event"] == "resumed" for event in events):
        return
    said = [event for event in events if event["event"] == "output"]
    found: List[Dict[str, Any]] = []
    for name in dict.fromkeys(output["name"] for output in declared):
        # behind the first of this process there are none of an earlier one
        numbers = [number(event["name"]) for event in said if event["name"].rpartition(".")[0] == name]
        there = numbered(os.fspath(out), name)
        found += [{"event": "output", "name": called, "file": file} for called, file in there if number(called) < min(numbers, default=number(called) + 1)]
        if over:
            found += [{"event": "output", "name": name, "file": file} for file in plain(os.fspath(out), name)]
    events[:0] = found
    log = os.path.join(out, "metrics.jsonl")
    if over and os.path.exists(log):
        with open(log, encoding="utf-8") as lines:
            events += [json.loads(line) for line in lines]


def number(name: str) -> int:
    """Of `w.0003` the number."""
    return int(name.rpartition(".")[2])


def numbered(out: str, name: str) -> List[Tuple[str, str]]:
    """The results of an output in loops, which are numbered without gaps: their names and files."""
    found: List[Tuple[str, str]] = []
    while os.path.exists(file := os.path.join(out, f"{name}.{len(found):04}.npz")):
        found.append((f"{name}.{len(found):04}", file))
    return found


def plain(out: str, name: str) -> List[str]:
    """The files of an output that has no number: in the clear, or of each party that has shares."""
    here = glob.escape(os.path.join(out, name))
    return [*glob.glob(f"{here}.npz"), *sorted(glob.glob(f"{here}.shares-*.tern"))]
