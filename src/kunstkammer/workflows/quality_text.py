"""What `explain-quality` prints: a table of methods and checks, and the paper's claims in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kunstkammer.evaluation.map_quality import Claim, Estimate, MethodQuality
    from kunstkammer.workflows.quality_found import Quality

MARKS = {"passed": "yes", "failed": "no", "undecided": "?", "": "-"}
HEADS = ("", "below random (95 %)", "better", "least less most", "model", "class", "logit kept")


def text_of(found: Quality) -> str:
    """Return all of it as text for a terminal."""
    lines = [
        f"{len(found.methods)} methods on {found.pictures} pictures ({found.part}) of {found.data}. Below random: how "
        "far the probability that is left lies under that of a random order, on average over the curve.",
        *_table(found.methods),
        "better: than random at 95 %. model, class: does the map change with them? logit kept: share of it in the map.",
    ]
    if found.boxes is not None:
        lines.append(f"Boxes: {found.boxes[0]} pictures; they cover {100 * found.boxes[1]:.0f} % of them.")
        lines += [
            f"  {row.name:<24}points inside {_value(row.points)}, energy inside {_value(row.energy)}"
            for row in found.methods
        ]
    lines += [_claim(claim) for claim in found.claims]
    for row in found.summaries:
        means = ", ".join(f"{name} {value:.2f}" for name, value in row.means.items())
        lines.append(f"rho ({row.target}), mean of {row.layers} layers: {means}")
    if found.signal_note:
        lines.append(f"rho was not measured: {found.signal_note}")
    lines += [f"Left out: {name}: {why}" for name, why in found.left_out.items()]
    lines += [f"Note: {note}" for note in [*found.notes, *found.facts]]
    return "\n".join([*lines, f"Report: {found.report}"])


def _table(methods: list[MethodQuality]) -> list[str]:
    rows: list[tuple[str, ...]] = [HEADS]
    for row in sorted(methods, key=lambda one: -one.beside_random.value):
        rows.append(
            (
                row.name,
                _interval(row.beside_random),
                MARKS[row.degradation],
                "-" if row.between is None else f"{row.between.value:+.3f}",
                MARKS[row.randomisation],
                MARKS[row.sensitivity],
                "-" if row.kept is None else f"{100 * row.kept.share:.0f} %",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _interval(found: Estimate) -> str:
    return f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _value(found: Estimate | None) -> str:
    return "-" if found is None or not found.n else f"{found.value:.2f}"


def _claim(claim: Claim) -> str:
    p = "p < 0.001" if claim.adjusted < 0.001 else f"p = {claim.adjusted:.3f}"
    return (
        f"{claim.method} against {claim.against}: {claim.verdict}, area less by {_interval(claim.difference)}, {p} "
        "(paired, after Holm)"
    )
