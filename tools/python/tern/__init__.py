"""tern: training and inference on data that nobody sees.

    import numpy, tern

    program = tern.compile("digits.mpc", args={"EPOCHS": 2})
    program.cost(network="wan")                     # rounds and bits per line, before anything runs
    result = program.emulate({"x": x, "y": y})      # what the servers would compute, on clear data
    result.outputs["weights"]                       # arrays, or a state dictionary

`compile` makes a `Program` of a file or a text; `from_torch` writes the text of a PyTorch module. Errors are exceptions of the class `Error`, which have the
whole message and its parts.
"""
from .cost import Cost
from .errors import CompileError, CompileWarning, DataError, Diagnostic, Error, Label, RangeWarning, RunError, RunWarning
from .program import Program, compile
from .result import Result
from .shares import open, party, receive, send, serve, share
from .state import load_state

__all__ = [
    "CompileError", "CompileWarning", "Cost", "DataError", "Diagnostic", "Error", "Label", "Program", "RangeWarning", "Result", "RunError", "RunWarning",
    "Unsupported", "compile", "from_onnx", "from_torch", "key", "load_state", "onnx_module", "open", "party", "receive", "send", "serve", "share", "to_state_dict",
]

# What needs PyTorch is loaded when it is asked for.
_TORCH = {"Unsupported": "_torch.errors", "from_torch": "from_torch", "to_state_dict": "from_torch", "key": "_torch.models",
          "from_onnx": "from_onnx", "onnx_module": "from_onnx"}


def __getattr__(name):
    if name not in _TORCH:
        raise AttributeError(f"module 'tern' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f".{_TORCH[name]}", __name__)
    # a module of the package and its function have the same name: the function is meant
    globals().update({known: getattr(module, known) for known in _TORCH if hasattr(module, known)})
    return globals()[name]


def __dir__():
    return sorted([*globals(), *_TORCH])
