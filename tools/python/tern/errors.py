"""Errors and warnings of the package. An error's text is the whole message, as the command shows it, with arguments of Python in place of the command's; its
parts are fields."""
import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from ._words import python, translated

__all__ = ["CompileError", "CompileWarning", "DataError", "Diagnostic", "Error", "Label", "RangeWarning", "RunError", "RunWarning"]


@dataclass(frozen=True)
class Label:
    """A place of a program with a text. Lines and columns count from 1; the end is the place behind the last character."""

    file: Optional[str]
    line: Optional[int]
    column: Optional[int]
    end_line: Optional[int]
    end_column: Optional[int]
    text: str
    #: Whether it is where it happened, rather than something that explains it.
    primary: bool


@dataclass(frozen=True)
class Diagnostic:
    """A message of the compiler in its parts."""

    #: What it is about: `tern explain CODE` says more.
    code: str
    #: "error" or "warning".
    severity: str
    #: One sentence.
    message: str
    #: Places, the first one being where it happened.
    labels: List[Label] = field(default_factory=list)
    #: The reason for the rule, if that is not plain.
    why: Optional[str] = None
    #: Facts that help to understand it.
    notes: List[str] = field(default_factory=list)
    #: Ways out, which can be pasted.
    help: List[str] = field(default_factory=list)

    @property
    def file(self) -> Optional[str]:
        """Where it happened."""
        return self.labels[0].file if self.labels else None

    @property
    def line(self) -> Optional[int]:
        """The line, counted from 1."""
        return self.labels[0].line if self.labels else None

    @property
    def column(self) -> Optional[int]:
        """The column, counted from 1."""
        return self.labels[0].column if self.labels else None

    @classmethod
    def _of(cls, parts: Dict[str, Any]) -> "Diagnostic":
        return cls(**{**parts, "labels": [Label(**label) for label in parts["labels"]]})


class Error(Exception):
    """Whatever tern cannot do, with a message that says why."""

    @classmethod
    def _of(cls, text: str, fields: str) -> "Error":
        """What the native module raises."""
        error = cls(python(text))
        error._fill(translated(json.loads(fields)))
        return error

    def _fill(self, fields: Dict[str, Any]) -> None:
        for name, value in fields.items():
            setattr(self, name, value)


class CompileError(Error):
    """A program with errors: all of them, in `diagnostics`. The other fields are those of the first error."""

    #: Errors and warnings, in the order of the source.
    diagnostics: List[Diagnostic] = []
    code: Optional[str] = None
    file: Optional[str] = None
    line: Optional[int] = None
    column: Optional[int] = None
    help: List[str] = []
    labels: List[Label] = []

    def _fill(self, fields: Dict[str, Any]) -> None:
        self.diagnostics = [Diagnostic._of(parts) for parts in fields["diagnostics"]]
        first = next((d for d in self.diagnostics if d.severity == "error"), None)
        if first:
            self.code, self.file, self.line, self.column = first.code, first.file, first.line, first.column
            self.help, self.labels = first.help, first.labels


class DataError(Error):
    """Data that do not fit the program. `problems` has one dictionary per input, with `input`, `text`, `code`, `title`, `notes` and `help`; the other
    fields are those of the first."""

    problems: List[Dict[str, Any]] = []
    input: Optional[str] = None
    code: Optional[str] = None
    help: List[str] = []

    def _fill(self, fields: Dict[str, Any]) -> None:
        self.problems = fields["problems"]
        if self.problems:
            first = self.problems[0]
            self.input, self.code, self.help = first["input"], first["code"], first["help"] or []


class RunError(Error):
    """A run that did not come to its end, with the source line at which it stopped, if it was at one."""

    file: Optional[str] = None
    line: Optional[int] = None


class CompileWarning(UserWarning):
    """Something in a program that is probably not what was meant."""


class RangeWarning(UserWarning):
    """Numbers that left their range: there the servers may compute something else."""


class RunWarning(UserWarning):
    """Something in a run that is not as it should be."""
