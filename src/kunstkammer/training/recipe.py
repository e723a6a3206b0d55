"""The recipe: one small validated file that holds every choice of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from kunstkammer.errors import RecipeError, guess, unknown_name
from kunstkammer.registry import register
from kunstkammer.training.recipe_kinds import KINDS, ClassificationSettings, LearningSettings, Settings, with_learning


class SplitSettings(Settings):
    """Shares of the three parts, for collections that come without them."""

    train: float = Field(0.8, gt=0, lt=1, description="share that the model learns from")
    validation: float = Field(0.1, ge=0, lt=1, description="share that chooses the best epoch")
    test: float = Field(0.1, ge=0, lt=1, description="share that measures, seen once")
    seed: int | None = Field(None, ge=0, lt=2**31, description="seed of the split, the recipe's where not given")


class DataSettings(Settings):
    """Which pictures, which labels, and what must stay together in a split."""

    labels: list[str] | None = Field(None, description="only these labels (all where not given)")
    label_column: str | None = Field(None, description="column(s) of a table that hold the label(s)")
    label_separator: str | None = Field(None, description="what stands between several labels of one picture")
    text_column: str | None = Field(None, description="the column(s) of a table that hold the text in a picture")
    groups: list[str] = Field([], description="columns whose equal values never cross a split, such as title")
    split: SplitSettings = SplitSettings()


class PictureSettings(Settings):
    """What the model sees; values left out are the model's own."""

    size: int | None = Field(None, ge=8, le=2048, description="side of the square input in pixels")
    channels: Literal["grey", "colour"] | None = Field(None, description="grey or colour")
    fit: Literal["squash", "pad", "crop"] | None = Field(
        None, description="squash into the square, pad to the square with white, or cut the middle out"
    )
    preparation: list[dict[str, Any]] = Field(
        [],
        description="done once to the pictures of training and validation, never to the test: names and settings of "
        "`kunstkammer list preparations`",
    )


class ModelSettings(Settings):
    """Which network learns, and which part of it."""

    name: str = Field("resnet-18", description="a name of `kunstkammer list models`, a checkpoint folder or a hub id")
    train: Literal["all", "head", "frozen"] = Field(
        "all",
        description="all weights learn; only the head; or frozen: features once, then logistic regression on them",
    )
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout before the output layer")
    options: dict[str, Any] = Field({}, description="further settings of the network")


class TextSettings(Settings):
    """The text in the pictures, read beside them: a scene model (late fusion of picture and text)."""

    name: str = Field("tfidf", description="a name of `kunstkammer list texts`")
    options: dict[str, Any] = Field({}, description="its own settings")
    hidden: int = Field(128, ge=1, le=8192, description="width of the text branch")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of the text vector that is dropped in training")
    modality_dropout: float = Field(0.2, ge=0, lt=1, description="how often a picture's text is withheld in training")
    auxiliary: float = Field(0.5, ge=0, description="weight of the losses of each branch beside their joint answer's")


class OptimizerSettings(Settings):
    """How the weights move."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, description="the highest rate of the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD's momentum")
    nesterov: bool = Field(False, description="SGD's Nesterov momentum")
    weight_decay: float = Field(0.0, ge=0, description="decay of the weights a step")
    layer_decay: float = Field(1.0, gt=0, le=1, description="rate of a stage relative to the next one, 1 for one rate")


class ScheduleSettings(Settings):
    """How the learning rate changes over the steps."""

    name: Literal["constant", "linear", "cosine", "one-cycle"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps in which the rate rises from 0")


class EarlyStoppingSettings(Settings):
    """When to stop before the last epoch."""

    patience: int = Field(5, ge=1, description="epochs without a better value")


class TrainingSettings(Settings):
    """How the model learns."""

    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1)
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    keep: Literal["best", "last"] = Field("best", description="the epoch whose weights are kept")
    metric: str = Field(
        "loss", description="validation value that decides which epoch is best: loss, or one of the way of learning"
    )
    early_stopping: EarlyStoppingSettings | None = None
    gradient_clipping: float = Field(0.0, ge=0, description="largest norm of the gradients, 0 for no limit")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the processor has it; frozen features are fp32, as the model answers"
    )
    checkpoint_seconds: float = Field(60.0, gt=0, description="longest work that a kill can cost, beside whole epochs")
    tracker: Literal["tensorboard"] | None = Field(None, description="write curves for a tracker")


class EvaluationSettings(Settings):
    """How the finished model is measured and shown."""

    resamples: int = Field(1000, ge=100, le=100_000, description="bootstrap resamples of the intervals")
    pictures: int = Field(12, ge=0, le=100, description="pictures of each kind (best, worst, doubtful) in the report")
    explainer: str | None = Field("grad-cam", description="a name of `kunstkammer list explainers`, or null for none")
    stability: int = Field(60, ge=0, description="test pictures on which slight changes are tried, 0 for none")


class Recipe(Settings):
    """A whole experiment. The same recipe, data and seed give the same model.

    >>> Recipe.load("comic-manga").training.batch_size
    32
    """

    name: str
    description: str = ""
    source: str = Field("", description="where the settings come from")
    seed: int = Field(0, ge=0, lt=2**31)
    data: DataSettings = DataSettings()
    picture: PictureSettings = PictureSettings()
    augmentation: list[dict[str, Any]] = Field([], description="names and settings of `kunstkammer list augmentations`")
    model: ModelSettings = ModelSettings()
    text: TextSettings | None = Field(None, description="the text in the pictures, null for pictures alone")
    learning: LearningSettings = ClassificationSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @field_validator("augmentation")
    @classmethod
    def _augmentations_are_named(cls, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for spec in value:
            if not isinstance(spec.get("name"), str):
                raise ValueError("each augmentation needs a name")
        return value

    @property
    def classification(self) -> ClassificationSettings:
        """The section of a recipe that learns labels. Raises `RecipeError` for another kind."""
        if not isinstance(self.learning, ClassificationSettings):
            raise RecipeError(f"The recipe {self.name} is of the kind {self.learning.kind}; it learns no labels.")
        return self.learning

    @classmethod
    def load(cls, recipe: str | Path | Mapping[str, Any] | Recipe, settings: Mapping[str, Any] | None = None) -> Recipe:
        """Return a validated recipe from a built-in name, a YAML file, a mapping or a recipe.

        `settings` are changes by dotted key ("training.epochs": 3). Raises `RecipeError` or `UnknownNameError` with
        the key, what is wrong with it and the nearest guess.
        """
        source, values = _read(recipe)
        for key, value in (settings or {}).items():
            _set(values, key, value)
        return cls.build(values, source)

    @classmethod
    def build(cls, values: Mapping[str, Any], source: str) -> Recipe:
        """Validate a mapping; `source` is what an error calls it."""
        from kunstkammer.pictures.augment import build_augmenter
        from kunstkammer.pictures.preparation import build_preparation
        from kunstkammer.training.losses import check_loss_options

        try:
            recipe = cls.model_validate(with_learning(dict(values)))
        except ValidationError as error:
            raise RecipeError(f"{source}: {'; '.join(_explain(problem) for problem in error.errors())}") from error
        build_augmenter(recipe.augmentation)
        build_preparation(recipe.picture.preparation)
        if recipe.training.metric not in recipe.learning.METRICS:
            known = ", ".join(recipe.learning.METRICS)
            raise RecipeError(
                f"{source}: 'training.metric' is {recipe.training.metric!r}: {recipe.learning.kind} has no such figure."
                f"{guess(recipe.training.metric, recipe.learning.METRICS)} Known here: {known}"
            )
        if isinstance(recipe.learning, ClassificationSettings):
            check_loss_options(recipe.learning.loss, recipe.learning.loss_options)
        if recipe.text is not None:
            from kunstkammer.registry import get

            get("texts", recipe.text.name)
            if recipe.model.train == "frozen":
                raise RecipeError(f"{source}: model.train frozen knows pictures alone; with a text section use head.")
        return recipe

    def to_yaml(self) -> str:
        """Return the whole recipe as YAML, every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def built_in_recipes() -> dict[str, dict[str, Any]]:
    """Return the built-in recipes, name -> values as they stand in their files."""
    found = {}
    for file in sorted(resources.files("kunstkammer.recipes").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            found[values["name"]] = values
    return found


def _read(recipe: str | Path | Mapping[str, Any] | Recipe) -> tuple[str, dict[str, Any]]:
    if isinstance(recipe, Recipe):
        return f"recipe {recipe.name}", recipe.model_dump()
    if isinstance(recipe, Mapping):
        return "recipe", {**recipe}
    text = str(recipe)
    if not text.endswith((".yaml", ".yml")) and not Path(text).is_file():
        known = built_in_recipes()
        if text not in known:
            raise unknown_name("recipe", text, known)
        return f"recipe {text}", known[text]
    file = Path(text)
    if not file.is_file():
        nearby = [p.name for p in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        raise RecipeError(f"There is no recipe file {file}.{guess(file.name, nearby)}")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise RecipeError(f"{file} cannot be read: {error.strerror}.") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{file} is not a recipe: it holds {type(values).__name__}, not keys and values.")
    values.setdefault("name", file.stem)
    return str(file), values


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key in nested mappings, making the mappings on the way."""
    *parents, last = key.split(".")
    place = values
    for parent in parents:
        inner = place.get(parent)
        place[parent] = dict(inner) if isinstance(inner, Mapping) else {}
        place = place[parent]
    place[last] = value


def parse_settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Return {"training.epochs": 3} for ["training.epochs=3"]; values are YAML.

    >>> parse_settings(["training.epochs=3", "data.labels=[anime, cartoon]"])
    {'training.epochs': 3, 'data.labels': ['anime', 'cartoon']}
    """
    settings = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise RecipeError(f"--set {pair}: write KEY=VALUE, for example --set training.epochs=3.")
        try:
            settings[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {pair}: the value is not YAML ({' '.join(str(error).split())}).") from error
    return settings


def _explain(problem: Any) -> str:
    """Return one problem of a validation in plain words, with a guess for a misspelt key."""
    path = [str(part) for part in problem["loc"]]
    kind = path.pop(1) if path[0] == "learning" and len(path) > 2 else None
    key = ".".join(path)
    if problem["type"].startswith("union_tag"):
        given, known = (
            str(problem["ctx"].get("tag", "missing")),
            [str(one.model_fields["kind"].default) for one in KINDS],
        )
        return f"'learning.kind' is {given!r}.{guess(given, known)} Known: {', '.join(known)}"
    if problem["type"] == "extra_forbidden":
        known = _fields(path[:-1], kind)
        return f"unknown key '{key}'.{guess(path[-1], known)} Known here: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"'{key}' is missing"
    message = problem["msg"].removeprefix("Value error, ")
    return f"'{key}' is {problem['input']!r}: {message[:1].lower()}{message[1:]}"


def _fields(path: Sequence[str], kind: str | None = None) -> list[str]:
    """Return the keys that a recipe knows at `path`; `kind` is that of its learning section."""
    place: Any = Recipe
    for part in path:
        annotation = place.model_fields[part].annotation if part in getattr(place, "model_fields", {}) else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = [c for c in candidates if isinstance(c, type) and issubclass(c, Settings)]
        place = next((c for c in found if part == "learning" and c.model_fields["kind"].default == kind), None)
        place = place or next(iter(found), None)
        if place is None:
            return []
    return list(place.model_fields)


for _name, _values in built_in_recipes().items():
    register("recipes", _name, _values.get("description", ""))(_values)
