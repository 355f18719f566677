"""A run as it is seen: a line that changes in a terminal or in a notebook."""
import json
import sys
import time

from ._words import python

WIDTH = 30


def follower(progress):
    """Who hears the events of a run, as the parameter `progress` says."""
    if callable(progress):
        return Follower(progress)
    if progress is None:
        progress = in_notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())
    if not progress:
        return Follower()
    return Shown(Notebook() if in_notebook() else Terminal())


def in_notebook():
    """Whether this Python belongs to a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class Follower:
    """Keeps what a result is made of, and passes everything on."""

    KEPT = ("metric", "resumed", "note", "warning", "loss", "debug", "output")

    def __init__(self, listener=None):
        self.all, self.listener = [], listener

    def __call__(self, text):
        event = json.loads(text)
        if "message" in event:
            event["message"] = python(event["message"])
        if event["event"] in self.KEPT:
            self.all.append(event)
        if self.listener:
            self.listener(event)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Shown(Follower):
    """The same, and shows how far the run is."""

    def __init__(self, line):
        super().__init__(self.show)
        self.line, self.last, self.since, self.done = line, {}, time.monotonic(), (0, 0)

    def show(self, event):
        kind = event["event"]
        if kind == "progress":
            self.done = event["done"], event["of"]
        elif kind == "metric" and not isinstance(event["value"], list):
            self.last[event["name"]] = float(event["value"])
        elif kind == "waiting":
            self.line.show(f"waiting for {' and '.join(event['for'])}, {event['seconds']:.0f} s left")
            return
        elif kind == "note":
            self.line.say(event["message"])
            return
        else:
            return
        self.line.show(self.text())

    def text(self):
        done, of = self.done
        filled = WIDTH * done // of if of else 0
        metrics = "  ".join(f"{printable(name)} {value:.4f}" for name, value in self.last.items())
        minutes, seconds = divmod(int(time.monotonic() - self.since), 60)
        return f"{'█' * filled}{'░' * (WIDTH - filled)} {done}/{of} {minutes:02}:{seconds:02} {metrics}"

    def __exit__(self, *_):
        self.line.end()


def printable(name):
    """A name without what a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


class Terminal:
    """The last line of standard error."""

    def show(self, text):
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    def say(self, text):
        sys.stderr.write(f"\r\x1b[K{printable(text)}\n")

    def end(self):
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


class Notebook:
    """One output of the cell that changes, and goes when the run is over."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)
        self.shown = 0.0

    def show(self, text):
        if time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            self.handle.update({"text/plain": text}, raw=True)

    def say(self, text):
        print(text)

    def end(self):
        self.handle.update({"text/plain": ""}, raw=True)
