"""One of the real parties, and those who run no server: what they give and get, in shares."""
import json
import os
import sys
import warnings
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from . import _inputs, _kept, _tern
from ._progress import follower, printable
from .errors import Error, RunWarning
from .program import Input, Program, Progress, _path
from .result import Result
from .result import warnings as warned

__all__ = ["open", "party", "receive", "send", "serve", "share"]

Path = Union[str, "os.PathLike[str]"]


def party(
    program: Program,
    party: int,
    hosts: Path,
    inputs: Optional[Mapping[str, Input]] = None,
    *,
    data: Optional[Path] = None,
    key: Optional[Path] = None,
    out: Optional[Path] = None,
    store: Optional[Path] = None,
    wait_for_clients: str = "10min",
    timeout: Optional[int] = None,
    threads: Optional[int] = None,
    dealt: Optional[Path] = None,
    checkpoint: Optional[Path] = None,
    every: Union[int, str] = "10min",
    resume: bool = False,
    wait: Optional[str] = None,
    retries: int = 10,
    seed: Optional[int] = None,
    insecure: bool = False,
    progress: Progress = None,
) -> Result:
    """Takes part in a run as one of the real parties; the others do the same, by this or by `tern run --party`.

    `party` is its number in the hosts file. `inputs` and `data` are its own; shares are files (`NAME.shares-0.tern`). `key` is its key, with the certificate
    beside it, by default `NAME.key.pem` in the directory of the hosts file. Outputs in the clear come as arrays, and go to files only if there is a directory
    `out` for them, which outputs in shares need. With `store`, inputs of clients are taken from where `tern serve` keeps them, and awaited for so long;
    their results are left there. `timeout` are seconds to wait for the others, by default what the hosts file says. `seed` makes everything known to
    everybody and needs `insecure=True`.

    With `checkpoint`, this party's state is kept in that directory, after every so many iterations (`every=50`) or so much time (`every="10min"`, the same at
    all parties), and the same call goes on from there; with `resume=True` it is an error if there is nothing to go on from. A party that is gone is waited for
    so long (`wait`, a time, by default 10 min; without checkpoints, how long a link may be interrupted), and that `retries` times without a new checkpoint in
    between. Results go to `out` then. Ctrl-C asks for a last checkpoint.

    From then on this process keeps its memory to itself: it writes no core dumps, other processes of the same user cannot read it, and what the library frees
    is overwritten. The arrays that you give and get are Python's, which overwrites nothing.

    Raises `DataError` for one's own data, after the others were told, and `RunError` or `Error` for a run that fails.
    """
    if seed is not None and not insecure:
        raise Error(f"seed={seed}: every party could compute all random values, and with them all secrets\n   = help: leave it out, or add insecure=True")
    kept = _kept.asked(checkpoint, every, resume, wait, retries, out)
    with follower(progress) as events:
        outputs, measured = _tern.party(
            program._native, party, os.fspath(hosts), _path(key), _inputs.native(inputs), _path(data), _path(store), wait_for_clients, _path(out), seed,
            threads, timeout, _path(dealt), wait, kept, events,
        )
    for message in warned(events.all):
        warnings.warn(message, RunWarning, stacklevel=2)
    report = json.loads(measured)
    if out is not None:
        _kept.earlier(events.all, report, program.outputs, out)
    result = Result(outputs, events.all, report)
    result._read(program.outputs, None)
    return result


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def serve(
    program: Program,
    party: int,
    hosts: Path,
    *,
    store: Path,
    key: Optional[Path] = None,
    timeout: Optional[int] = None,
    said: Callable[[str], None] = _say,
) -> None:
    """Serves those who run no server, as the server of this number: takes what clients send into the directory `store`, where `party(…, store=…)` has it,
    and gives them the results that it leaves there. Ends with Ctrl-C (`KeyboardInterrupt`), or with an exception of `said`.

    `said` gets a line for each thing that was given, taken or refused; by default they go to standard error. `key` and `timeout` are as in `party`.
    """
    with follower(lambda event: said(printable(event["message"]))) as events:
        _tern.serve(program._native, party, os.fspath(hosts), _path(key), os.fspath(store), timeout, events)


def share(program: Program, inputs: Mapping[str, Input], out: Path) -> List[str]:
    """Shares inputs that the program takes from `shares`: a file for each server, in the directory `out`. Each goes to its server and to nobody else."""
    with follower(False) as events:
        return [str(path) for path in _tern.share(program._native, _inputs.native(inputs), os.fspath(out), events)]


def open(files: Iterable[Path]) -> Any:
    """What the files of several parties hold together, which have to agree: an array, or a dictionary of arrays."""
    name, tensors = _tern.open([os.fspath(file) for file in files])
    return tensors[name] if list(tensors) == [name] else tensors


def send(
    program: Program,
    inputs: Mapping[str, Input],
    *,
    client: str,
    hosts: Path,
    key: Optional[Path] = None,
    wait: str = "10min",
    replace: bool = False,
) -> Dict[str, int]:
    """Sends inputs to the servers, in shares, as a client that the program names: the bytes that each server was sent.

    Servers that are not there are waited for so long. A sending that was interrupted goes on where it was, by the same call; with `replace` it takes the place
    of what was sent before.
    """
    sent: Dict[str, int] = {}
    with follower(False) as events:
        pairs = _tern.send(program._native, client, os.fspath(hosts), _path(key), wait, _inputs.native(inputs), replace, events)
    for server, count in pairs:
        sent[server] = sent.get(server, 0) + count
    return sent


def receive(
    program: Program,
    results: Union[None, str, Iterable[str]] = None,
    *,
    client: str,
    hosts: Path,
    key: Optional[Path] = None,
    wait: str = "10min",
) -> Dict[str, Any]:
    """Receives results from the servers, in shares which have to agree, as a client that the program names; without names, all that it gets."""
    names = [results] if isinstance(results, str) else list(results or [])
    if not names:
        names = list(dict.fromkeys(output["name"] for output in program.outputs if output["to"] == f"client {client}"))
    if not names:
        raise Error(f"the program has no output to client {client}")
    received: Dict[str, Any] = {}
    for name in names:
        received.update(_tern.receive(program._native, client, os.fspath(hosts), _path(key), wait, name))
    return received
