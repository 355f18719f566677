"""Inputs as the native module takes them: a text that says which file, an array with the name of its type, or a dictionary of arrays."""
import os
from collections.abc import Mapping

from ._arrays import typed
from .state import is_torch, of_module, torch_tensors


def native(inputs):
    """All inputs of a call, by name."""
    return {str(name): one(str(name), value) for name, value in (inputs or {}).items()}


def one(name, value):
    """One of them."""
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if not is_torch(path):
            return path
        value = torch_tensors(path)
    if callable(getattr(value, "state_dict", None)):
        value = of_module(value)
    if isinstance(value, Mapping):
        return {str(field): typed(f"{name}.{field}", tensor) for field, tensor in value.items()}
    return typed(name, value)
