"""The report: one self-contained HTML file.

May import: `evaluation`, `pictures`, `files`, `registry`, `errors`.
Public: `write_report` and what it is given: `ReportContent`, `Card`, `DataFacts`, `Making`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kunstkammer.evaluation.report.content import Card, DataFacts, Making, ReportContent
    from kunstkammer.evaluation.report.write import write_report

__all__ = ["Card", "DataFacts", "Making", "ReportContent", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    if name == "write_report":
        from kunstkammer.evaluation.report.write import write_report

        return write_report
    from kunstkammer.evaluation.report import content

    return getattr(content, name)
