"""The loop: `transformers.Trainer` for any way of learning, with seeded batches and exact resume."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from kunstkammer.errors import KunstkammerError
from kunstkammer.models.devices import choose_device
from kunstkammer.progress import say
from kunstkammer.training.best_epoch import Progress
from kunstkammer.training.learning import EpochCounts, Learning
from kunstkammer.training.optimization import make_optimizer, rate_factor
from kunstkammer.training.precision import use_bf16
from kunstkammer.training.sampling import BatchKey
from kunstkammer.training.state import (
    BEST,
    copy_weights,
    load_optimizer,
    put_weights,
    read_numbers,
    read_weights,
    save_state,
)

if TYPE_CHECKING:
    from kunstkammer.training.recipe import Recipe

TRAINER_STATE = "trainer_state.json"
"""Where `transformers` looks for the position in a run that it resumes."""


class KeyedBatches(Dataset):
    """Batches by key, as a way of learning gives them."""

    def __init__(self, learning: Learning) -> None:
        self.learning = learning

    def __len__(self) -> int:
        """Return the number of batches; the library only asks whether there are any."""
        return len(self.learning.batches())

    def __getitems__(self, key: BatchKey) -> dict[str, Tensor]:
        """Return the batch of a key."""
        return self.learning.batch(key)


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


class LearningTrainer(Trainer):
    """A Trainer of any way of learning. What differs from the library's own:

    - batches come from the sampler of the way of learning, so that epoch e, batch b is the same in every run of a seed;
    - batch, loss and validation are those of the way of learning;
    - the state that a resume needs is written as safetensors and JSON (the library's is a pickle);
    - after each epoch the validation part is measured, the best weights are kept, and stopping is decided.
    """

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        learning: Learning,
        run: Path,
        on_epoch: Callable[[dict], None] | None = None,
        device: str | None = None,
    ) -> None:
        self.recipe, self.learning, self.run = recipe, learning, run
        self.tally = EpochCounts()
        self.best_weights: dict[str, Tensor] | None = None
        settings = recipe.training
        patience = settings.early_stopping.patience if settings.early_stopping else None
        self.progress = Progress(settings.metric, settings.keep, patience)
        self.on_epoch = on_epoch
        super().__init__(
            model=model,
            args=training_arguments(recipe, run, choose_device(device)),
            train_dataset=KeyedBatches(learning),
            callbacks=[Keeper(self, settings.checkpoint_seconds)],
        )
        self.remove_callback(PrinterCallback)  # stdout belongs to results; `on_epoch` says what there is to say
        # The loss is ours (`compute_loss`): the model is not asked for one, so nothing is to be scaled for it.
        self.model_accepts_loss_kwargs = False
        learning.start(self.model)

    def get_train_dataloader(self) -> DataLoader:
        """Return the batches of the training part."""
        batches = self.learning.batches()
        # A batch is asked for by its key, not by a list of indices as the types of DataLoader have it.
        loader: DataLoader = EpochLoader(KeyedBatches(self.learning), batch_sampler=batches, collate_fn=_as_is)  # type: ignore[arg-type]
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
        """Return the loss of a batch, and note what there is to count of it."""
        loss, counts = self.learning.loss(model, inputs)
        self.tally.add(counts)
        return (loss, None) if return_outputs else loss

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
        found = self.learning.validate(self.model, bf16=self.args.bf16)
        record |= {f"validation_{name}": value for name, value in found.items()}
        self.progress.history.append(record)
        self.tally = EpochCounts()
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
            self.run,
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
        try:
            self.tally = EpochCounts(**numbers["tally"])
        except TypeError as error:
            raise KunstkammerError(f"{state} was written by another version; train into a new folder.") from error
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


class Keeper(TrainerCallback):
    """Seeds every step, ends every epoch with a measurement, and keeps a state when one is due.

    A state is due after `every_seconds`, and at the end of an epoch if writing it costs at most a twentieth of the time
    since the last one: short epochs of a large network would else wait for the disk more than they learn.
    """

    SHARE = 20

    def __init__(self, trainer: LearningTrainer, every_seconds: float) -> None:
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
