"""Programs: compiled, costed, emulated, run."""
import json
import os
import tempfile
import warnings
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from . import _inputs, _kept, _tern
from ._progress import follower
from ._words import python, translated
from .cost import Cost
from .errors import CompileWarning, Diagnostic, RangeWarning, RunWarning
from .result import Result
from .result import warnings as warned

__all__ = ["Program", "compile"]

#: What can be given for an input: an array (anything that NumPy or PyTorch calls one), a dictionary of arrays for a model, or the name of a file, with what
#: `--input NAME=` takes besides (docs/data.md).
Input = Any
#: Whether progress is shown; a function gets every event instead, as a dictionary (docs/json.md). `None` shows it in a terminal and in a notebook.
Progress = Union[None, bool, Callable[[Dict[str, Any]], None]]


def compile(
    program: Union[str, "os.PathLike[str]"],
    args: Optional[Mapping[str, Any]] = None,
    *,
    inputs: Optional[Mapping[str, Input]] = None,
    data: Union[None, str, "os.PathLike[str]"] = None,
    fixed: Union[None, int, Tuple[int, int]] = None,
    ring: Union[None, int, str] = None,
    rounding: Optional[str] = None,
    protocol: Optional[str] = None,
    optimise: Optional[str] = None,
    name: str = "program",
) -> "Program":
    """Compiles a program.

    `program` is the path of a file (`.mpc`, or `.tbc` for bytecode), or a program's text, which is known by its line breaks; `name` is what messages call a text.
    `args` are the program's arguments. Arguments that are sizes of data (`const N = arg(rows(x))`) are taken from `inputs` and the directory `data`, where
    they are given. `fixed` is the number of fraction bits, or a pair of that and all bits, 16 by default; `ring` is 52, 64, 104, 128, 192, 256 or "auto"; `rounding` is
    "probabilistic" or "nearest"; `protocol` is "rep3", "rep4" or "dealer"; `optimise` is "balanced",
    or "rounds", where parties are far apart.

    Warnings of the compiler are Python warnings (`CompileWarning`), and are in `Program.warnings`.

    Raises `CompileError` with all errors of the program; `Error` for a file that cannot be read, or settings that make no sense.
    """
    text = program if isinstance(program, str) and "\n" in program else None
    path = f"{name}.mpc" if text is not None else os.fspath(program)
    files = {key: os.fspath(value) for key, value in (inputs or {}).items() if isinstance(value, (str, os.PathLike))}
    arrays = {key: value for key, value in (inputs or {}).items() if key not in files}
    given = {**_sizes(text, path, arrays), **(args or {})}
    precision = f"{fixed[0]},{fixed[1]}" if isinstance(fixed, tuple) else fixed
    settings = [None if value is None else str(value) for value in (precision, ring, rounding, protocol, optimise)]
    pairs = [f"{key}={_argument(value)}" for key, value in given.items()]
    named = [f"{key}={value}" for key, value in files.items()]
    compiled = Program(_tern.compile(path, text, pairs, named, _path(data), *settings))
    if compiled.warnings:
        warnings.warn(python(compiled._about["rendered"]), CompileWarning, stacklevel=2)
    return compiled


def _path(path: Union[None, str, "os.PathLike[str]"]) -> Optional[str]:
    return None if path is None else os.fspath(path)


def _argument(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sizes(text, path, arrays):
    """The arguments that are sizes of arrays that are given; the library looks into files itself."""
    if not arrays or path.endswith(".tbc"):
        return {}
    if text is None:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            return {}  # compiling says what is wrong
    return {argument: len(arrays[name]) for argument, name in _tern.rows_wanted(text) if name in arrays}


class Program:
    """A compiled program. `compile` makes it."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self._about: Dict[str, Any] = json.loads(native.about())

    @property
    def name(self) -> str:
        """That of its file."""
        return self._about["name"]

    @property
    def fixed(self) -> Tuple[int, int]:
        """Fraction bits, and all bits, of its numbers."""
        return tuple(self._about["fixed"])  # type: ignore[return-value]

    @property
    def ring(self) -> int:
        """Bits of the ring."""
        return self._about["ring"]

    @property
    def rounding(self) -> str:
        """How truncations round."""
        return self._about["rounding"]

    @property
    def protocol(self) -> str:
        """Who computes."""
        return self._about["protocol"]

    @property
    def args(self) -> Dict[str, str]:
        """Its arguments, as it was compiled."""
        return self._about["args"]

    @property
    def inputs(self) -> List[Dict[str, Any]]:
        """What it asks for, with `name`, `field` (of a model), `shape`, `type` and `from`."""
        return self._about["inputs"]

    @property
    def outputs(self) -> List[Dict[str, Any]]:
        """What it puts out, with `name`, `field` (of a model), `shape`, `type` and `to`."""
        return self._about["outputs"]

    @property
    def warnings(self) -> List[Diagnostic]:
        """What the compiler warns of."""
        return [Diagnostic._of(parts) for parts in translated(self._about["warnings"])]

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the bytecode, which every party of a run needs."""
        with open(path, "wb") as file:
            file.write(self._native.bytecode())

    def cost(self, network: Optional[str] = None) -> Cost:
        """What it costs, by source line. `network` ("lan", "wan", or "rtt=40ms,bw=352Mbit") adds the seconds that communication takes there."""
        return Cost._of(self._native, network)

    def emulate(
        self,
        inputs: Optional[Mapping[str, Input]] = None,
        *,
        data: Union[None, str, "os.PathLike[str]"] = None,
        out: Union[None, str, "os.PathLike[str]"] = None,
        seed: Optional[int] = None,
        threads: Optional[int] = None,
        ranges: bool = False,
        checkpoint: Union[None, str, "os.PathLike[str]"] = None,
        every: Union[int, str] = "10min",
        resume: bool = False,
        progress: Progress = None,
    ) -> Result:
        """Runs it on clear data, exactly as the secure computation would compute.

        `inputs` has the data of each input, by name; what is not among them is looked for in the directory (or npz file) `data`. `seed` fixes all randomness.
        `threads` are those of the arithmetic, by default as many as there are processors. `ranges=True` also finds the largest number of every source line.
        Numbers that left their range are a Python warning (`RangeWarning`), and are in `Result.ranges`. With `out`, outputs and metrics are also files of that
        directory.

        With `checkpoint`, the state is kept in that directory, after every so many iterations of loops (`every=50`) or so much time (`every="10min"`), and the
        same call goes on from there; with `resume=True` it is an error if there is nothing to go on from. Results before a checkpoint are files, in `out`.

        The interpreter's lock is released meanwhile. Ctrl-C ends the run (`KeyboardInterrupt`), with a last checkpoint if they are kept.

        Raises `DataError` for data that do not fit the program, `RunError` for a run that fails.
        """
        kept = _kept.asked(checkpoint, every, resume, None, 0, out)
        with follower(progress) as events:
            outputs, measured = self._native.emulate(
                _inputs.native(inputs), _path(data), _path(out), seed, threads, ranges, kept, events
            )
        result = self._result(outputs, events, measured, out)
        if out is not None:
            result._read(self.outputs, None)
        if result._measured["warning"]:
            warnings.warn(result._measured["warning"], RangeWarning, stacklevel=2)
        return result

    def run(
        self,
        inputs: Optional[Mapping[str, Input]] = None,
        *,
        data: Union[None, str, "os.PathLike[str]"] = None,
        out: Union[None, str, "os.PathLike[str]"] = None,
        seed: Optional[int] = None,
        threads: Optional[int] = None,
        network: Optional[str] = None,
        dealt: Union[None, str, "os.PathLike[str]"] = None,
        checkpoint: Union[None, str, "os.PathLike[str]"] = None,
        every: Union[int, str] = "10min",
        resume: bool = False,
        retries: int = 10,
        progress: Progress = None,
    ) -> Result:
        """Runs it on secret shares, with a process for each party on this machine, over TLS.

        The inputs are those of all parties, and so are the outputs. Files of results, and of shares that stay shared (`Result.files`), go to the directory
        `out`; without it to one that goes with the result. `seed` fixes all randomness, so that nothing is secret: for tests. `threads` are those of each
        party; `network` simulates one ("lan", "wan", "rtt=40ms,bw=352Mbit"). `dealt` is the directory with what `tern deal` has written, in place of a
        dealer. Arrays go to the parties through files that only you can read, which are removed when the run is over.

        With `checkpoint`, every party keeps its state in that directory, as with `emulate`, and all are started again if one dies, so often without a new
        checkpoint in between as `retries` says. Results go to `out` then.

        Ctrl-C ends the run and its processes; one that is kept goes on from its last checkpoint, by the same call. Raises as `emulate`; in place of `DataError` comes an `Error` with the party that it went wrong at.
        """
        from . import _party

        kept = _kept.asked(checkpoint, every, resume, None, retries, out)
        folder = None
        if out is None:
            folder = tempfile.TemporaryDirectory(prefix="tern-out-")
            out = folder.name
        with follower(progress) as events:
            measured = _tern.run(
                self._native, _inputs.native(inputs), _path(data), os.fspath(out), seed, threads, network, _path(dealt), kept, _party.command(), events
            )
        result = self._result({}, events, measured, out)
        result._read(self.outputs, folder)
        return result

    def _result(self, outputs: Dict[str, Any], events: Any, measured: str, out: Union[None, str, "os.PathLike[str]"]) -> Result:
        """Whatever is not as it should be becomes a warning at the line that has called."""
        for message in warned(events.all):
            warnings.warn(message, RunWarning, stacklevel=3)
        report = json.loads(measured)
        report.update({part: translated(report[part]) for part in ("warning", "outside") if part in report})
        if out is not None:
            _kept.earlier(events.all, report, self.outputs, out)
        return Result(outputs, events.all, report)

    def __repr__(self) -> str:
        args = "".join(f", {name}={value}" for name, value in self.args.items())
        return f"<Program {self.name}: {self.protocol}, f = {self.fixed[0]}, ring of {self.ring} bits{args}>"
