"""Arrays as the native module takes them."""
from typing import Any, Tuple

import numpy

from .errors import DataError


def typed(name, value):
    """An array, and the name of its type, without a copy: of 16-bit floating-point numbers it is one of their bits, and of the other order of bytes one of
    numbers whose bytes are to be swapped."""
    if type(value).__module__.split(".")[0] == "torch":
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            import torch

            return value.view(torch.int16).numpy().view("uint16"), "bfloat16"
    array = numpy.asarray(value)
    kind = array.dtype.name
    if kind == "float16":
        array = array.view(array.dtype.str.replace("f", "u"))
    elif kind == "bfloat16":
        array = array.view("uint16")
    elif array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DataError(f"{name} holds {kind}, not numbers that can be used\n   = help: numpy.asarray({name}, dtype=float)")
    if not array.dtype.isnative:
        return array.view(array.dtype.newbyteorder("=")), f"{kind} swapped"
    return array, kind
