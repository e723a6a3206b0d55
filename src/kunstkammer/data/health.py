"""What a check found: `Finding` by `Finding`, and the whole of them as JSON, text or a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from kunstkammer.data.box_inspections import BoxHealth
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

_FILES_SHOWN = 3
_FILE_WIDE = 70
_CLASSES_SHOWN = 12
_BAR = 24


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what it is, in a word that stays the same ("unreadable", "leaks", "imbalance" ...).
        severity: "error": figures would be wrong or training fails; "warning": it costs accuracy or trust; "note".
        sentence: what was found, with numbers.
        mend: what to do about it.
        groups: the pictures it is about, by index; those that belong together (duplicates) in one group.
        remarks: by index, what is to be said of one picture.
        files: files that it is about and that are no pictures of the collection, with the reason.
    """

    kind: str
    severity: Severity
    sentence: str
    mend: str
    groups: tuple[tuple[int, ...], ...] = ()
    remarks: dict[int, str] = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Health:
    """The health of a collection.

    Attributes:
        collection, survey: what was looked at.
        findings: the worst first.
        unreadable: (file, cause) of each picture that cannot be decoded.
        duplicates: groups of files that show the same picture, exactly or nearly.
        leaks: (file, file) pairs of one picture in two splits, the one that training sees first.
        classes: how many pictures carry each label; a class folder without pictures counts 0.
        boxes: what is there of boxes; None where the collection has none.
    """

    collection: Collection
    survey: Survey
    findings: tuple[Finding, ...]
    unreadable: tuple[tuple[str, str], ...]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, str], ...]
    classes: dict[str, int]
    boxes: BoxHealth | None = None

    def count(self, severity: Severity) -> int:
        """Return how many findings are of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence on the whole.

        Errors are named before warnings, for with an error the figures of a model would be wrong.
        """
        errors, warnings = self.count("error"), self.count("warning")
        if errors:
            also = f", and {_some(warnings, 'warning')}" if warnings else ""
            return f"{_some(errors, 'error')} to mend before training{also}."
        if warnings:
            return f"Fit to train on, with {_some(warnings, 'warning')}."
        return "In good health."

    def to_json(self) -> dict[str, Any]:
        """Return the object that `kunstkammer check --json` prints."""
        files = self.collection.files
        return {
            "name": self.collection.name,
            "pictures": len(self.collection),
            "unreadable": [{"file": file, "cause": cause} for file, cause in self.unreadable],
            "duplicates": [list(group) for group in self.duplicates],
            "leaks": [list(pair) for pair in self.leaks],
            "classes": dict(self.classes),
            "boxes": None if self.boxes is None else self.boxes.to_json(files),
            "splits": self.splits(),
            "verdict": self.verdict,
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "sentence": finding.sentence,
                    "mend": finding.mend,
                    "pictures": [[files[i] for i in group] for group in finding.groups],
                    "remarks": {files[i]: remark for i, remark in finding.remarks.items()},
                    "files": [{"file": file, "reason": reason} for file, reason in finding.files],
                }
                for finding in self.findings
            ],
        }

    def splits(self) -> dict[str, int]:
        """Return how many pictures each named split has."""
        found = self.collection.splits
        return {split: found.count(split) for split in ("train", "validation", "test") if split in found}

    def to_text(self) -> str:
        """Return plain text for a terminal: the classes, then the findings, the worst first."""
        kind = "labels" if self.collection.multi_label else "classes"
        heading = f"{self.collection.name}: {_some(len(self.collection), 'picture')}"
        if self.classes:
            heading += (
                f", {len(self.classes)} {kind if len(self.classes) != 1 else kind.removesuffix('es').rstrip('s')}"
            )
        splits = ", ".join(f"{split} {n:,}" for split, n in self.splits().items())
        lines = [heading + (f" ({splits})" if splits else "")]
        lines += self._class_lines()
        if self.boxes is not None:
            lines += ["", self.boxes.sentence(len(self.collection))]
        for finding in self.findings:
            lines += ["", f"{finding.severity.upper():<8} {finding.sentence}"]
            lines += [f"         {line}" for line in self._examples(finding)]
            lines.append(f"         -> {finding.mend}")
        return "\n".join([*lines, "", self.verdict])

    def _class_lines(self) -> list[str]:
        if not self.classes:
            return []
        ranked = sorted(self.classes.items(), key=lambda item: -item[1])
        shown = ranked if len(ranked) <= _CLASSES_SHOWN else [*ranked[:8], *ranked[-3:]]
        wide = min(max(len(label) for label, _ in shown), 32)
        digits = max(len(f"{n:,}") for _, n in shown)
        most = max(1, ranked[0][1])
        lines = []
        for place, (label, n) in enumerate(shown):
            if place == 8 and len(ranked) > _CLASSES_SHOWN:
                lines.append(f"  ... {len(ranked) - 11} more ...")
            bar = "#" * max(round(_BAR * n / most), 1 if n else 0)
            lines.append(f"  {cut(label, wide):<{wide}}  {n:>{digits},}  {bar}".rstrip())
        return ["", *lines]

    def _examples(self, finding: Finding) -> list[str]:
        files = self.collection.files
        lines = []
        for group in finding.groups[:_FILES_SHOWN]:
            names = " = ".join(cut(files[i], _FILE_WIDE) for i in group[:_FILES_SHOWN])
            more = f" = {len(group) - _FILES_SHOWN} more" if len(group) > _FILES_SHOWN else ""
            remark = f": {finding.remarks[group[0]]}" if len(group) == 1 and group[0] in finding.remarks else ""
            lines.append(f"{names}{more}{remark}")
        lines += [f"{cut(file, _FILE_WIDE)}: {reason}" for file, reason in finding.files[:_FILES_SHOWN]]
        total = len(finding.groups) + len(finding.files)
        return lines + ([f"and {total - len(lines):,} more"] if total > len(lines) else [])

    def to_html(self) -> str:
        """Return one self-contained page with the pictures. The pictures shown are opened again."""
        from kunstkammer.data.health_page import health_page

        return health_page(self)


def _some(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def cut(text: str, wide: int = 40) -> str:
    """Shorten a long name in its middle, for what tells names apart stands at the ends.

    >>> cut("a" * 30 + "b" * 30, 11)
    'aaaa...bbbb'
    """
    if len(text) <= wide:
        return text
    head = (wide - 3) // 2
    return f"{text[:head]}...{text[len(text) - (wide - 3 - head) :]}"
