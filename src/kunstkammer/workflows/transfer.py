"""transfer: does a preparation, or an adaptation, lower the error that another kind of pictures causes?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError, KunstkammerError
from kunstkammer.files import write_json
from kunstkammer.progress import say

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.evaluation.experiment import Change
    from kunstkammer.evaluation.report.transfer_page import TransferContent
    from kunstkammer.evaluation.transfer import Row
    from kunstkammer.metrics.intervals import Interval
    from kunstkammer.training.recipe import Recipe

DEFAULT_RECIPE = "emotion-augmented"
PLAN_FILE, RESULT_FILE, REPORT_FILE = "transfer.json", "result.json", "report.html"


@dataclass(frozen=True)
class Transfer:
    """What `transfer` returns: a row for each condition, the plain one first."""

    out: Path
    report: Path
    names: tuple[str, str]
    counts: tuple[int, int]
    seeds: list[int]
    rows: list[Row]
    zero_r: tuple[float, float]
    seconds: float
    notes: list[str] = field(default_factory=list)

    def row(self, name: str) -> Row:
        """Return the row of a condition."""
        return next(row for row in self.rows if row.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "out": str(self.out),
            "report": str(self.report),
            "a": {"name": self.names[0], "n": self.counts[0], "zero_r_error": self.zero_r[0]},
            "b": {"name": self.names[1], "n": self.counts[1], "zero_r_error": self.zero_r[1]},
            "seeds": self.seeds,
            "conditions": [row.to_json() for row in self.rows],
            "notes": self.notes,
            "seconds": round(self.seconds, 1),
        }

    def to_text(self) -> str:
        """Return the table and the sentence that answers the question."""
        a, b = self.names
        width = max(len(row.name) for row in self.rows)
        lines = [
            f"Error on {a} (A, n = {self.counts[0]}) and on {b} (B, n = {self.counts[1]}), {len(self.seeds)} seeds, "
            f"95 % intervals. ZeroR errs on {self.zero_r[0]:.3f} of A and {self.zero_r[1]:.3f} of B.",
            f"  {'':<{width}}  error on A              error on B              change on B",
        ]
        for row in self.rows:
            change = ""
            if row.change_b is not None:
                change = f"{_interval(row.change_b, signed=True)}  {row.verdict}"
            lines.append(
                f"  {row.name:<{width}}  {_interval(row.error_a)}   {_interval(row.error_b)}   {change}".rstrip()
            )
        lines += [self.sentence, *(f"Note: {note}" for note in self.notes), f"Report: {self.report}"]
        return "\n".join(lines)

    @property
    def sentence(self) -> str:
        """What helped and what harmed, in a sentence."""
        told = {verdict: [row.name for row in self.rows if row.verdict == verdict] for verdict in ("lowers", "raises")}
        parts = [f"{', '.join(found)} {verdict} the error on B" for verdict, found in told.items() if found]
        plain = self.rows[0]
        gap = f"Without any preparation the error is {plain.error_b.value - plain.error_a.value:+.3f} on B against A"
        if not parts:
            return f"{gap}; of the {len(self.rows) - 1} conditions none changes it beyond chance."
        others = len(self.rows) - 1
        return f"{gap}; {'; '.join(parts)}{f' (adjusted for {others} comparisons)' if others > 1 else ''}."


def _interval(found: Interval | Change, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


def transfer(
    a: Any,
    b: Any,
    recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    *,
    out: str | Path,
    seeds: int = 3,
    conditions: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    device: str | None = None,
) -> Transfer:
    """Train on A without and with each preparation, over several seeds, and measure the error on B.

    The experiment of system B as one call: for each condition and seed a network learns from A by the recipe, and is
    measured on the test parts of A and of B. The labels of B are used to measure only. Changes are paired by seed and
    picture and adjusted for the number of conditions.

    Args:
        a, b: any form of a collection that `kunstkammer.read` knows; both need common labels.
        recipe: as for `train`; emotion-augmented where not given. Its own preparation counts for the plain condition.
        out: the folder for all runs and the report.
        seeds: how many; the first is the recipe's own. All share one split of A and one of B.
        conditions: presets of cartoonify ("comic"), "like" (fitted to B's pictures), "style-mixing", names of
            `kunstkammer list adaptations`, or several joined by "+"; all single ones where not given.
        settings: changes of the recipe by dotted key.
        resume: go on with an experiment that was stopped; what is there is used again.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        DataError: where A and B have fewer than two labels in common.
        KunstkammerError: of one of its kinds, as `train`.
    """
    from kunstkammer.evaluation.report.transfer_page import write_transfer_page
    from kunstkammer.models.devices import choose_device
    from kunstkammer.training.conditions import parse_conditions
    from kunstkammer.training.recipe import Recipe
    from kunstkammer.workflows.transfer_runs import Bench

    choose_device(device)  # a device that is not there is named before anything is read
    start = time.perf_counter()
    if seeds < 1:
        raise DataError(f"seeds must be at least 1, not {seeds}.")
    chosen = Recipe.load(recipe or DEFAULT_RECIPE, settings)
    asked = parse_conditions(conditions)
    folder = Path(out)
    plan = {"recipe": chosen.model_dump(mode="json"), "a": str(a), "b": str(b)}
    (_require_same if resume else _require_new)(folder, plan)
    bench = Bench.set_up(a, b, chosen, folder, device)
    write_json(folder / PLAN_FILE, plan)
    numbers = [chosen.seed + i for i in range(seeds)]
    say(f"{len(asked)} conditions, {seeds} seeds: {len({c.trained for c in asked}) * seeds} trainings at most.")
    results = [bench.measure(condition, numbers) for condition in asked]
    rows = bench.rows([result for result in results if result is not None])
    report = folder / REPORT_FILE
    zero_r, taken = bench.zero_r(), time.perf_counter() - start
    found = Transfer(folder, report, bench.names, bench.counts, numbers, rows, zero_r, taken, bench.notes)
    write_transfer_page(report, _content(found, chosen, bench.examples()))
    write_json(folder / RESULT_FILE, found.to_json())
    return found


def _content(found: Transfer, recipe: Recipe, examples: Sequence[tuple[str, Sequence[Image.Image]]]) -> TransferContent:
    import datetime

    from kunstkammer.evaluation.report.transfer_page import TransferContent

    return TransferContent(
        names=found.names,
        counts=found.counts,
        zero_r=found.zero_r,
        rows=found.rows,
        seeds=len(found.seeds),
        notes=found.notes,
        examples=examples,
        recipe=recipe.to_yaml(),
        created=datetime.date.today().isoformat(),
    )


def _require_new(folder: Path, _plan: dict[str, Any]) -> None:
    from kunstkammer.training.run_folder import require_new

    require_new(folder)


def _require_same(folder: Path, plan: dict[str, Any]) -> None:
    import json

    file = folder / PLAN_FILE
    if not file.is_file():
        raise KunstkammerError(f"There is no transfer experiment to resume in {folder}; leave --resume out.")
    kept = json.loads(file.read_text(encoding="utf-8"))
    for key in ("a", "b", "recipe"):
        if kept.get(key) != plan[key]:
            raise KunstkammerError(
                f"The experiment in {folder} was started with another {key}; name the same one, or a new folder."
            )
