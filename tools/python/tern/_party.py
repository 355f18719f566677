"""A party of a local run: a process that its leader, `Program.run`, has started and tells over standard input what to do."""
import signal
import sys

from . import _tern
from .errors import Error


def command():
    """How such a process is started: this Python with the same modules to be found."""
    if not sys.executable:
        raise Error("this Python does not know where it is itself, so no other can be started: sys.executable is empty")
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from tern._party import main; main()"]


def main():
    """Takes part, and ends the process. Ctrl-C is for the leader, which ends its parties."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(0 if _tern.take_part() else 1)
