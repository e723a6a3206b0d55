"""train: learn from a collection, measure on its test part, write the report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.contents import content_hashes
from kunstkammer.errors import KunstkammerError, RecipeError
from kunstkammer.progress import say
from kunstkammer.workflows.leftovers import nothing_left_behind
from kunstkammer.workflows.train_facts import data_facts, training_facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import Plates
    from kunstkammer.data.survey import Survey
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.models.text_part import TextPart
    from kunstkammer.training.fit import Fit
    from kunstkammer.training.frozen import FrozenFit
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.prepared import TrainingData
    from kunstkammer.training.recipe import Recipe
    from kunstkammer.workflows.measure import Measured
    from kunstkammer.workflows.train_pairs import PairsMeasured

DEFAULT_RECIPE = "comic-manga-best"
SETTLED = ("data", "label_prior", "style", "added")
"""Facts of `run.json` that a resumed run takes over."""


def train(
    data: Any,
    recipe: str | Path | Mapping[str, Any] | Recipe | None = None,
    *,
    out: str | Path,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    style: Any = None,
    text_file: str | Path | None = None,
    add: Any = None,
    device: str | None = None,
) -> Measured | PairsMeasured:
    """Learn from a collection by a recipe, measure on its test part, and write a run folder with its report.

    Args:
        data: any form of a collection that `kunstkammer.read` knows.
        recipe: a built-in name, a YAML file, a mapping or a `Recipe`; comic-manga-best where not given.
        out: the run folder; it must not exist yet, or hold a stopped run with `resume`.
        settings: changes of the recipe by dotted key, {"training.epochs": 3}.
        resume: go on with a stopped run; it ends with the same weights as if it had not been stopped.
        style: a second collection whose pictures lend their style, with `learning.style_mixing`; labels are not asked.
        text_file: as for `kunstkammer.read`, for recipes that read the text in the pictures.
        add: a collection, or a list of them (the later the more trusted), whose pictures are learned from besides, such
            as `kunstkammer corrections export` writes; validation and test stay as they are without them. A copy of a
            test picture is left out, a label that differs from that of a copy in training counts instead of it, and
            a label that `data` does not have is an error.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given. It is no part
            of the recipe, which trains anywhere; run.json says it.

    Returns:
        what was measured on the test part: `metrics`, `zero_r`, `report` ...

    Raises:
        KunstkammerError: of one of its kinds, naming the thing and the mend. A run that failed before its first state
        leaves nothing behind; one whose model is trained stays, and `resume` calibrates and measures it.
    """
    from kunstkammer.data.readers import read
    from kunstkammer.data.trainable import require_trainable
    from kunstkammer.models.devices import choose_device
    from kunstkammer.training import run_folder
    from kunstkammer.training.recipe import Recipe

    run = Path(out)
    choose_device(device)  # a device that is not there is named before anything is read
    if resume:
        run_folder.require_resumable(run)
        changed = recipe is not None or bool(settings)
        asked = Recipe.load(recipe or run / run_folder.RECIPE_FILE, settings) if changed else None
        chosen = run_folder.resumed_recipe(run, asked)
    else:
        run_folder.require_new(run)
        chosen = Recipe.load(recipe or DEFAULT_RECIPE, settings)
    _require_explainer(chosen)
    choice = chosen.data
    collection = read(
        data,
        label_column=choice.label_column,
        label_separator=choice.label_separator,
        labels=choice.labels,
        text_file=text_file,
    )
    if chosen.learning.kind == "contrastive":
        refused = {"add": add, "style": style}
        return _train_pairs(collection, chosen, run, resume=resume, refused=refused, device=device)
    require_trainable(collection)
    if add is not None:
        collection = _with_additions(collection, add, some=choice.labels is not None)
    return train_collection(collection, chosen, run, resume=resume, others=_style(style, chosen), device=device)


def _train_pairs(
    collection: Collection,
    recipe: Recipe,
    run: Path,
    *,
    resume: bool,
    refused: Mapping[str, Any],
    device: str | None = None,
) -> PairsMeasured:
    """Learn pictures and their captions; options that only labels have are refused."""
    from kunstkammer.workflows.train_pairs import train_pairs

    given = next((name for name, value in refused.items() if value is not None), None)
    if given is not None:
        raise RecipeError(f"--{given} is for recipes that learn labels; {recipe.name} is of the kind contrastive.")
    with nothing_left_behind(run, resume):
        return train_pairs(collection, recipe, run, resume=resume, device=device)


def train_collection(
    collection: Collection,
    recipe: Recipe,
    run: Path,
    *,
    resume: bool = False,
    others: Collection | None = None,
    device: str | None = None,
) -> Measured:
    """Learn from a collection that is read already; see `train`. `others` lend their style."""
    with nothing_left_behind(run, resume):
        return _learn(collection, recipe, run, resume, others, device)


def _require_explainer(recipe: Recipe) -> None:
    """Raise for an unknown explainer before anything is computed, not after training."""
    from kunstkammer.registry import get

    if recipe.evaluation.explainer is not None:
        get("explainers", recipe.evaluation.explainer)


def _with_additions(collection: Collection, add: Any, *, some: bool) -> Collection:
    """Return the collection with what is to be learned from besides; `some`: only some labels were asked for."""
    from kunstkammer.data.additions import with_additions
    from kunstkammer.data.readers import read

    several = list(add) if isinstance(add, list | tuple) else [add]
    return with_additions(collection, [read(one) for one in several], drop_unknown=some) if several else collection


def _style(style: Any, recipe: Recipe) -> Collection | None:
    """Return the collection that lends its style; raise `RecipeError` where the recipe mixes none."""
    from kunstkammer.data.readers import read

    if style is None:
        return None
    if recipe.classification.style_mixing is None or recipe.model.train == "frozen":
        raise RecipeError(
            "A second collection lends its style only where styles are mixed; "
            "add --set learning.style_mixing.probability=0.5 (not with frozen features), or leave --style out."
        )
    return read(style)


def _learn(
    collection: Collection,
    recipe: Recipe,
    run: Path,
    resume: bool,
    others: Collection | None = None,
    device: str | None = None,
) -> Measured:
    from kunstkammer.data.survey import survey
    from kunstkammer.models.devices import choose_device
    from kunstkammer.models.run_files import read_facts
    from kunstkammer.training import run_folder
    from kunstkammer.training.fit import finish, read_history, recipe_model
    from kunstkammer.training.frozen import FrozenFit
    from kunstkammer.training.parts import require_shares
    from kunstkammer.training.prepared import material
    from kunstkammer.workflows.calibrate import calibrate_run
    from kunstkammer.workflows.measure import measure_run
    from kunstkammer.workflows.train_notes import warnings_of

    start = time.perf_counter()
    if not resume:
        require_shares(collection, recipe)
    text = text_part(collection, recipe, run if resume else None)
    width = text.features.width if text is not None else None
    model, geometry = recipe_model(recipe, collection.label_names, collection.multi_label, width)
    seen = survey(collection, geometry.plate)
    settled, parts = _planned(collection, recipe, run, resume, others, seen, text)
    counts = parts.counts()
    say(
        f"Training {recipe.model.name} by the recipe {recipe.name}: {counts['train']} pictures to learn from, "
        f"{counts['validation']} for validation, {counts['test']} for the test."
    )
    known = material(collection, seen, parts, recipe)
    extras = {} if text is None else {"text_features": text.rows(collection.select(known.rows))}
    done = None
    if resume and run_folder.is_trained(run):
        say(f"The model in {run} is trained already; it is calibrated and measured.")
        facts = {**settled, "training": read_facts(run)["training"]}
    else:
        done = _fit(recipe, model, geometry, known, extras, seen, parts, run, resume, others, device)
        seconds = time.perf_counter() - start
        facts = {**settled, "training": training_facts(done, recipe, seconds, str(choose_device(device)))}
        # Before the measurement, so that a failure in it leaves a checkpoint that `evaluate` can open.
        run_folder.write_facts(run, recipe, {"status": "trained", **facts})
    predictions = None
    if recipe.model.train != "frozen":
        calibrate_run(run, known, extras, device=device)
    elif isinstance(done, FrozenFit):  # whose head learnt from the validation part too
        model.to(choose_device(device))
        predictions = frozen_predictions(done, model, geometry, collection, seen, parts)
    measured = measure_run(
        run, collection, seen, parts, recipe, facts, read_history(run),
        warnings=warnings_of(recipe, facts), predictions=predictions, device=device,
    )  # fmt: skip
    run_folder.write_facts(run, recipe, {"status": "finished", **facts})
    finish(run)
    return measured


def _planned(
    collection: Collection,
    recipe: Recipe,
    run: Path,
    resume: bool,
    others: Collection | None,
    seen: Survey,
    text: TextPart | None,
) -> tuple[dict[str, Any], Parts]:
    """Return the facts and the parts that a run is started with, or was; a new run's folder is made."""
    from kunstkammer.data.additions import counts_of_additions
    from kunstkammer.models.run_files import SPLIT_FILE, STYLE, SplitRow, read_split
    from kunstkammer.training import run_folder
    from kunstkammer.training.parts import plan_parts, require_validation, restored_parts
    from kunstkammer.workflows.train_notes import crossing_notes

    if resume:
        settled = _settled(run, collection, others)
        return settled, restored_parts(collection, seen, read_split(run / SPLIT_FILE))
    chosen = recipe.data.split.seed
    parts = plan_parts(collection, seen, recipe.data, recipe.seed if chosen is None else chosen)
    require_validation(collection, parts, recipe)
    crossing = None if parts.crossing is None else parts.crossing.facts()
    for note in [*parts.notes, *(found.text for found in crossing_notes(crossing))]:
        say(note)
    settled = {
        "data": data_facts(collection, seen, parts, recipe),
        "label_prior": label_prior(collection, parts).tolist(),
    }
    if others is not None:
        settled["style"] = style_facts(others)
    if added := counts_of_additions(collection):
        settled["added"] = added
    if text is not None:  # before the facts, so that a run that can be resumed has its text part
        text.fit(collection, parts.indices("train"))
        text.save(run)
    lent = [] if others is None else zip(others.files, content_hashes(others), strict=True)
    style = [SplitRow(f"{others.name}/{file}", STYLE, (), -1, content) for file, content in lent] if others else []
    run_folder.start_run(run, recipe, [*parts.rows, *style], settled)
    return settled, parts


def _settled(run: Path, collection: Collection, others: Collection | None) -> dict[str, Any]:
    """Return the facts that a stopped run was started with; raise where it is to go on with something else."""
    from kunstkammer.data.additions import counts_of_additions
    from kunstkammer.models.run_files import read_facts

    kept = read_facts(run)
    settled = {name: kept[name] for name in SETTLED if name in kept}
    if settled.get("style") != style_facts(others):
        raise KunstkammerError(f"The run in {run} was started with another --style; resume with the same one.")
    added = settled.get("added", {})
    if added != counts_of_additions(collection):
        names = ", ".join(added) or "none"
        raise KunstkammerError(f"The run in {run} was started with other --add ({names}); resume with the same.")
    return settled


def _fit(
    recipe: Recipe,
    model: PreTrainedModel,
    geometry: PictureGeometry,
    known: TrainingData,
    extras: Mapping[str, Any],
    seen: Survey,
    parts: Parts,
    run: Path,
    resume: bool,
    others: Collection | None,
    device: str | None,
) -> Fit:
    """Let the model learn in the way that the recipe asks for."""
    from kunstkammer.training.fit import fit
    from kunstkammer.training.frozen import fit_frozen

    if recipe.model.train == "frozen":
        return fit_frozen(
            recipe,
            model,
            geometry,
            plates=known.plates,
            contents=[seen.sha256[i] for i in known.rows],
            targets=known.targets,
            rows=np.sort(np.concatenate([known.train, known.validation])),
            groups=np.array([parts.rows[i].group for i in known.rows]),
            run=run,
            device=device,
        )
    return fit(
        recipe,
        model,
        geometry,
        plates=known.plates,
        targets=known.targets,
        train=known.train,
        validation=known.validation,
        run=run,
        resume=resume,
        others=None if others is None else _readable_plates(others, geometry),
        extras=extras,
        device=device,
    )


def style_facts(others: Collection | None) -> dict[str, Any] | None:
    """Return what `run.json` says of the collection that lent its style."""
    if others is None:
        return None
    contents = hashlib.sha256("".join(sorted(content_hashes(others))).encode()).hexdigest()
    return {"name": others.name, "pictures": len(others), "contents": contents}


def _readable_plates(collection: Collection, geometry: PictureGeometry) -> Plates:
    from kunstkammer.data.plates import make_plates

    plates = make_plates(collection, geometry.plate)
    if not plates.readable.any():
        raise KunstkammerError(f"None of the {len(plates)} pictures of {collection.name} can be read.")
    return plates.select(np.flatnonzero(plates.readable))


def frozen_predictions(
    done: FrozenFit,
    model: PreTrainedModel,
    geometry: PictureGeometry,
    collection: Collection,
    seen: Survey,
    parts: Parts,
) -> Predictions:
    """Return what a frozen run says of its test part, from kept features: no picture goes through the network twice."""
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.metrics.decisions import to_probabilities
    from kunstkammer.models.features import kept_features

    rows = parts.indices("test")
    if seen.plates is None:
        raise KunstkammerError("The plates could not be made.")
    features = kept_features(model, geometry, seen.plates, rows, seen.sha256)
    return Predictions(
        [collection.files[i] for i in rows],
        collection.label_names,
        to_probabilities(done.head.logits(features), multi_label=collection.multi_label),
        collection.targets()[rows],
        collection.multi_label,
    )


def text_part(collection: Collection, recipe: Recipe, stopped: Path | None) -> TextPart | None:
    """Return the text side of the recipe's model, None for pictures alone; that of a `stopped` run where one goes on.

    Raises `DataError` where the collection has no text, or another one than the stopped run had.
    """
    from kunstkammer.data.texts import require_texts
    from kunstkammer.models.text_part import TEXT_FILE, TextPart, open_text

    if recipe.text is None:
        return None
    columns = require_texts(collection, recipe.data.text_column)
    if stopped is not None:
        kept = open_text(stopped)
        if kept is None:
            raise KunstkammerError(f"{stopped} has no {TEXT_FILE}, so it cannot be resumed; train into a new folder.")
        kept.require_unchanged(collection)
        return kept
    return TextPart(recipe.text.name, recipe.text.options, columns)


def label_prior(collection: Collection, parts: Parts) -> np.ndarray:
    """Return the share of each label in the training part, float64 (K,)."""
    targets = collection.targets()[parts.indices("train")]
    if targets.ndim == 2:
        return targets.mean(axis=0)
    return np.bincount(targets, minlength=len(collection.label_names)) / max(len(targets), 1)
