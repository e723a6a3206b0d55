"""The loop: `transformers.Trainer` over plates, with batches that are pure functions of the seed, and exact resume."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from kunstkammer.errors import KunstkammerError
from kunstkammer.models.devices import choose_device
from kunstkammer.progress import say
from kunstkammer.training.best_epoch import Progress
from kunstkammer.training.losses import WEIGHTS
from kunstkammer.training.optimization import make_optimizer, rate_factor
from kunstkammer.training.precision import use_bf16
from kunstkammer.training.sampling import BatchKey, SeededBatches
from kunstkammer.training.state import (
    BEST,
    copy_weights,
    load_optimizer,
    put_weights,
    read_numbers,
    read_weights,
    save_state,
)
from kunstkammer.training.style_mixing import StyleMixer
from kunstkammer.training.validation import part_metrics

if TYPE_CHECKING:
    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.pictures.augment import Augmenter
    from kunstkammer.training.losses import Loss
    from kunstkammer.training.recipe import Recipe

TRAINER_STATE = "trainer_state.json"
"""Where `transformers` looks for the position in a run that it resumes."""


@dataclass
class Lesson:
    """All that a training needs beside the model and the recipe.

    Attributes:
        plates: the decoded pictures.
        targets: int64 (N,) or float32 (N, K), a row a plate.
        train, validation: rows of `plates` that are learnt from, and that choose the best epoch.
        geometry: from a plate to the model's input.
        augmenter: what changes a training batch.
        loss: a registered loss.
        run: the run folder.
        strangers: plates of a second domain that lend their style (`training.style_mixing`); without labels.
        extras: what the model takes beside the pixels, by the name of its argument; `rows[indices]` gives (B, ...).
    """

    plates: Plates
    targets: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    geometry: PictureGeometry
    augmenter: Augmenter | None
    loss: Loss
    run: Path
    strangers: Plates | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def more(self, indices: np.ndarray) -> dict[str, Tensor]:
        """Return the extras of some plates."""
        return {name: rows[indices] for name, rows in self.extras.items()}


class LessonBatches(Dataset):
    """Batches by key: plates, augmented and normalised, with their targets."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson

    def __len__(self) -> int:
        """Return the number of training pictures."""
        return len(self.lesson.train)

    def __getitems__(self, key: BatchKey) -> dict[str, Tensor]:
        """Return the batch of a key: float32 `pixel_values` (B, C, H, W) and `labels`."""
        pixels = self.lesson.plates[key.indices]
        geometry = self.lesson.geometry
        if self.lesson.augmenter is None:
            values = geometry.prepare(pixels)
        else:
            values = geometry.normalise(self.lesson.augmenter(pixels, key.seed))
        labels = torch.from_numpy(self.lesson.targets[key.indices])
        batch = {"pixel_values": values, "labels": labels, **self.lesson.more(key.indices)}
        if self.lesson.strangers is not None:
            chosen = np.random.default_rng((key.seed, 4)).integers(len(self.lesson.strangers), size=len(key.indices))
            batch["strangers"] = geometry.prepare(self.lesson.strangers[chosen])
        return batch


@dataclass
class Tally:
    """What the running epoch has seen so far; part of the state, so that a resumed epoch reports the same."""

    loss: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0

    def record(self) -> dict[str, float]:
        """Return the epoch's training loss and accuracy."""
        seen = max(self.seen, 1)
        return {"train_loss": self.loss / seen, "train_accuracy": self.correct / seen}


def training_arguments(recipe: Recipe, run: Path, device: torch.device) -> TrainingArguments:
    """Return the Trainer's arguments for a recipe; all that it would do by itself (saving, logging) is left to us."""
    return TrainingArguments(
        output_dir=str(run),
        per_device_train_batch_size=recipe.training.batch_size,
        num_train_epochs=recipe.training.epochs,
        max_grad_norm=recipe.training.gradient_clipping,
        bf16=use_bf16(recipe.training.precision, device),
        use_cpu=device.type == "cpu",
        seed=recipe.seed,
        report_to=[],
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )


class PlateTrainer(Trainer):
    """A Trainer over plates. What differs from the library's own:

    - batches come from `SeededBatches`, so that epoch e, batch b is the same in every run of a seed;
    - the loss is the recipe's, with class weights, plus the network's own regularisation;
    - the state that a resume needs is written as safetensors and JSON (the library's is a pickle);
    - after each epoch the validation part is measured, the best weights are kept, and stopping is decided.
    """

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        lesson: Lesson,
        on_epoch: Callable[[dict], None] | None = None,
        device: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.lesson = lesson
        self.tally = Tally()
        self.best_weights: dict[str, Tensor] | None = None
        settings = recipe.training
        patience = settings.early_stopping.patience if settings.early_stopping else None
        self.progress = Progress(settings.metric, settings.keep, patience)
        self.on_epoch = on_epoch
        super().__init__(
            model=model,
            args=training_arguments(recipe, lesson.run, choose_device(device)),
            train_dataset=LessonBatches(lesson),
            callbacks=[Keeper(self, settings.checkpoint_seconds)],
        )
        self.remove_callback(PrinterCallback)  # stdout belongs to results; `on_epoch` says what there is to say
        # The loss is ours (`compute_loss`): the model is not asked for one, so nothing is to be scaled for it.
        self.model_accepts_loss_kwargs = False
        self.mixer: StyleMixer | None = None
        if settings.style_mixing is not None:
            example = lesson.geometry.prepare(lesson.plates[lesson.train[:1]]).to(self.args.device)
            self.mixer = StyleMixer(self.model, settings.style_mixing, example)
        self.class_weights: Tensor | None = None
        if settings.class_weights in WEIGHTS:
            weights = WEIGHTS[settings.class_weights](lesson.targets[lesson.train], model.config.num_labels)
            self.class_weights = weights.to(self.args.device)

    def get_train_dataloader(self) -> DataLoader:
        """Return the batches of the training part."""
        lesson, settings = self.lesson, self.recipe.training
        batches = SeededBatches(
            lesson.train, lesson.targets[lesson.train], settings.batch_size, settings.sampling, self.recipe.seed
        )
        # A batch is asked for by its key, not by a list of indices as the types of DataLoader have it.
        loader: DataLoader = EpochLoader(LessonBatches(lesson), batch_sampler=batches, collate_fn=_as_is)  # type: ignore[arg-type]
        return loader

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return the recipe's optimizer over the weights that learn."""
        if self.optimizer is None:  # type: ignore[has-type]
            self.optimizer = make_optimizer(model or self.model, self.recipe.training.optimizer)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the recipe's schedule, a function of the step alone."""
        if self.lr_scheduler is None:  # type: ignore[has-type]
            factor = rate_factor(self.recipe.training.schedule, num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the recipe's loss of a batch and count what it got right."""
        labels = inputs["labels"]
        extras = {name: inputs[name] for name in self.lesson.extras}
        if self.mixer is None:
            outputs = model(pixel_values=inputs["pixel_values"], **extras)
        else:
            outputs = self.mixer(model, inputs["pixel_values"], inputs.get("strangers"), **extras)
        logits = outputs.logits.float()
        loss = self.objective(logits, labels)
        with torch.no_grad():
            self.tally.seen += len(labels)
            self.tally.loss += float(loss) * len(labels)
            self.tally.correct += int(_correct(logits, labels).sum())
        if hasattr(self.model, "auxiliary_loss"):
            loss = loss + self.model.auxiliary_loss(outputs, labels, self.objective)
        if hasattr(self.model, "regularization_loss"):
            loss = loss + self.model.regularization_loss()
        return (loss, outputs) if return_outputs else loss

    def objective(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the recipe's loss of logits (N, K), with its class weights."""
        return self.lesson.loss(logits, labels, self.class_weights, **self.recipe.training.loss_options)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Return the norm if clipping has found it; the library else computes it at every step, to log it."""
        return grad_norm

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: nobody asks for the count, and counting goes through all weights at every step."""
        return 0

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Close an epoch: measure the validation part, note the record, keep the weights if they are the best."""
        record: dict[str, Any] = {"epoch": round(self.state.epoch or 0), "step": self.state.global_step}
        record |= self.tally.record()
        if not math.isfinite(record["train_loss"]):
            rate = self.recipe.training.optimizer.learning_rate
            raise KunstkammerError(
                f"The loss is no longer a number in epoch {record['epoch']}; "
                f"lower training.optimizer.learning_rate (now {rate})."
            )
        record["learning_rate"] = max(self.lr_scheduler.get_last_lr())  # type: ignore[union-attr]
        seconds = max(self.tally.seconds, 1e-9)
        record |= {"seconds": round(seconds, 3), "pictures_per_second": round(self.tally.seen / seconds, 1)}
        if len(self.lesson.validation):
            found = part_metrics(
                self.model, self.lesson, self.lesson.validation, bf16=self.args.bf16,
                loss=lambda logits, y: self.lesson.loss(logits, y, None, **self.recipe.training.loss_options),
            )  # fmt: skip
            record |= {f"validation_{name}": value for name, value in found.items()}
        self.progress.history.append(record)
        self.tally = Tally()
        best = self.progress.best()
        if best is record:
            self.best_weights = copy_weights(self.model)
        if fault := self.progress.fault(record):
            what = fault.replace("_", " ", 1)
            say(f"epoch {record['epoch']}: the {what} is {record[fault]}, not a finite number; it is not kept.")
        if self.progress.should_stop():
            self.control.should_training_stop = True
        if self.on_epoch:
            self.on_epoch(record)
        return {name: value for name, value in record.items() if isinstance(value, float)}

    def load_best(self) -> None:
        """Put the weights of the best epoch into the model."""
        if self.best_weights is not None:
            put_weights(self.model, self.best_weights, "The best epoch")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        numbers = {
            "history": self.progress.history,
            "tally": vars(self.tally),
            "schedule": {k: v for k, v in self.lr_scheduler.state_dict().items() if k != "lr_lambdas"},  # type: ignore[union-attr]
        }
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        position = json.dumps(dataclasses.asdict(self.state))
        save_state(
            self.lesson.run,
            self.state.global_step,
            self.model,
            optimizer,
            self.best_weights,
            numbers,
            {TRAINER_STATE: position},
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        state = Path(resume_from_checkpoint)
        put_weights(model or self.model, read_weights(state), str(state))
        self.take_over(state)

    def take_over(self, state: Path) -> None:
        """Go on with the history and the best weights of a state."""
        numbers = read_numbers(state)
        self.progress.history = numbers["history"]
        self.tally = Tally(**numbers["tally"])
        self.best_weights = read_weights(state, BEST) if self.progress.best() else None

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        load_optimizer(getattr(self.optimizer, "optimizer", self.optimizer), Path(checkpoint))  # type: ignore[arg-type]
        schedule = read_numbers(Path(checkpoint))["schedule"]
        schedule["lr_lambdas"] = [None] * len(schedule["base_lrs"])  # functions of the recipe, not kept
        self.lr_scheduler.load_state_dict(schedule)  # type: ignore[union-attr]

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing to load: every step seeds itself (see `Keeper.on_step_begin`)."""


class EpochLoader(DataLoader):
    """A DataLoader that hands the number of the epoch on to its batch sampler."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


def _as_is(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch


def _correct(logits: Tensor, labels: Tensor) -> Tensor:
    if labels.is_floating_point():
        return ((logits > 0) == (labels > 0.5)).all(dim=1)
    return logits.argmax(dim=1) == labels


class Keeper(TrainerCallback):
    """Seeds every step, ends every epoch with a measurement, and keeps a state when one is due.

    A state is due after `every_seconds`, and at the end of an epoch if writing it costs at most a twentieth of the time
    since the last one: short epochs of a large network would else wait for the disk more than they learn.
    """

    SHARE = 20

    def __init__(self, trainer: PlateTrainer, every_seconds: float) -> None:
        self.trainer = trainer
        self.every_seconds = every_seconds
        self.saved = self.ticked = time.monotonic()
        self.asked = self.saved
        self.cost = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.saved = self.ticked = time.monotonic()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed what is random inside the network (dropout) by the step, so that a resumed step draws the same."""
        torch.manual_seed((self.trainer.recipe.seed << 32) + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the time of the step; ask for a state when the last one is old."""
        now = time.monotonic()
        self.trainer.tally.seconds += now - self.ticked
        self.ticked = now
        steps = state.max_steps // int(args.num_train_epochs)
        # Not after the last step of an epoch: a resume from there would leave out the epoch's measurement.
        if now - self.saved > self.every_seconds and state.global_step % steps:
            control.should_save = True
            self.asked = now

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for the epoch's measurement, and for a state if it is cheap enough."""
        control.should_evaluate = True
        self.asked = time.monotonic()
        control.should_save = self.asked - self.saved >= self.SHARE * self.cost

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note what the state cost."""
        self.saved = self.ticked = time.monotonic()
        self.cost = self.saved - self.asked
