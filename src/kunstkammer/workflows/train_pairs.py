"""train, for recipes of the kind contrastive: pictures and their captions."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kunstkammer.errors import DataError, KunstkammerError, PictureError, RecipeError
from kunstkammer.files import write_json, write_text
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.evaluation.pairs import PairEvaluation
    from kunstkammer.metrics.intervals import Interval
    from kunstkammer.models.dual import DualEncoder
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.models.text_part import TextPart
    from kunstkammer.training.contrastive import Contrastive
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.recipe import Recipe

ANY = "picture"
"""The one label of a collection that has captions alone: nothing is stratified then."""


@dataclass(frozen=True)
class PairsMeasured:
    """What `train` returns for a recipe of the kind contrastive.

    Attributes:
        run: the run folder; report: its page.
        evaluation: recall both ways, with intervals beside chance, on the test part.
        unreadable: the pictures that could not be read.
    """

    run: str
    report: Path
    evaluation: PairEvaluation
    unreadable: list[PictureError] = field(default_factory=list)

    @property
    def metrics(self) -> dict[str, Interval]:
        """The recalls by name."""
        return self.evaluation.metrics

    @property
    def zero_r(self) -> dict[str, float]:
        """What chance reaches."""
        return self.evaluation.chance

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "run": self.run,
            "report": str(self.report),
            "part": "test",
            "seen_in_training": 0,
            **self.evaluation.to_json(),
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
        }

    def to_text(self) -> str:
        """Return the recalls, each with its interval and chance."""
        found = self.evaluation
        lines = [f"Measured on {found.n} pictures with {found.captions} captions (test), 95 % intervals:"]
        for name, value in found.metrics.items():
            beside = f"   chance {found.chance[name]:.3f}"
            lines.append(f"  {name:<32}{value.value:.3f}  ({value.low:.3f} to {value.high:.3f}){beside}")
        return "\n".join([*lines, f"Report: {self.report}"])


def train_pairs(
    collection: Collection, recipe: Recipe, run: Path, *, resume: bool = False, device: str | None = None
) -> PairsMeasured:
    """Learn pictures and their captions into one space, measure on the test part, and write a run folder.

    Raises as `train` does; `DataError` where the collection has no captions.
    """
    from kunstkammer.data.survey import survey
    from kunstkammer.models.devices import choose_device
    from kunstkammer.models.run_files import SPLIT_FILE, read_facts, read_split
    from kunstkammer.training import run_folder
    from kunstkammer.training.fit import finish, learn, write_checkpoint, write_history
    from kunstkammer.training.parts import plan_parts, restored_parts
    from kunstkammer.workflows.train_facts import data_facts, training_facts

    start = time.perf_counter()
    text = _text_part(collection, recipe, run if resume else None)
    collection = _with_captions(collection, text.texts(collection))
    captions = text.texts(collection)
    if resume:
        text.require_unchanged(collection)
    model, geometry = pair_model(recipe, text.features.width)
    seen = survey(collection, geometry.plate)
    if resume:
        kept = read_facts(run)
        settled = {"data": kept["data"]}
        parts = restored_parts(collection, seen, read_split(run / SPLIT_FILE))
    else:
        chosen = recipe.data.split.seed
        parts = plan_parts(collection, seen, recipe.data, recipe.seed if chosen is None else chosen)
        for note in parts.notes:
            say(note)
        _require_captions(captions, parts)
        settled = {"data": data_facts(collection, seen, parts, recipe)}
        text.fit(collection, parts.indices("train"))
        text.save(run)
        run_folder.start_run(run, recipe, parts.rows, settled)
    counts = parts.counts()
    say(
        f"Training {recipe.model.name} by the recipe {recipe.name}: {counts['train']} pictures with captions to learn "
        f"from, {counts['validation']} for validation, {counts['test']} for the test."
    )
    learning = _learning(collection, captions, text, seen, parts, geometry, recipe)
    if not (resume and run_folder.is_trained(run)):
        done = learn(recipe, model, learning, run, resume=resume, device=device)
        write_checkpoint(run, model, geometry)
        write_history(run, done.history)
        settled["training"] = training_facts(done, recipe, time.perf_counter() - start, str(choose_device(device)))
        run_folder.write_facts(run, recipe, {"status": "trained", **settled})
    else:
        settled["training"] = read_facts(run)["training"]
    measured = _measure(run, collection, seen, parts, learning, recipe)
    run_folder.write_facts(run, recipe, {"status": "finished", **settled})
    finish(run)
    return measured


def pair_model(recipe: Recipe, text_width: int) -> tuple[DualEncoder, PictureGeometry]:
    """Return the recipe's two towers, drawn from its seed, and how pictures are prepared.

    Raises `RecipeError` for what a model of pictures and captions cannot be.
    """
    from kunstkammer.models.catalogue import Task, create_model
    from kunstkammer.models.dual import dual_around
    from kunstkammer.training.recipe_kinds import ContrastiveSettings

    picture, settings = recipe.picture, recipe.learning
    if not isinstance(settings, ContrastiveSettings):
        raise RecipeError(f"The recipe {recipe.name} is of the kind {settings.kind}, not contrastive.")
    if picture.channels == "grey":
        raise RecipeError("learning.kind contrastive learns from colour; set picture.channels to colour.")
    if recipe.training.batch_size < 2:
        raise RecipeError("learning.kind contrastive compares pairs; set training.batch_size to 2 or more.")
    if recipe.model.dropout is not None:
        raise RecipeError("learning.kind contrastive has no dropout before an output layer; leave model.dropout out.")
    if recipe.model.train != "all" or picture.preparation:
        raise RecipeError("learning.kind contrastive trains all weights on plain pictures; leave model.train at all.")
    size = (picture.size, picture.size) if picture.size else None
    task = Task(("a", "b"), multi_label=True, size=size, grey=False, fit=picture.fit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        backbone, geometry = create_model(recipe.model.name, task, options=recipe.model.options)
        model = dual_around(
            backbone,
            text_width=text_width,
            text_hidden=settings.text_hidden,
            width=settings.width,
            initial_temperature=settings.temperature,
        )
    return model.to(memory_format=torch.channels_last), geometry  # type: ignore[call-overload]


def _text_part(collection: Collection, recipe: Recipe, stopped: Path | None) -> TextPart:
    from kunstkammer.data.texts import require_texts
    from kunstkammer.models.text_part import TEXT_FILE, TextPart, open_text
    from kunstkammer.training.recipe import TextSettings

    columns = require_texts(collection, recipe.data.text_column)
    if stopped is not None:
        kept = open_text(stopped)
        if kept is None:
            raise KunstkammerError(f"{stopped} has no {TEXT_FILE}, so it cannot be resumed; train into a new folder.")
        return kept
    settings = recipe.text or TextSettings()
    return TextPart(settings.name, settings.options, columns)


def _require_captions(captions: list[str], parts: Parts) -> None:
    """Raise `DataError` where a part has nothing to tell apart, before anything is learned."""
    for part in ("train", "test"):
        if len({captions[i] for i in parts.indices(part)}) < 2:
            raise DataError(
                f"The {part} part has fewer than two different captions: nothing can be told apart; give it a larger "
                f"share (data.split.{part}) or add pictures with other captions."
            )


def _with_captions(collection: Collection, captions: list[str]) -> Collection:
    """Return the pictures that have a caption; those of a collection without labels get one label for all."""
    rows = [i for i, caption in enumerate(captions) if caption.strip()]
    if len(rows) < len(captions):
        say(f"{len(captions) - len(rows)} pictures without a caption are left out.")
    if not collection.labelled:
        collection = collection.with_column("labels", [[ANY]] * len(collection)).with_label_names([ANY])
    return collection.select(rows) if len(rows) < len(captions) else collection


def _learning(
    collection: Collection,
    captions: list[str],
    text: TextPart,
    seen: Survey,
    parts: Parts,
    geometry: PictureGeometry,
    recipe: Recipe,
) -> Contrastive:
    from kunstkammer.pictures.augment import build_augmenter
    from kunstkammer.training.contrastive import Contrastive

    rows = text.rows(collection)
    if seen.plates is None or rows is None:
        raise KunstkammerError("The plates could not be made.")
    return Contrastive(
        seen.plates,
        text.texts(collection),
        rows,
        parts.indices("train"),
        parts.indices("validation"),
        geometry,
        build_augmenter(recipe.augmentation) if recipe.augmentation else None,
        recipe.learning,  # type: ignore[arg-type]
        recipe.training.batch_size,
        recipe.seed,
    )


def _measure(
    run: Path, collection: Collection, seen: Survey, parts: Parts, learning: Contrastive, recipe: Recipe
) -> PairsMeasured:
    from kunstkammer.evaluation.pairs import evaluate_pairs
    from kunstkammer.evaluation.report.pairs_page import PairsContent, write_pairs_page
    from kunstkammer.models.dual import open_dual
    from kunstkammer.training.contrastive import embed

    rows = parts.indices("test")
    model = open_dual(run)
    pictures, texts = (
        table.numpy() for table in embed(model, learning.plates, learning.texts, rows, learning.geometry)
    )
    captions = [learning.captions[i] for i in rows]
    found = evaluate_pairs(
        pictures,
        texts,
        captions,
        groups=[parts.rows[i].group for i in rows] if recipe.data.groups else None,
        resamples=recipe.evaluation.resamples,
        seed=recipe.seed,
    )
    report = run / "report.html"
    examples = _examples(collection, rows, pictures, texts, captions, recipe.evaluation.pictures)
    today = datetime.date.today().isoformat()
    write_pairs_page(report, PairsContent(collection.name, found, examples, parts.notes, today, recipe.to_yaml()))
    write_json(run / "metrics.json", found.to_json())
    write_text(run / "README.md", _card(run.name, recipe, found))
    return PairsMeasured(str(run), report, found, list(seen.errors.values()))


def _examples(
    collection: Collection, rows: np.ndarray, pictures: np.ndarray, texts: np.ndarray, captions: list[str], most: int
) -> list[Any]:
    from kunstkammer.evaluation.report.pairs_page import Example

    best = (pictures @ texts.T).argmax(axis=1)
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)
    return [Example(collection.open(int(rows[i]), at_least=320), captions[i], captions[int(best[i])]) for i in chosen]


def _card(name: str, recipe: Recipe, found: PairEvaluation) -> str:
    lines = [
        f"# {name}",
        "",
        f"Pictures and captions in one space, by Kunstkammer's recipe `{recipe.name}` (seed {recipe.seed}).",
        "",
        f"Measured on {found.n} test pictures with {found.captions} different captions, 95 % intervals:",
        "",
        "| metric | value | interval | chance |",
        "| --- | --- | --- | --- |",
    ]
    for key, value in found.metrics.items():
        lines.append(f"| {key} | {value.value:.3f} | {value.low:.3f} to {value.high:.3f} | {found.chance[key]:.3f} |")
    lines += [
        "",
        "It opens with `import kunstkammer` and `transformers.AutoModel.from_pretrained`; `text.json` says how",
        "a text becomes a vector.",
        "",
    ]
    return "\n".join(lines)
