"""Measuring a model on a part and writing the report: what `train` and `evaluate` have in common."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.files import write_json, write_text
from kunstkammer.workflows.calibrate import calibrated_answers, calibration_line
from kunstkammer.workflows.trial import stability_line, try_changes

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.errors import PictureError
    from kunstkammer.evaluation.branches import Branches
    from kunstkammer.evaluation.calibration import CalibrationEffect
    from kunstkammer.evaluation.cases import Case
    from kunstkammer.evaluation.evaluate import Evaluation
    from kunstkammer.evaluation.notes import Note
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.evaluation.report.content import Card, DataFacts, Making, ReportContent
    from kunstkammer.evaluation.stability import Stability
    from kunstkammer.metrics.intervals import Interval
    from kunstkammer.models.run import Run
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.recipe import Recipe

REPORT_FILE, METRICS_FILE, PREDICTIONS_FILE = "report.html", "metrics.json", "predictions.csv"
SHOWN_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "subset_accuracy", "samples_f1", "mean_average_precision")
SHOWN_OF_MANY_LABELS = ("samples_f1", "subset_accuracy", "macro_f1", "mean_average_precision", "roc_auc")
SHOWN_CHARACTERS = 240
"""So much of the text in a picture stands below it in the report."""


class Figures:
    """Short ways to what an evaluation says."""

    def evaluated(self) -> Evaluation:
        """Return the evaluation in question."""
        raise NotImplementedError

    @property
    def n(self) -> int:
        """How many pictures were measured."""
        return self.evaluated().n

    @property
    def metrics(self) -> dict[str, Interval]:
        """The metrics by name, each with `value`, `low` and `high` (95 %)."""
        return self.evaluated().metrics

    @property
    def zero_r(self) -> dict[str, float]:
        """What ZeroR reaches: the answer that is always the training part's most frequent label."""
        return self.evaluated().zero_r


@dataclass(frozen=True)
class Measured(Figures):
    """What `train` and `evaluate` return.

    Attributes:
        run: the run folder, or what was evaluated.
        report: the report, one HTML file.
        evaluation: every metric with its interval, ZeroR, confusion, calibration, collapse.
        predictions: what the model said of each picture of the part.
        part: which part was measured.
        unreadable: the pictures that could not be read.
        branches: of a scene model, what picture and text are worth alone and together.
        stability: how the answers react to slight changes of the pictures, None where that was not tried.
        calibrated: what the calibration did to the confidence, None where the model has none.
        seen: how many of the pictures the model saw when it was made, None where that is not known.
        warnings: what a reader must know of how the model and the pictures came together.
        groups: what belongs together, a number for each picture of `predictions`; None where each stands for itself.
    """

    run: str
    report: Path
    evaluation: Evaluation
    predictions: Predictions
    part: str
    unreadable: list[PictureError] = field(default_factory=list)
    branches: Branches | None = None
    stability: Stability | None = None
    calibrated: CalibrationEffect | None = None
    seen: int | None = None
    groups: Sequence[int] | None = None
    warnings: Sequence[Note] = ()

    def evaluated(self) -> Evaluation:
        """Return the evaluation."""
        return self.evaluation

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "run": self.run,
            "report": str(self.report),
            "part": self.part,
            "seen_in_training": self.seen,
            "warnings": [note.text for note in self.warnings],
            **self.evaluation.to_json(),
            **({} if self.branches is None else {"branches": self.branches.to_json()}),
            **({} if self.stability is None else {"stability": self.stability.to_json()}),
            **({} if self.calibrated is None else {"calibrated": self.calibrated.to_json()}),
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
        }

    def to_text(self) -> str:
        """Return the few figures that matter, each with its interval and ZeroR, and where the report is."""
        lines = [f"Measured on {self.n} pictures ({self.part}), 95 % intervals, ZeroR beside them:"]
        for name in SHOWN_OF_MANY_LABELS if self.evaluation.multi_label else SHOWN_METRICS:
            if name in self.metrics:
                found, zero = self.metrics[name], self.zero_r.get(name)
                beside = f"   ZeroR {zero:.3f}, gain {found.value - zero:+.3f}" if zero is not None else ""
                lines.append(f"  {name:<24}{found.value:.3f}  ({found.low:.3f} to {found.high:.3f}){beside}")
        for row in self.branches.rows if self.branches is not None else []:
            if "roc_auc" in row.metrics:
                own = row.metrics["roc_auc"]
                lines.append(f"  ROC-AUC from {row.name:<11}{own.value:.3f}  ({own.low:.3f} to {own.high:.3f})")
        if self.evaluation.collapse.collapsed:
            lines.append(f"COLLAPSED: {self.evaluation.collapse.sentence}")
        if self.stability is not None:
            lines.append(stability_line(self.stability))
        if self.calibrated is not None:
            lines.append(calibration_line(self.calibrated))
        beside_notes = self.branches.notes if self.branches is not None else []
        lines += [f"{'WARNING' if note.grave else 'Note'}: {note.text}" for note in self.warnings]
        lines += [f"Note: {note.text}" for note in [*self.evaluation.notes, *beside_notes]]
        lines.append(f"Report: {self.report}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Setting:
    """What a measurement is told beside the model and the pictures."""

    part: str
    title: str
    prior: np.ndarray | None
    seen: int | None = None
    groups: Sequence[int] | None = None
    resamples: int = 1000
    pictures: int = 12
    explainer: str | None = "grad-cam"
    seed: int = 0
    history: Sequence[Mapping[str, Any]] = ()
    best_epoch: int | None = None
    data: DataFacts | None = None
    making: Making | None = None
    warnings: Sequence[Note] = ()
    usage: Sequence[str] = ()
    stability: int = 0


def measure(
    checkpoint: Run,
    collection: Collection,
    out: Path,
    setting: Setting,
    predictions: Predictions | None = None,
) -> Measured:
    """Measure a model on all of `collection`; write report, metrics and predictions into `out`.

    `predictions` are those of the model where they are known already, for all pictures of the collection.
    """
    from kunstkammer.data.plates import make_plates
    from kunstkammer.evaluation.evaluate import evaluate_predictions
    from kunstkammer.evaluation.predictions import predict_collection
    from kunstkammer.evaluation.report import write_report

    unreadable: list[PictureError] = []
    if predictions is None:
        plates = make_plates(collection, checkpoint.plate_settings, show_progress=False)
        predictions, unreadable = predict_collection(checkpoint, collection, plates=plates, show_progress=False)
    groups = None
    if setting.groups is not None:
        groups = [setting.groups[i] for i in predictions.places(collection.files)]
    evaluation = evaluate_predictions(
        predictions, prior=setting.prior, groups=groups, resamples=setting.resamples, seed=setting.seed
    )
    branches = compared_branches(checkpoint, collection, predictions, groups, setting)
    stability = try_changes(
        checkpoint,
        collection,
        predictions,
        groups,
        count=setting.stability,
        resamples=setting.resamples,
        seed=setting.seed,
    )
    calibrated = calibrated_answers(checkpoint, predictions, groups, setting)
    found = Measured(
        checkpoint.path,
        out / REPORT_FILE,
        *(evaluation, predictions, setting.part, unreadable, branches, stability, calibrated, setting.seen, groups),
        warnings=setting.warnings,
    )
    write_report(found.report, _content(found, checkpoint, collection, setting))
    extra = {"branches": branches, "stability": stability, "calibrated": calibrated}
    beside = {name: one.to_json() for name, one in extra.items() if one is not None}
    write_json(out / METRICS_FILE, {**evaluation.to_json(), **beside})
    predictions.save(out / PREDICTIONS_FILE)
    return found


def _content(found: Measured, checkpoint: Run, collection: Collection, setting: Setting) -> ReportContent:
    """Return what the report shows of a measurement."""
    from kunstkammer.evaluation.cases import find_cases
    from kunstkammer.evaluation.report import ReportContent

    cases = find_cases(found.predictions, count=setting.pictures)
    shown = {case.file: case for case in [*cases.best, *cases.worst, *cases.doubtful]}
    cards = _cards(checkpoint, collection, found.predictions, list(shown.values()), setting.explainer)
    return ReportContent(
        title=setting.title,
        evaluation=found.evaluation,
        part=setting.part,
        model=str(checkpoint.model.config.model_type),
        created=datetime.date.today().isoformat(),
        data_name=collection.name,
        warnings=[*setting.warnings, *(found.branches.notes if found.branches is not None else [])],
        history=setting.history,
        best_epoch=setting.best_epoch,
        best=[cards[case.file] for case in cases.best],
        worst=[cards[case.file] for case in cases.worst],
        doubtful=[cards[case.file] for case in cases.doubtful],
        explainer=setting.explainer,
        data=setting.data,
        making=setting.making,
        usage=setting.usage,
        branches=found.branches,
        stability=found.stability,
        calibrated=found.calibrated,
    )


def compared_branches(
    checkpoint: Run,
    collection: Collection,
    predictions: Predictions,
    groups: Sequence[int] | None,
    setting: Setting,
) -> Branches | None:
    """Return what picture and text are worth alone beside `predictions` from both; None where there is no text."""
    from kunstkammer.data.plates import make_plates
    from kunstkammer.evaluation.branches import compare_branches
    from kunstkammer.evaluation.predictions import predict_collection
    from kunstkammer.models.scene import BRANCHES

    if checkpoint.text is None or not checkpoint.extras(collection):
        return None
    plates = make_plates(collection, checkpoint.plate_settings, show_progress=False)  # known from the first answer
    answers = {"both": predictions}
    for name in ("picture", "text"):
        branch = replace(checkpoint, reads=BRANCHES[name])
        answers[name], _ = predict_collection(branch, collection, plates=plates, show_progress=False)
    texts = checkpoint.text.texts(collection)
    told = np.array([bool(texts[i].strip()) for i in predictions.places(collection.files)])
    return compare_branches(answers, told=told, groups=groups, resamples=setting.resamples, seed=setting.seed)


def _cards(
    checkpoint: Run, collection: Collection, predictions: Predictions, cases: list[Case], explainer: str | None
) -> dict[str, Card]:
    from kunstkammer.evaluation.report.content import Card
    from kunstkammer.workflows.overlays import SHOWN_PIXELS, explained

    places = predictions.places(collection.files)
    indices = [int(places[case.index]) for case in cases]
    if explainer is None:
        pictures = [collection.open(i, at_least=SHOWN_PIXELS) for i in indices]
        cards = {case.file: Card(case, picture) for case, picture in zip(cases, pictures, strict=True)}
    else:
        found = explained(checkpoint, collection, indices, explainer)
        cards = {case.file: Card(case, item.picture, item.overlay) for case, item in zip(cases, found, strict=True)}
    if checkpoint.text is not None:
        texts = checkpoint.text.texts(collection)
        for case, index in zip(cases, indices, strict=True):
            cards[case.file].text = shorten(texts[index], SHOWN_CHARACTERS, placeholder=" …")
    return cards


def measure_run(
    run: Path,
    collection: Collection,
    seen: Survey,
    parts: Parts,
    recipe: Recipe,
    facts: dict[str, Any],
    history: Sequence[Mapping[str, Any]],
    *,
    warnings: Sequence[Note] = (),
    predictions: Predictions | None = None,
    device: str | None = None,
) -> Measured:
    """Measure a freshly trained run on its test part, and write the report and the model card."""
    from kunstkammer.models.run import open_run
    from kunstkammer.workflows.card import model_card

    checkpoint = open_run(run, device)
    rows = parts.indices("test")
    training = facts["training"]
    setting = Setting(
        part="test",
        seen=0,
        title=" / ".join(collection.label_names) if len(collection.label_names) <= 4 else collection.name,
        prior=checkpoint.label_prior,
        groups=[parts.rows[i].group for i in rows] if recipe.data.groups else None,
        resamples=recipe.evaluation.resamples,
        pictures=recipe.evaluation.pictures,
        explainer=recipe.evaluation.explainer,
        seed=recipe.seed,
        stability=recipe.evaluation.stability,
        history=history,
        best_epoch=training["best_epoch"] or None,
        warnings=warnings,
        data=data_section(collection, seen, parts, recipe, facts),
        making=making_section(recipe, checkpoint.facts, training),
        usage=usage(run),
    )
    measured = measure(checkpoint, collection.select(rows), run, setting, predictions)
    card = model_card(
        name=run.name,
        recipe=recipe,
        run=checkpoint,
        facts={**checkpoint.facts, **facts, "warnings": [note.text for note in warnings]},
        evaluation=measured.evaluation,
        part="test",
    )
    write_text(run / "README.md", card)
    return measured


def data_section(
    collection: Collection, seen: Survey, parts: Parts, recipe: Recipe, facts: dict[str, Any]
) -> DataFacts:
    """Return the report's section on the data."""
    from kunstkammer.evaluation.report.content import DataFacts

    counts: dict[str, Counter[str]] = {part: Counter() for part in parts.counts()}
    for row in parts.rows:
        if row.part:
            counts[row.part].update(row.labels)
    return DataFacts(
        name=collection.name,
        parts={part: {label: found[label] for label in collection.label_names} for part, found in counts.items()},
        groups=len({row.group for row in parts.rows if row.part}),
        grouped_by=", ".join(recipe.data.groups) or None,
        duplicates=facts["data"]["copies"],
        unreadable=[str(error) for error in seen.errors.values()],
        licences=[f"{name} ({count})" for name, count in facts["data"]["licences"].items()],
    )


def making_section(recipe: Recipe, facts: dict[str, Any], training: dict[str, Any]) -> Making:
    """Return the report's section on how the model was made."""
    from kunstkammer.evaluation.report.content import Making
    from kunstkammer.pictures.preparation import build_preparation

    preparation = build_preparation(recipe.picture.preparation)
    return Making(
        recipe=recipe.to_yaml(),
        versions=facts.get("versions", {}),
        seed=recipe.seed,
        seconds=training["seconds"],
        epochs=training["epochs"] or None,
        parameters=training["parameters"],
        device=training.get("device"),
        preparation=None if preparation is None else preparation.sentence,
    )


def usage(run: Path) -> list[str]:
    """Return the commands that use a run."""
    return [
        f"kunstkammer predict {run} PICTURES --out predictions.csv",
        f"kunstkammer explain {run} PICTURES --method grad-cam --out heat-maps",
        f"kunstkammer evaluate {run} OTHER-COLLECTION",
    ]
