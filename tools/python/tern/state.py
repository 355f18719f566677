"""State dictionaries in files."""
import os
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


def load_state(path: Union[str, "os.PathLike[str]"]) -> Dict[str, numpy.ndarray]:
    """The tensors of a file, by name: of PyTorch's own (`.pt`, `.pth`, `.ckpt`, `.bin`; needs PyTorch), or of an npz or safetensors file.

    PyTorch's files are read with `weights_only=True`: a file that would run code is refused. Where the tensors are not all of what was saved, those under
    `state_dict`, `model_state_dict` or `model` are taken.

    Raises `DataError`.
    """
    path = os.fspath(path)
    if not is_torch(path):
        return _tern.read_tensors(path)
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{path} cannot be read as a file of tensors: {error}") from error
    return {name: array(tensor) for name, tensor in tensors(path, saved).items()}


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
