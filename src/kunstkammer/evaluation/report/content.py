"""What a report can hold. Everything but the title and the evaluation may be absent; its section is then left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kunstkammer.evaluation.cases import Case
from kunstkammer.evaluation.evaluate import Evaluation
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.stability import Stability

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.evaluation.branches import Branches
    from kunstkammer.evaluation.calibration import CalibrationEffect


@dataclass
class Card:
    """A picture of the report: what the model says of it, the picture, its heat map over it and the text in it where
    there are any."""

    case: Case
    picture: Image.Image
    overlay: Image.Image | None = None
    text: str | None = None


@dataclass
class DataFacts:
    """What a model learned from and was judged on.

    Attributes:
        name: of the collection.
        parts: part ("train", "validation", "test") -> label -> pictures.
        groups: groups of copies or titles that were kept on one side of the split; grouped_by: by what.
        duplicates: pictures that have a copy or near copy in the collection.
        unreadable: files that were left out.
        licences: where the terms of the pictures are stated, or the terms, a line each.
    """

    name: str
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    groups: int | None = None
    grouped_by: str | None = None
    duplicates: int | None = None
    unreadable: Sequence[str] = ()
    licences: Sequence[str] = ()


@dataclass
class Making:
    """How a model was made.

    Attributes:
        recipe: the whole recipe, YAML.
        versions: package -> version.
        seed, parameters (trainable), device: where they are known.
        preparation: what was done to the pictures of training and validation, and not to those of the test.
        seconds: of training; epochs: that were run.
    """

    recipe: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    seconds: float | None = None
    epochs: int | None = None
    parameters: int | None = None
    device: str | None = None
    preparation: str | None = None


@dataclass
class ReportContent:
    """The content of a report.

    Attributes:
        title: what the model tells apart, or its name.
        evaluation: how good it is.
        part: the part that was judged: "test", "validation", "train" or "all".
        model: its name or kind; created: a date; data_name: of the collection judged.
        warnings: what a reader must know beside the notes of the evaluation, and is shown with them.
        history: a record an epoch: `epoch` and any of `train_loss`, `train_accuracy`, `validation_loss`,
            `validation_accuracy` (as in history.jsonl). best_epoch: the one that was kept.
        best, worst, doubtful: pictures, the strongest first; examples: label -> pictures.
        explainer: the method of the heat maps, such as "Grad-CAM".
        data, making: see there.
        stability: how the answers react to slight changes of the pictures.
        branches: of a scene model, what picture and text are worth alone and together.
        calibrated: what the model's calibration does to its confidence.
        usage: commands that use the model, a line each.
    """

    title: str
    evaluation: Evaluation
    part: str = "test"
    model: str | None = None
    created: str | None = None
    data_name: str | None = None
    warnings: Sequence[Note] = ()
    history: Sequence[Mapping[str, Any]] = ()
    best_epoch: int | None = None
    best: Sequence[Card] = ()
    worst: Sequence[Card] = ()
    doubtful: Sequence[Card] = ()
    examples: Mapping[str, Sequence[Card]] = field(default_factory=dict)
    explainer: str | None = None
    data: DataFacts | None = None
    making: Making | None = None
    stability: Stability | None = None
    usage: Sequence[str] = ()
    branches: Branches | None = None
    calibrated: CalibrationEffect | None = None
