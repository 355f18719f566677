"""What has no counterpart."""
from ..errors import Error


class Unsupported(Error):
    """A part of a module that cannot be translated: `path` is where it stands in the module, `why` what is wrong with it, `instead` what
    can be used."""

    def __init__(self, path, why, instead=""):
        self.path, self.why, self.instead = path, why, instead
        place = path or "the module itself"
        super().__init__(f"{place}: {why}" + (f"\n    instead: {instead}" if instead else ""))


class Unrecorded(Unsupported):
    """A module whose computation torch.fx cannot record."""
