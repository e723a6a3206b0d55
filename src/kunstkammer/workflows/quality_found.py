"""What `explain_quality` found: `Quality`, as JSON and as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kunstkammer.evaluation.map_quality import Claim, MethodQuality, SignalSummary
    from kunstkammer.explanation.signal import SignalQuality


@dataclass(frozen=True)
class Quality:
    """What `explain_quality` returns.

    Attributes:
        run, data: what was asked about.
        out: the folder; report: the page in it.
        part: which part of the collection was measured, "all" where it has none; pictures: how many of it.
        methods: what was measured of each method; left_out: method -> why it was not.
        claims: the paper's claims, tested.
        signal: rho for each layer, estimator and target; None where it was not measured (`signal_note` says why).
        summaries: rho over the layers, a target each.
        boxes: pictures with boxes, and the share of them that the boxes cover: what a blind map would reach.
        notes: what a reader must know; facts: what was fitted and on what.
        settings: what it was told.
    """

    run: str
    data: str
    out: Path
    report: Path
    part: str
    pictures: int
    methods: list[MethodQuality]
    left_out: dict[str, str]
    claims: list[Claim]
    signal: SignalQuality | None
    signal_note: str
    summaries: list[SignalSummary]
    boxes: tuple[int, float] | None
    notes: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def method(self, name: str) -> MethodQuality:
        """Return what was measured of one method."""
        return next(row for row in self.methods if row.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "run": self.run,
            "data": self.data,
            "out": str(self.out),
            "report": str(self.report),
            "part": self.part,
            "pictures": self.pictures,
            "methods": [row.to_json() for row in self.methods],
            "left_out": self.left_out,
            "claims": [claim.to_json() for claim in self.claims],
            "signal": None if self.signal is None else self.signal.to_json(),
            "signal_note": self.signal_note,
            "signal_summary": [asdict(row) for row in self.summaries],
            "boxes": None if self.boxes is None else {"pictures": self.boxes[0], "share_covered": self.boxes[1]},
            "notes": self.notes,
            "facts": self.facts,
            "settings": dict(self.settings),
        }

    def to_text(self) -> str:
        """Return a table of methods and checks, what became of the paper's claims, and where the report is."""
        from kunstkammer.workflows.quality_text import text_of

        return text_of(self)
