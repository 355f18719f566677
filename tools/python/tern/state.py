"""State dictionaries in files."""
import os
import re
from collections.abc import Mapping
from typing import Any, Dict, Union

import numpy

from . import _tern
from .errors import DataError

__all__ = ["load_state"]

#: What PyTorch's own files end in.
TORCH = (".pt", ".pth", ".ckpt", ".bin")
#: Where the tensors are in what people save besides them.
INSIDE = ("state_dict", "model_state_dict", "model")
#: A tensor of a parametrised layer: the layer's path, and the weight that it belongs to.
PARAMETRISED = re.compile(r"(.*?)parametrizations\.(\w+)\..*")


def load_state(path: Union[str, "os.PathLike[str]"]) -> Dict[str, numpy.ndarray]:
    """The tensors of a file, by name: of PyTorch's own (`.pt`, `.pth`, `.ckpt`, `.bin`; needs PyTorch), or of an npz or safetensors file.

    PyTorch's files are read with `weights_only=True`: a file that would run code is refused. Where the tensors are not all of what was saved, those under
    `state_dict`, `model_state_dict` or `model` are taken. Weights under weight normalisation are as the layer computes with them.

    Raises `DataError`.
    """
    path = os.fspath(path)
    if not is_torch(path):
        return plain(_tern.read_tensors(path), path)
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path} cannot be read as a file of tensors: {error}") from error
    return plain({name: array(tensor) for name, tensor in tensors(path, saved).items()}, path)


def plain(state: Mapping[str, Any], name: str) -> Dict[str, Any]:
    """A state dictionary in which layers under weight normalisation, by `parametrizations` or the older `weight_norm`, have their weights, as if these had
    never been parametrised.

    Raises `DataError` for parametrisations that a state dictionary does not say enough of.
    """
    found = {}
    for key, value in state.items():
        place = PARAMETRISED.fullmatch(str(key))
        pair = place and (f"{place[1]}parametrizations.{place[2]}.original0", f"{place[1]}parametrizations.{place[2]}.original1")
        if place and all(one in state for one in pair):
            found[f"{place[1]}{place[2]}"] = normalised(*(numbers(state[one]) for one in pair))
        elif place:
            where = place[1].rstrip(".") or "module"
            raise DataError(f"{name} holds {key}: what the layer computes from that is not in a state dictionary\n   = help: give the module itself, or "
                            f"torch.nn.utils.parametrize.remove_parametrizations({where}, {place[2]!r}) before it is saved")
        elif str(key).endswith("_g") and f"{str(key)[:-2]}_v" in state:
            found[str(key)[:-2]] = normalised(numbers(value), numbers(state[f"{str(key)[:-2]}_v"]))
        elif not (str(key).endswith("_v") and f"{str(key)[:-2]}_g" in state):
            found[str(key)] = value
    return found


def normalised(length: numpy.ndarray, direction: numpy.ndarray) -> numpy.ndarray:
    """A weight from its lengths, one for each position of the axis that they keep, and its directions."""
    others = tuple(axis for axis, size in enumerate(length.shape) if size == 1)
    return length * direction / numpy.sqrt(numpy.square(direction).sum(axis=others, keepdims=True))


def numbers(value: Any) -> numpy.ndarray:
    """An array in double precision."""
    return numpy.asarray(array(value) if hasattr(value, "detach") else value, dtype="f8")


def of_module(module: Any) -> Mapping[str, Any]:
    """The state dictionary of a module, with the weights that parametrised layers compute with."""
    state = dict(module.state_dict())
    for path, layer in module.named_modules() if hasattr(module, "named_modules") else []:
        before = f"{path}." if path else ""
        for weight in getattr(layer, "parametrizations", {}):
            state = {key: value for key, value in state.items() if not key.startswith(f"{before}parametrizations.{weight}.")}
            state[f"{before}{weight}"] = getattr(layer, weight)
    return state


def is_torch(path: str) -> bool:
    """Whether a file is PyTorch's own, by its name."""
    return path.lower().endswith(TORCH)


def tensors(path: str, saved: Any) -> Dict[str, Any]:
    """What is a tensor of what was saved."""
    import torch

    if isinstance(saved, Mapping):
        found = {str(name): value for name, value in saved.items() if isinstance(value, torch.Tensor)}
        if found:
            return found
        for name in INSIDE:
            if isinstance(saved.get(name), Mapping):
                return tensors(path, saved[name])
    what = f"a dictionary with {', '.join(map(str, saved))}" if isinstance(saved, Mapping) else f"a {type(saved).__name__}"
    raise DataError(f"{path} holds {what}, not tensors by name\n   = help: torch.save(module.state_dict(), {path!r})")


def array(tensor: Any) -> numpy.ndarray:
    """A tensor's numbers; NumPy has no bfloat16."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
