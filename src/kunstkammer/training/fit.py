"""Fitting: from a recipe, plates and parts to a finished checkpoint folder."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kunstkammer.errors import RecipeError
from kunstkammer.files import disk_errors, write_json, write_text
from kunstkammer.models.catalogue import Task, create_model, freeze_backbone
from kunstkammer.models.folding import fold_luminance, for_grey
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.pictures.augment import build_augmenter
from kunstkammer.progress import progress, say
from kunstkammer.training.classification import Classification
from kunstkammer.training.run_folder import RECIPE_FILE
from kunstkammer.training.state import clear_state, newest_state, read_numbers
from kunstkammer.training.trainer import LearningTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.training.learning import Learning
    from kunstkammer.training.recipe import Recipe

HISTORY_FILE = "history.jsonl"
PROCESSOR_FILE = "preprocessor_config.json"


@dataclass(frozen=True)
class Fit:
    """What a training came to.

    Attributes:
        history: a record an epoch: losses, accuracies, learning rate, seconds.
        best_epoch: the epoch whose weights were kept.
        stopped_early: whether early stopping ended it.
        seconds: how long the epochs took.
        parameters: how many weights learnt.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    stopped_early: bool
    seconds: float
    parameters: int


def recipe_model(
    recipe: Recipe, label_names: tuple[str, ...], multi_label: bool, text_width: int | None = None
) -> tuple[PreTrainedModel, PictureGeometry]:
    """Return the recipe's model, its weights drawn from the recipe's seed, and how its pictures are prepared.

    With a `text_width` it is a scene model around the recipe's network.
    """
    picture = recipe.picture
    task = Task(
        label_names=label_names,
        multi_label=multi_label,
        size=(picture.size, picture.size) if picture.size else None,
        grey={"grey": True, "colour": False, None: None}[picture.channels],
        fit=picture.fit,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        settings = recipe.model
        if text_width is not None:
            return create_scene(recipe, task, text_width)
        model, geometry = create_model(
            settings.name, task, train=settings.train, dropout=settings.dropout, options=settings.options
        )
        return model, _answerable(model, for_grey(geometry), settings.train)


def _answerable(model: PreTrainedModel, geometry: PictureGeometry, train: str) -> PictureGeometry:
    """Return how pictures are prepared while the model learns; see that its luminance can be folded in afterwards.

    A frozen network takes colours from the start: only its head is fitted, on what it answers from.
    """
    if not geometry.plate.grey:
        return geometry
    if train == "frozen":
        return fold_luminance(model, geometry)
    fold_luminance(copy.deepcopy(model), geometry)
    return geometry


def create_scene(recipe: Recipe, task: Task, text_width: int) -> tuple[PreTrainedModel, PictureGeometry]:
    """Return a scene model around the recipe's network, and how its pictures are prepared."""
    from kunstkammer.models.scene import scene_around

    settings, text = recipe.model, recipe.text
    if text is None:
        raise RecipeError("The recipe has no text section, which a scene model needs.")
    backbone, geometry = create_model(settings.name, task, options=settings.options)
    shape = {"text_hidden": text.hidden, "text_dropout": text.dropout, "modality_dropout": text.modality_dropout}
    shape |= {"auxiliary": text.auxiliary}
    if settings.dropout is not None:
        shape["dropout"] = settings.dropout
    model = scene_around(backbone, task.config(), text_width=text_width, **shape)
    if settings.train == "head":
        freeze_backbone(model)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, _answerable(model, for_grey(geometry), settings.train)


def fit(
    recipe: Recipe,
    model: PreTrainedModel,
    geometry: PictureGeometry,
    *,
    plates: Plates,
    targets: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    run: Path,
    resume: bool = False,
    others: Plates | None = None,
    extras: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Fit:
    """Train `model` by a recipe and write it to `run` as an ordinary checkpoint folder.

    Args:
        recipe: every choice.
        model, geometry: from `recipe_model`.
        plates: the decoded pictures; `targets` int64 (N,) or float32 (N, K) has a row for each.
        train, validation: rows of `plates`; validation may be empty, then the last epoch is kept.
        run: the run folder, which exists.
        resume: go on from the newest state in `run`, exactly as if nothing had happened.
        others: readable plates of a second domain that lend their style; used where the recipe mixes styles.
        extras: what the model takes beside the pixels, by the name of its argument, a row a plate.
        device: where it learns, as for `models.devices.choose_device`. The recipe does not say: it trains anywhere.

    Raises:
        KunstkammerError: where the loss is no longer a number, no epoch has a finite validation loss and metric, the
            disk refuses, or a state belongs to another network.
    """
    keep_freed_memory()
    augmenter = build_augmenter(recipe.augmentation) if recipe.augmentation else None
    settings = recipe.classification
    learning = Classification(
        plates, targets, train, validation, geometry, augmenter,
        settings, recipe.training.batch_size, recipe.seed, extras=extras or {},
    )  # fmt: skip
    if settings.style_mixing is not None:
        learning.others = others
    result = learn(recipe, model, learning, run, resume=resume, device=device)
    write_checkpoint(run, model, fold_luminance(model, geometry))
    write_history(run, result.history)
    return result


def learn(
    recipe: Recipe, model: Any, learning: Learning, run: Path, *, resume: bool = False, device: str | None = None
) -> Fit:
    """Let a model learn in one of the ways of learning; it has the best epoch's weights afterwards, on the CPU.

    Nothing is written but the states that a resume needs. Args and errors as for `fit`.
    """
    state = newest_state(run) if resume else None
    epochs = recipe.training.epochs
    tracker = _tracker(recipe, run)
    done = len(read_numbers(state)["history"]) if state else 0
    with progress("training", epochs) as advance, disk_errors(run):
        advance(done)

        def on_epoch(record: dict[str, Any]) -> None:
            advance(1)
            say(epoch_line(record, epochs))
            tracker(record)

        trainer = LearningTrainer(model, recipe, learning, run, on_epoch, device)
        if state is None or not _finished(trainer, state, epochs):
            trainer.train(resume_from_checkpoint=str(state) if state else None)
    best = trainer.progress.require_best()
    trainer.load_best()
    learning.stop()
    history = trainer.progress.history
    # The trainer's forward pass computes in bfloat16 where the recipe says so; a finished model answers in float32.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False).cpu().eval()
    return Fit(
        history=history,
        best_epoch=best["epoch"],
        stopped_early=history[-1]["epoch"] < epochs,
        seconds=sum(record["seconds"] for record in history),
        parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _finished(trainer: LearningTrainer, state: Path, epochs: int) -> bool:
    """Say whether the state that is resumed from has nothing left to learn; its history is then taken over."""
    trainer.take_over(state)
    history = trainer.progress.history
    return bool(history) and (history[-1]["epoch"] >= epochs or trainer.progress.should_stop())


def write_checkpoint(run: Path, model: PreTrainedModel, geometry: PictureGeometry) -> None:
    """Write config, weights (safetensors) and image processor as `transformers` reads them.

    Every file that `save_pretrained` writes for this model is kept, be it one file of weights or several shards with an
    index; config.json comes last, so that a run which has it is whole. Raises `ResourceError` where the disk refuses.
    """
    from kunstkammer.files import atomic_folder
    from kunstkammer.models.digest import INDEX_FILE, WEIGHTS_FILE
    from kunstkammer.models.environment import quiet_transformers
    from kunstkammer.models.weights import safetensors_as_os_errors

    fresh = run / ".checkpoint"
    with atomic_folder(fresh) as partial, safetensors_as_os_errors(), quiet_transformers():
        model.to(memory_format=torch.contiguous_format).save_pretrained(partial)  # type: ignore[call-overload]
    write_json(run / PROCESSOR_FILE, geometry.to_processor())
    with disk_errors(run):
        written = sorted(fresh.iterdir(), key=lambda file: (file.name == "config.json", file.name))
        mode = (run / RECIPE_FILE).stat().st_mode if (run / RECIPE_FILE).exists() else 0o644
        for stale in {WEIGHTS_FILE, INDEX_FILE} - {file.name for file in written}:
            (run / stale).unlink(missing_ok=True)  # of an earlier writing, which would be read instead
        for file in written:
            if file.is_dir():
                shutil.rmtree(run / file.name, ignore_errors=True)
            else:
                file.chmod(mode)
            file.replace(run / file.name)
        fresh.rmdir()


def write_history(run: Path, history: list[dict[str, Any]]) -> None:
    """Write a JSON line an epoch; a figure that is not finite, which JSON cannot say, is null."""
    clean = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in history]
    write_text(run / HISTORY_FILE, "".join(json.dumps(record) + "\n" for record in clean))


def read_history(run: Path) -> list[dict[str, Any]]:
    """Return what `write_history` wrote."""
    return [json.loads(line) for line in (run / HISTORY_FILE).read_text(encoding="utf-8").splitlines()]


def finish(run: Path) -> None:
    """Drop what only a resume needs, and what a kill left half-written; call when all results are written."""
    clear_state(run)
    for stray in run.glob(".writing-*"):
        shutil.rmtree(stray) if stray.is_dir() else stray.unlink()


def epoch_line(record: dict[str, Any], epochs: int) -> str:
    """Return the line that an epoch prints.

    >>> record = {"epoch": 3, "train_loss": 0.5, "train_accuracy": 0.75, "seconds": 2.0, "pictures_per_second": 100.0}
    >>> epoch_line(record, 10)
    'epoch  3/10  train loss 0.5000 accuracy 0.750  2.0 s, 100 pictures/s'
    """
    width = len(str(epochs))
    line = f"epoch {record['epoch']:>{width}}/{epochs}"
    for part in ("train", "validation"):
        if f"{part}_loss" in record:
            line += f"  {part} loss {record[f'{part}_loss']:.4f}"
            shown = [name for name in ("accuracy", "recall_at_1") if f"{part}_{name}" in record]
            line += "".join(f" {name.replace('_', ' ')} {record[f'{part}_{name}']:.3f}" for name in shown)
    return f"{line}  {record['seconds']:.1f} s, {record['pictures_per_second']:.0f} pictures/s"


def _tracker(recipe: Recipe, run: Path) -> Callable[[dict[str, Any]], None]:
    """Return what writes an epoch's record for the recipe's tracker; nothing where none is asked for."""
    if recipe.training.tracker is None:
        return lambda record: None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise RecipeError(
            "training.tracker is tensorboard, which is not installed; pip install 'kunstkammer[tensorboard]'."
        ) from error

    def write(record: dict[str, Any]) -> None:
        with SummaryWriter(run / "tensorboard") as writer:
            for name, value in record.items():
                if isinstance(value, float):
                    writer.add_scalar(name.replace("_", "/", 1), value, record["epoch"])

    return write
