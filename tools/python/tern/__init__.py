"""tern: training and inference on data that nobody sees."""
from ._torch.models import key
from .from_torch import Unsupported, from_torch, to_state_dict

__all__ = ["Unsupported", "from_torch", "key", "to_state_dict"]
