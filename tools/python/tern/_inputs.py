"""Inputs as the native module takes them: a text that says which file, an array with the name of its type, or a dictionary of arrays."""
import os
from collections.abc import Mapping

import numpy

from .errors import DataError
from .state import is_torch, load_state, of_module, plain


def native(inputs):
    """All inputs of a call, by name."""
    return {str(name): one(str(name), value) for name, value in (inputs or {}).items()}


def one(name, value):
    """One of them."""
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if not is_torch(path):
            return path
        value = load_state(path)
    if callable(getattr(value, "state_dict", None)):
        value = of_module(value)
    if isinstance(value, Mapping):
        value = plain(value, name)
        return {str(field): typed(f"{name}.{field}", tensor) for field, tensor in value.items()}
    return typed(name, value)


def typed(name, value):
    """An array, and the name of its type; of 16-bit floating-point numbers an array of their bits."""
    if type(value).__module__.split(".")[0] == "torch":
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            return value.view(torch.int16).numpy().view("uint16"), "bfloat16"
    array = numpy.asarray(value)
    kind = array.dtype.name
    if kind in ("float16", "bfloat16"):
        return array.view("uint16"), kind
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DataError(f"{name} holds {kind}, not numbers that can be used\n   = help: numpy.asarray({name}, dtype=float)")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array, kind
