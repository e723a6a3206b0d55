"""Several sets of pictures, one model: each measured on its own, and the gap between the first and each other."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from kunstkammer.files import write_json
from kunstkammer.workflows.measure import METRICS_FILE, REPORT_FILE, Figures, Measured, Setting, measure

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.evaluation.domain_gap import Gap
    from kunstkammer.evaluation.evaluate import Evaluation
    from kunstkammer.evaluation.notes import Note
    from kunstkammer.evaluation.part import Part
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.evaluation.report.gap import Contrast
    from kunstkammer.models.run import Run

SHIFT_PICTURES = 1000
"""The features of so many pictures of a set are collected, at most: as many as the domain classifier uses."""
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "samples_f1", "subset_accuracy", "mean_average_precision",
         "expected_calibration_error")  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One of the sets: its name, the pictures that are measured, labels that the model lacks, how it is measured."""

    name: str
    part: Part
    unknown: tuple[str, ...] = ()
    setting: Setting = field(default_factory=lambda: Setting("", "", None))

    def called(self, name: str) -> Asked:
        """Return the same set under another name."""
        return replace(self, name=name, setting=replace(self.setting, title=name))


@dataclass(frozen=True)
class Compared(Figures):
    """What `evaluate` returns for several sets. What `Measured` has is that of the first set, the reference.

    Attributes:
        run: what was evaluated.
        report: the page that shows the sets side by side.
        names: of the sets; sets: what was measured on each, the first being the reference.
        contrasts: the gap between the first and each other set, and how far apart their features lie.
    """

    run: str
    report: Path
    names: list[str]
    sets: list[Measured]
    contrasts: list[Contrast]

    @property
    def gap(self) -> Gap:
        """The gap between the first two sets."""
        return self.contrasts[0].gap

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of the first set."""
        return self.sets[0].evaluation

    @property
    def predictions(self) -> Predictions:
        """The predictions for the first set."""
        return self.sets[0].predictions

    @property
    def part(self) -> str:
        """Which part of the first set was measured."""
        return self.sets[0].part

    def evaluated(self) -> Evaluation:
        """Return the evaluation of the first set."""
        return self.evaluation

    def to_json(self) -> dict[str, Any]:
        """Return what one set prints, for the first; `sets` for all of them, `gap` for the first two."""
        sets = [{"name": name, **found.to_json()} for name, found in zip(self.names, self.sets, strict=True)]
        gaps = [_plain(contrast) for contrast in self.contrasts]
        for found, gap in zip(sets[1:], gaps, strict=True):
            found["gap"] = gap
        return {**self.sets[0].to_json(), "report": str(self.report), "sets": sets, "gap": gaps[0]}

    def to_text(self) -> str:
        """Return a table a gap, and what it means in a sentence or two."""
        from kunstkammer.evaluation.report.gap_words import lead, told_apart

        lines: list[str] = []
        for contrast in self.contrasts:
            gap = contrast.gap
            lines += _table(gap)
            lines.append(lead(gap).en)
            if contrast.auc is not None:
                lines.append(told_apart(gap, contrast.auc).en)
            for name, judged in ((gap.name_a, gap.a), (gap.name_b, gap.b)):
                if judged.collapse.collapsed:
                    lines.append(f"COLLAPSED on {name}: {judged.collapse.sentence}")
            lines += [f"Note: {note.text}" for note in contrast.notes]
            lines.append("")
        return "\n".join([*lines, f"Report: {self.report}"])


def _plain(contrast: Contrast) -> dict[str, Any]:
    auc = None if contrast.auc is None else contrast.auc.to_json()
    return {**contrast.gap.to_json(), "domain_auc": auc, "notes": [note.text for note in contrast.notes]}


def _table(gap: Gap) -> list[str]:
    names = [name for name in SHOWN if name in gap.metrics]
    rows = [["", f"{gap.name_a} ({gap.a.n})", f"{gap.name_b} ({gap.b.n})", "gap"]]
    for name in names:
        m = gap.metrics[name]
        cells = [f"{v.value:.3f} ({v.low:.3f} to {v.high:.3f})" for v in (m.a, m.b)]
        rows.append([name, *cells, f"{m.gap.value:+.3f} ({m.gap.low:+.3f} to {m.gap.high:+.3f})"])
    first = gap.headline
    rows.append([f"{first.name} of ZeroR", f"{first.zero_r_a:.3f}", f"{first.zero_r_b:.3f}", ""])
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def set_names(names: Sequence[str], places: Sequence[Any]) -> list[str]:
    """Return names that differ: of equal ones the folder above is told too, and a number where that is equal as well.

    >>> set_names(["test", "test", "pages"], ["photographs/test", "drawings/test", "pages"])
    ['photographs/test', 'drawings/test', 'pages']
    """
    told = [
        f"{Path(place).parent.name}/{name}"
        if names.count(name) > 1 and isinstance(place, str | Path) and Path(place).parent.name
        else name
        for name, place in zip(names, places, strict=True)
    ]
    return [name if told.count(name) == 1 else f"{name} ({told[: i + 1].count(name)})" for i, name in enumerate(told)]


def measure_sets(checkpoint: Run, asked: Sequence[Asked], out: Path, *, paired: bool | None = None) -> Compared:
    """Measure a model on several sets, each into a folder of its own in `out`, and compare the first with each other.

    paired: as for `domain_gap.compare`.
    """
    from kunstkammer.evaluation.report.gap import GapContent, OneSet, write_gap_report

    sets, folders = [], _folders([one.name for one in asked])
    for one, folder in zip(asked, folders, strict=True):
        own = replace(one.setting, warnings=[*one.setting.warnings, *_unknown([one])])
        sets.append(measure(checkpoint, one.part.collection, out / folder, own))
    setting = asked[0].setting
    features = [_features(checkpoint, one.part.collection, found.predictions, setting.seed)
                for one, found in zip(asked, sets, strict=True)]  # fmt: skip
    contrasts = [
        _contrast(checkpoint, (asked[0], asked[i]), (sets[0], sets[i]), (features[0], features[i]), setting, paired)
        for i in range(1, len(asked))
    ]
    content = GapContent(
        title=" / ".join(one.name for one in asked),
        sets=[
            OneSet(one.name, one.part.name, found.n, f"{quote(folder)}/{REPORT_FILE}")
            for one, found, folder in zip(asked, sets, folders, strict=True)
        ],
        contrasts=contrasts,
        model=str(checkpoint.model.config.model_type),
        created=datetime.date.today().isoformat(),
        usage=setting.usage,
    )
    report = write_gap_report(out / REPORT_FILE, content)
    compared = Compared(checkpoint.path, report, [one.name for one in asked], sets, contrasts)
    write_json(out / METRICS_FILE, compared.to_json())
    return compared


def _folders(names: list[str]) -> list[str]:
    """Return a folder name for each set, all different."""
    safe = [re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "set" for name in names]
    return [name if safe.count(name) == 1 else f"{name}-{safe[: i + 1].count(name)}" for i, name in enumerate(safe)]


@dataclass(frozen=True)
class _Features:
    """The features of some pictures of a set: `rows` of its predictions; None where the network shows none."""

    values: np.ndarray | None
    rows: np.ndarray


def _features(checkpoint: Run, collection: Collection, predictions: Predictions, seed: int) -> _Features:
    from kunstkammer.data.plates import make_plates
    from kunstkammer.errors import ModelError
    from kunstkammer.models.features import collect_features

    known = np.flatnonzero(predictions.known())
    if len(known) > SHIFT_PICTURES:
        known = np.sort(np.random.default_rng(seed).choice(known, SHIFT_PICTURES, replace=False))
    places = predictions.places(collection.files)[known]
    plates = make_plates(collection.select(places), checkpoint.plate_settings, show_progress=False)
    try:
        return _Features(collect_features(checkpoint.model, checkpoint.geometry, plates), known)
    except ModelError:  # _contrast names it in a note
        return _Features(None, known)


def _contrast(
    checkpoint: Run,
    asked: tuple[Asked, Asked],
    sets: tuple[Measured, Measured],
    features: tuple[_Features, _Features],
    setting: Setting,
    paired: bool | None,
) -> Contrast:
    from kunstkammer.evaluation.domain_gap import compare
    from kunstkammer.evaluation.domain_shift import FEWEST, domain_auc, plane
    from kunstkammer.evaluation.notes import Note
    from kunstkammer.evaluation.report.gap import Contrast
    from kunstkammer.metrics.classification import one_hot

    a, b = (found.predictions for found in sets)
    gap = compare(
        a,
        b,
        name_a=asked[0].name,
        name_b=asked[1].name,
        prior=setting.prior,
        groups_a=sets[0].groups,
        groups_b=sets[1].groups,
        paired=paired,
        judged=(sets[0].evaluation, sets[1].evaluation),
        resamples=setting.resamples,
        seed=setting.seed,
    )
    notes = [*_seen(asked), *_unknown(asked)]
    first, second = (found.values for found in features)
    few = min(len(found.rows) for found in features)
    if first is None or second is None:
        return Contrast(gap, notes=[*notes, Note("no_features", model=checkpoint.model.config.model_type)])
    if few < FEWEST:
        return Contrast(gap, notes=[*notes, Note("few_for_shift", count=few)])
    targets = [np.asarray(p.targets)[f.rows] for p, f in zip((a, b), features, strict=True)]
    groups = None
    if gap.pairs:
        groups = [
            [str(Path(p.files[i]).with_suffix("")) for i in f.rows] for p, f in zip((a, b), features, strict=True)
        ]
    auc = domain_auc(
        first,
        second,
        *targets,
        groups_a=None if groups is None else groups[0],
        groups_b=None if groups is None else groups[1],
        resamples=setting.resamples,
        seed=setting.seed,
    )
    laid = plane(first, second, seed=setting.seed)
    width = len(a.label_names)
    return Contrast(
        gap, auc, laid, one_hot(targets[0][laid.rows_a], width), one_hot(targets[1][laid.rows_b], width), notes
    )


def _seen(asked: Sequence[Asked]) -> list[Note]:
    """Return a note for each set of which the model saw pictures when it was made."""
    from kunstkammer.evaluation.notes import Note

    return [
        Note("seen_in_set", name=one.name, count=one.part.seen, all=len(one.part.collection))
        for one in asked
        if one.part.seen
    ]


def _unknown(asked: Sequence[Asked]) -> list[Note]:
    """Return a note for each set with labels that the model does not know."""
    from kunstkammer.evaluation.notes import Note

    return [
        Note("unknown_labels", name=one.name, names=", ".join(one.unknown[:8]) + (", ..." if one.unknown[8:] else ""))
        for one in asked
        if one.unknown
    ]
