"""PyTorch's transformer layers as modules whose forward can be recorded; parameters and names stay."""
import torch
from torch import nn


class EncoderLayer(nn.Module):
    """TransformerEncoderLayer without masks."""

    def __init__(self, layer):
        super().__init__()
        for name in ("self_attn", "linear1", "dropout", "linear2", "norm1", "norm2", "dropout1", "dropout2"):
            setattr(self, name, getattr(layer, name))
        self.norm_first, self.activation = layer.norm_first, layer.activation

    def forward(self, x):
        if self.norm_first:
            h = self.norm1(x)
            x = x + self.dropout1(self.self_attn(h, h, h)[0])
            return x + self.feed_forward(self.norm2(x))
        x = self.norm1(x + self.dropout1(self.self_attn(x, x, x)[0]))
        return self.norm2(x + self.feed_forward(x))

    def feed_forward(self, x):
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class Encoder(nn.Module):
    """TransformerEncoder without masks."""

    def __init__(self, encoder):
        super().__init__()
        self.layers, self.norm = encoder.layers, encoder.norm

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x if self.norm is None else self.norm(x)


REPLACED = {nn.TransformerEncoderLayer: EncoderLayer, nn.TransformerEncoder: Encoder}


def replaced(module):
    """The module with these layers replaced in it."""
    for name, child in list(module.named_children()):
        setattr(module, name, replaced(child))
    kind = REPLACED.get(type(module))
    return kind(module) if kind else module
