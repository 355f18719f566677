"""What has come of a run."""
from typing import Any, Dict, List

import numpy

from . import _html

__all__ = ["Result"]


class Result:
    """What has come of a run: outputs, metrics, and what was measured."""

    def __init__(self, outputs: Dict[str, Any], events: List[Dict[str, Any]], measured: Dict[str, Any]) -> None:
        #: By name: an array, or of a model a dictionary of arrays with the names of a state dictionary. An output within loops is there once for
        #: each time, as `NAME.0000`, and the last one as `NAME`.
        self.outputs = outputs
        #: What the program has reported, in order: a dictionary per value, with `name`, `value` (a number, or a list of them) and `iteration` (the
        #: counters of the loops around it).
        self.metrics: List[Dict[str, Any]] = metrics(events)
        #: What is good to know, such as tensors of a model that the program does not use.
        self.notes: List[str] = [event["message"] for event in events if event["event"] == "note"]
        #: What was shown while debugging: dictionaries with `label`, `shape` and `values`.
        self.debugged: List[Dict[str, Any]] = [event for event in events if event["event"] == "debug"]
        #: The files that the run has written, by output; of shares, those of all parties.
        self.files: Dict[str, List[str]] = {}
        for event in events:
            if event["event"] == "output":
                self.files.setdefault(event["name"], []).append(event["file"])
        self._measured, self._folder = measured, None

    def _read(self, declared: List[Dict[str, Any]], folder: Any) -> None:
        """Takes the outputs from their files; a temporary directory with these lives as long as the result."""
        self._folder = folder
        models = {output["name"] for output in declared if output["field"]}
        for name, files in self.files.items():
            plain = name.rpartition(".")[0] or name
            for file in files:
                if file.endswith(".npz"):
                    with numpy.load(file) as tensors:
                        fields = dict(tensors)
                    self.outputs[name] = fields if {name, plain} & models else next(iter(fields.values()))
                    self.outputs[plain] = self.outputs[name]

    @property
    def last(self) -> Dict[str, Any]:
        """The last value of each metric."""
        return {row["name"]: row["value"] for row in self.metrics}

    @property
    def curves(self) -> Dict[str, List[float]]:
        """The values of each metric that is a single number, in order."""
        curves: Dict[str, List[float]] = {}
        for row in self.metrics:
            if not isinstance(row["value"], list):
                curves.setdefault(row["name"], []).append(row["value"])
        return curves

    @property
    def ranges(self) -> List[Dict[str, Any]]:
        """Source lines whose numbers left their range, with `message`, `place` and `times`; empty if all is well, and for runs on shares."""
        return self._measured.get("outside", [])

    @property
    def largest(self) -> List[Dict[str, Any]]:
        """The largest number of every source line, if `ranges=True` was asked for: dictionaries with `file`, `line` and `largest`."""
        return self._measured.get("largest", [])

    @property
    def seconds(self) -> float:
        """From the first instruction to the last."""
        return self._measured["seconds"]

    @property
    def rounds(self) -> int:
        """Rounds of communication; of an emulation, those that the parties would take."""
        return self._measured["rounds"]

    @property
    def bits(self) -> int:
        """Bits that all parties have sent together, or would send."""
        return self._measured["bits"]

    @property
    def measured(self) -> Dict[str, Any]:
        """Everything that was measured, as the event `done` of docs/json.md has it."""
        return self._measured

    def state_dict(self, name: str, module: Any = None) -> Any:
        """An output that is a model, as a PyTorch state dictionary; of `module`, with its names, types and counters, if that is given. Needs PyTorch."""
        from . import to_state_dict  # not from the module, which would take the place of the function tern.from_torch

        if module is not None:
            return to_state_dict(self.outputs[name], module)
        import torch

        return {field: torch.from_numpy(numpy.asarray(array)) for field, array in self.outputs[name].items()}

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]

    def _repr_html_(self) -> str:
        return _html.result(self)

    def __repr__(self) -> str:
        last = "".join(f", {name} {value:.4g}" for name, value in self.last.items() if not isinstance(value, list))
        return f"<Result: {', '.join(self.outputs) or 'no outputs'}{last}; {self.seconds:.2f} s>"


def metrics(events: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The rows of the table. What JSON has no number for comes as a text."""
    rows: List[Dict[str, Any]] = []
    for event in events:
        if event["event"] == "resumed":
            rows.clear()  # what was reported behind the checkpoint is reported again, and what was before is in the event
        for metric in event["metrics"] if event["event"] == "resumed" else [event]:
            if metric["event"] == "metric":
                value = metric["value"]
                number = [float(v) for v in value] if isinstance(value, list) else float(value)
                rows.append({"name": metric["name"], "value": number, "iteration": metric["iteration"]})
    return rows


def warnings(events: List[Dict[str, Any]]) -> List[str]:
    """What is not as it should be."""
    return [event["message"] for event in events if event["event"] in ("warning", "loss")]
