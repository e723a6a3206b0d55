"""The section of a recipe that says how is learned: one class for each way of learning, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Base of all parts of a recipe: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class LinearHeadSettings(Settings):
    """How the head on frozen features is fitted (model.train: frozen)."""

    strengths: list[float] = Field(
        [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0], min_length=1, description="the C that are tried, larger fits closer"
    )
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation that chooses C")

    @field_validator("strengths")
    @classmethod
    def _strengths_are_positive(cls, value: list[float]) -> list[float]:
        if any(not 0 < strength < float("inf") for strength in value):
            raise ValueError("each strength must be a number above 0")
        return value


class StyleMixingSettings(Settings):
    """MixStyle (Zhou et al. 2021): the feature statistics of early layers are mixed between pictures."""

    probability: float = Field(0.5, gt=0, le=1, description="share of the batches that are mixed")
    alpha: float = Field(0.1, ge=0.01, description="both parameters of the Beta distribution of the weights")


class ClassificationSettings(Settings):
    """Labels of pictures, one or several each."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "balanced_accuracy", "macro_f1", "roc_auc")
    """What `training.metric` may name."""

    kind: Literal["classification"] = "classification"
    loss: str = Field("cross-entropy", description="a name of `kunstkammer list losses`")
    loss_options: dict[str, float] = Field({}, description="the loss's own settings")
    class_weights: Literal["none", "balanced", "class-balanced"] = Field(
        "none",
        description="weight of a picture in the loss, inverse to the size of its class or its effective number; with "
        "many labels that of a label's positives: negatives by positives (at most 100), or their effective numbers",
    )
    sampling: Literal["shuffled", "fixed", "balanced", "square-root"] = Field(
        "shuffled", description="how often a class is drawn; fixed: shuffled once, the same order every epoch"
    )
    linear_head: LinearHeadSettings = LinearHeadSettings()
    style_mixing: StyleMixingSettings | None = None


class ContrastiveSettings(Settings):
    """Pictures and their captions, brought together in one space: search by text, and labels from names."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss", "recall_at_1", "recall_at_5", "recall_at_10")
    """What `training.metric` may name: of captions found by pictures, and pictures by captions."""

    kind: Literal["contrastive"] = "contrastive"
    loss: Literal["info-nce", "sigmoid"] = Field(
        "info-nce", description="info-nce: softmax over the batch, both ways (CLIP); sigmoid: each pair alone (SigLIP)"
    )
    width: int = Field(128, ge=2, le=4096, description="numbers of the common space")
    text_hidden: int = Field(256, ge=2, le=8192, description="width of the text tower's hidden layer")
    temperature: float = Field(0.07, gt=0, description="temperature at the start; it is learned")


KINDS: tuple[type[Settings], ...] = (ClassificationSettings, ContrastiveSettings)

LearningSettings = Annotated[ClassificationSettings | ContrastiveSettings, Field(discriminator="kind")]

MOVED = ("loss", "loss_options", "class_weights", "sampling", "linear_head", "style_mixing")
"""Keys of `learning` that recipes of earlier versions have under `training`."""


def with_learning(values: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's values with a `learning` section: what earlier versions have under `training` moves there.

    >>> with_learning({"training": {"epochs": 2, "loss": "bce"}})
    {'training': {'epochs': 2}, 'learning': {'loss': 'bce', 'kind': 'classification'}}
    """
    training, learning = values.get("training", {}), values.get("learning")
    if not isinstance(training, dict) or not isinstance(learning, dict | None):
        return values
    moved = {key: value for key, value in training.items() if key in MOVED}
    kept = {key: value for key, value in training.items() if key not in MOVED}
    return {**values, "training": kept, "learning": {**(learning or {}), **moved, "kind": _kind(learning)}}


def _kind(learning: dict[str, Any] | None) -> Any:
    return (learning or {}).get("kind", "classification")
