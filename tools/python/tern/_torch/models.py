"""Models of the language for the parameters and buffers of a module, with the names of its state dictionary."""
from torch import nn

from .errors import Unsupported
from .write import camel, identifier

# names that are taken
RESERVED = {"Dense", "Weights", "Conv2d", "Filters", "BatchNorm", "LayerNorm", "Embedding", "MultiheadAttention", "State"}

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def key(path):
    """A key of a state dictionary as a path of fields."""
    return ".".join(identifier(part) for part in path.split("."))


class Models:
    """The declarations of a program. `layers` knows the library's models of PyTorch's layers."""

    def __init__(self, layers):
        self.layers, self.declared, self.uses = layers, {}, []

    def of(self, module, path, name):
        """The type of a module's parameters, declared if it must be; None if it has none."""
        layer = self.layers.get(type(module))
        fields = layer.fields(module, path) if layer else None
        if isinstance(fields, str):
            self.uses.append(fields.split("(")[0])
            return fields
        if fields is None:
            fields = self.fields(module, path)
        return self.declare(name, fields) if fields else None

    def fields(self, module, path):
        """The fields of what is no layer."""
        fields = []
        for name, tensor in module.named_parameters(recurse=False):
            if not tensor.requires_grad:
                raise Unsupported(f"{path}.{name}".strip("."), "a parameter that is not trained", "register it as a buffer")
            fields.append(tensor_field(name, tensor.shape))
        for name, tensor in module.named_buffers(recurse=False):
            fields.append("buffer " + tensor_field(name, tensor.shape, "zeros()"))
        for name, child in module.named_children():
            inner = name if isinstance(child, CONTAINERS) or type(child) in self.layers else type(child).__name__
            inner = type(child).__name__ if type(child) in self.layers else inner
            model = self.of(child, f"{path}.{name}".strip("."), camel(inner))
            if model:
                fields.append(f"{identifier(name)}: {model}")
        return fields

    def declare(self, name, fields):
        """The name of a model with these fields: the same for equal ones."""
        free, count = name + "Layer" if name in RESERVED else name, 1
        candidate = free
        while self.declared.get(candidate, fields) != fields:
            count += 1
            candidate = f"{free}{count}"
        self.declared[candidate] = fields
        return candidate

    def text(self):
        """All declarations, what is used by others first."""
        return "\n\n".join(model_text(name, fields) for name, fields in self.declared.items())


def model_text(name, fields):
    pairs = [field.split(": ", 1) for field in fields]
    width = max(len(left) for left, _ in pairs) + 1
    lines = [f"    {(left + ':').ljust(width)} {right}" for left, right in pairs]
    return "\n".join([f"model {name} {{", *lines, "}"])


def tensor_field(name, shape, initial=None):
    """A field of this shape; matrices and filters begin with PyTorch's usual variance, everything else with zeros."""
    if initial is None:
        initial = "init::he_uniform()" if len(shape) > 1 else "zeros()"
    return f"{identifier(name)}: fix[{', '.join(map(str, shape))}] = {initial}"


def weights_of(module):
    """The state dictionary by the names of the fields, in double precision; counters of batches are left out."""
    tensors = {**dict(module.named_buffers()), **module.state_dict()}
    order = list(module.state_dict()) + [name for name in tensors if name not in module.state_dict()]
    return {
        key(name): tensors[name].detach().double().cpu().numpy().copy()
        for name in order
        if not name.endswith("num_batches_tracked")
    }
