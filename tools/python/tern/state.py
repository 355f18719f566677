"""State dictionaries in files."""
import os
from collections.abc import Mapping
from typing import Any, Dict, Union

import numpy

from . import _tern
from ._arrays import typed
from .errors import DataError

__all__ = ["load_state"]

#: What PyTorch's own files end in.
TORCH = (".pt", ".pth", ".ckpt", ".bin")
#: Where the tensors are in what people save besides them.
INSIDE = ("state_dict", "model_state_dict", "model")


def load_state(path: Union[str, "os.PathLike[str]"]) -> Dict[str, numpy.ndarray]:
    """The tensors of a file, by name: of PyTorch's own (`.pt`, `.pth`, `.ckpt`, `.bin`; needs PyTorch), or of an npz or safetensors file.

    PyTorch's files are read with `weights_only=True`: a file that would run code is refused. Where the tensors are not all of what was saved, those under
    `state_dict`, `model_state_dict` or `model` are taken. Weights under weight normalisation are as the layer computes with them.

    Raises `DataError`.
    """
    path = os.fspath(path)
    state = torch_tensors(path) if is_torch(path) else _tern.read_tensors(path)
    parts = {name: typed(name, tensor) for name, tensor in state.items() if _tern.is_part_of_weight(name)}
    return {**{name: array(tensor) for name, tensor in state.items() if name not in parts}, **_tern.with_weights(path, parts)}


def torch_tensors(path: str) -> Dict[str, Any]:
    """The tensors of a file of PyTorch's, as they are there.

    Raises `DataError`.
    """
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path} cannot be read as a file of tensors: {error}") from error
    return tensors(path, saved)


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
    """Numbers of NumPy's, which has no bfloat16."""
    if isinstance(tensor, numpy.ndarray):
        return tensor
    tensor = tensor.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
