"""One model that is served: its engine, and what belongs to it in its folder; or why it cannot be served."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kunstkammer.errors import ModelError, guess
from kunstkammer.metrics.decisions import decide, to_probabilities
from kunstkammer.models.neighbours import Neighbours
from kunstkammer.web.errors import ModelBroken, Unfit
from kunstkammer.web.inference.engines import Engine, Floats, open_engine
from kunstkammer.web.records import Answer, ModelCard, Neighbour, Score

MOST_NEIGHBOURS = 50
REPORT_FILE, METRICS_FILE, CARD_FILE = "report.html", "metrics.json", "README.md"

log = logging.getLogger("kunstkammer.web")


@dataclass(frozen=True)
class Judged:
    """What a model says of one picture: its logits, and the nearest training pictures where it has any."""

    logits: Floats
    nearest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Served:
    """A model under a name.

    Attributes:
        folder: what it was opened from.
        card: what is known of it.
        engine: None where it is broken, as `card.broken` says.
        neighbours: None where it has none.
    """

    folder: Path
    card: ModelCard
    engine: Engine | None = None
    neighbours: Neighbours | None = None

    def working(self) -> Engine:
        """Return the engine. Raises `ModelBroken`."""
        if self.engine is None:
            raise ModelBroken(f"{self.card.name} cannot answer: {self.card.broken}")
        return self.engine

    def judge(self, logits: Floats, features: Floats | None) -> Sequence[Judged]:
        """Return what is said of each of a batch."""
        if self.neighbours is None or features is None:
            return [Judged(row) for row in logits]
        places, likeness = self.neighbours.nearest(features, MOST_NEIGHBOURS)
        near = (tuple(zip(p, x, strict=True)) for p, x in zip(places.tolist(), likeness.tolist(), strict=True))
        return [Judged(row, own) for row, own in zip(logits, near, strict=True)]

    def answer(self, judged: Judged) -> Answer:
        """Return what goes to the visitor."""
        rows = judged.logits[None]
        many = self.card.multi_label
        found = to_probabilities(rows, multi_label=many)
        row, chosen = found[0], decide(found, multi_label=many, thresholds=self.working().thresholds)[0]
        scores = [
            Score(label, float(row[k]), self.card.zero_r.get(label), bool(chosen[k]))
            for k, label in enumerate(self.card.labels)
        ]
        novelty = None
        if self.neighbours is not None and judged.nearest:
            novelty = float(self.neighbours.novelty(np.array([judged.nearest[0][1]]))[0])
        ordered = tuple(sorted(scores, key=lambda score: -score.probability))
        return Answer(self.card.name, self.card.version, ordered, self.card.calibrated, doubt(row, many), novelty)

    def near(self, judged: Judged, k: int) -> tuple[Neighbour, ...]:
        """Return the nearest training pictures. Raises `Unfit` where there are none."""
        known = self.training_pictures()
        return tuple(
            Neighbour(known.files[place], known.labels[place], likeness, known.thumbnail(place))
            for place, likeness in judged.nearest[:k]
        )

    def training_pictures(self) -> Neighbours:
        """Return what is known of the training collection. Raises `Unfit` where that is nothing."""
        if self.neighbours is None:
            raise Unfit(
                f"{self.card.name} has no pictures of its training collection beside it; "
                "whoever runs this server can add them: kunstkammer fit-neighbours RUN DATA."
            )
        return self.neighbours

    def label(self, name: str | None) -> int | None:
        """Return the number of a label. Raises `Unfit` with the nearest guess."""
        if name is None:
            return None
        if name not in self.card.labels:
            known = ", ".join(self.card.labels[:12]) + (" ..." if len(self.card.labels) > 12 else "")
            raise Unfit(f"{self.card.name} has no label '{name}'.{guess(name, self.card.labels)} It knows: {known}.")
        return self.card.labels.index(name)

    def method(self, name: str) -> str:
        """Return the method where it can explain this model. Raises `Unfit` with the nearest guess."""
        if name not in self.card.explainers:
            known = self.card.explainers
            raise Unfit(
                f"{self.card.name} cannot be explained by '{name}'.{guess(name, known)} "
                f"Possible: {', '.join(known) or 'nothing'}."
            )
        return name

    def renamed(self, name: str) -> Served:
        """Return the same under another name."""
        return replace(self, card=replace(self.card, name=name))


def doubt(probabilities: np.ndarray, many: bool) -> float:
    """Return the entropy over its largest, 0 to 1: of the answer, or with many labels the mean of each label's.

    >>> doubt(np.array([0.5, 0.5]), many=False), doubt(np.array([1.0, 0.0, 0.5]), many=True)
    (1.0, 0.3333333333333333)
    """
    kinds = np.stack([probabilities, 1 - probabilities]) if many else probabilities[None].T
    safe = np.where(kinds > 0, kinds, 1.0)
    entropy = -(kinds * np.log(safe)).sum(axis=0)
    most = np.log(2) if many else np.log(max(len(probabilities), 2))
    return float(np.clip(entropy.mean() / most, 0, 1))


def open_served(folder: str | Path, name: str, device: str | None = None) -> Served:
    """Open a model with what belongs to it; `device` as for `open_engine`. Raises `ModelError` where it cannot answer.

    Damaged or foreign neighbours are left out, and logged: the model answers without them.
    """
    folder = Path(folder)
    engine = open_engine(folder, device)
    neighbours = _beside(lambda: Neighbours.load(folder, engine.weights)) if engine.has_features else None
    prior = engine.facts.get("label_prior") or ()
    card = ModelCard(
        name=name,
        version=engine.version,
        labels=engine.labels,
        multi_label=engine.multi_label,
        zero_r=dict(zip(engine.labels, map(float, prior), strict=True)) if len(prior) == len(engine.labels) else {},
        explainers=engine.explainers,
        calibrated=engine.calibration is not None,
        has_neighbours=neighbours is not None,
        has_detector=False,
        has_report=(folder / REPORT_FILE).is_file(),
        facts=_facts(folder, engine, neighbours),
        card=_text(folder / CARD_FILE),
    )
    return Served(folder, card, engine, neighbours)


def broken(folder: str | Path, name: str, error: Exception) -> Served:
    """Return what is known of a model that cannot be opened; where it lies is not told to visitors."""
    why = str(error)
    for place in (Path(folder).resolve(), Path(folder).absolute(), folder):
        why = why.replace(str(place), name)
    card = ModelCard(name, "", (), False, {}, (), False, False, False, False, broken=why)
    return Served(Path(folder), card)


def _beside(load: Any) -> Any:
    try:
        return load()
    except ModelError as error:
        log.warning("Left out: %s", error)
        return None


def _facts(folder: Path, engine: Engine, neighbours: Neighbours | None) -> Mapping[str, Any]:
    """Return what the model page shows beside the card."""
    recipe, training = engine.facts.get("recipe") or {}, engine.facts.get("training") or {}
    data = engine.facts.get("data") or {}
    plate = engine.plate_settings
    facts: dict[str, Any] = {
        "model": training.get("model"),
        "parameters": training.get("parameters"),
        "recipe": recipe.get("name"),
        "data": {"name": data.get("name"), "pictures": data.get("pictures"), "parts": data.get("parts")},
        "picture": {"height": plate.height, "width": plate.width, "grey": plate.grey, "fit": plate.fit},
        "slow_explainers": list(engine.slow_explainers),
        "explainer_families": dict(engine.families),
        "usual_explainer": engine.usual_explainer,
        "neighbours": None if neighbours is None else len(neighbours),
        "calibration": None,
    }
    if engine.calibration is not None:
        facts["calibration"] = {key: engine.calibration[key] for key in ("temperature", "pictures")}
    try:
        measured = json.loads(_text(folder / METRICS_FILE) or "{}")
        facts |= {key: measured[key] for key in ("n", "metrics", "zero_r") if key in measured}
    except (ValueError, TypeError):
        log.warning("%s is damaged and left out.", folder / METRICS_FILE)
    return facts


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
