"""What a program costs."""
import json
from typing import Any, Dict, List, Optional

from . import _html

__all__ = ["Cost"]


class Cost:
    """What a program costs, known before it runs: totals, and a row for every source line. `str(cost)` is the report of `tern cost`."""

    def __init__(self, report: Dict[str, Any], text: str, page: str) -> None:
        self._report, self._text, self._page = report, text, page

    @classmethod
    def _of(cls, program, network: Optional[str]) -> "Cost":
        page, text = program.cost_page(network)
        return cls(json.loads(program.cost(network)), text, page)

    @property
    def rounds(self) -> int:
        """Rounds of communication."""
        return self._report["rounds"]

    @property
    def bits(self) -> int:
        """Bits that all parties send together."""
        return self._report["bits"]

    @property
    def at_most(self) -> bool:
        """Whether the figures are upper bounds: there are branches that differ in cost, or breaks."""
        return self._report["at_most"]

    @property
    def seconds(self) -> Optional[float]:
        """What communication takes on the network that was asked for, without computation."""
        return self._report["seconds"]

    @property
    def rows(self) -> List[Dict[str, Any]]:
        """One dictionary per source line, with `file`, `line`, `source`, `bits`, `rounds` and `executions`: `pandas.DataFrame(cost.rows)`."""
        return self._report["by_line"]

    @property
    def published(self) -> List[Dict[str, Any]]:
        """Every value that somebody learns, with `file`, `line`, `what`, `to`, `elements` and `times`."""
        return self._report["published"]

    @property
    def bits_by_link(self) -> List[List[int]]:
        """Bits by sender and receiver."""
        return self._report["bits_by_link"]

    @property
    def report(self) -> Dict[str, Any]:
        """Everything, as `tern cost --json` prints it (docs/json.md)."""
        return self._report

    def page(self) -> str:
        """A page for a browser, which needs nothing besides: the source beside its costs, and a graph by function."""
        return self._page

    def _repr_html_(self) -> str:
        return _html.cost(self._page, len(self.rows))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        bound = "at most " if self.at_most else ""
        return f"<Cost of {self._report['program']}: {bound}{self.rounds} rounds, {self.bits} bits>"
