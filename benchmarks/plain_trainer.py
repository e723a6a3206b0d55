"""What tutorials teach: `transformers.Trainer` over a data set that decodes and prepares each picture every time."""

from __future__ import annotations

import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from kunstkammer.models.devices import choose_device

if TYPE_CHECKING:
    from benchmarks.bare_loop import InMemory
    from benchmarks.subjects import Subject


class PictureFiles(Dataset):
    """Each picture decoded by Pillow and prepared by the image processor, every time that it is asked for."""

    def __init__(self, subject: Subject, processor: Any) -> None:
        self.sources = [subject.collection.source(i) for i in range(len(subject))]
        self.labels = subject.targets.tolist()
        self.processor = processor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        source = self.sources[index]
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            values = self.processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return {"pixel_values": values, "labels": self.labels[index]}


class Clock(TrainerCallback):
    """Times the epochs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.start = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Stop the clock."""
        self.seconds.append(time.perf_counter() - self.start)

    def rate(self, pictures: int) -> float:
        """Return pictures/s from the second epoch on."""
        return pictures * (len(self.seconds) - 1) / sum(self.seconds[1:])


def plain_trainer(subject: Subject, epochs: int) -> float:
    """Train with the defaults of `TrainingArguments` (fp32, contiguous, AdamW); return pictures/s from epoch 2 on."""
    model, geometry = subject.model()
    plain = AutoModelForImageClassification.from_config(model.config)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "preprocessor_config.json").write_text(json.dumps(geometry.to_processor()), encoding="utf-8")
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=subject.batch,
            num_train_epochs=epochs,
            use_cpu=choose_device().type == "cpu",
            dataloader_pin_memory=choose_device().type == "cuda",
            # Nothing that costs time: no checkpoint, no tracker, no bar.
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        return _train(plain, arguments, PictureFiles(subject, processor), len(subject))


class Rows(Dataset):
    """The numbers of the rows; the collator makes the batch at once."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def trainer_in_memory(subject: Subject, memory: InMemory, *, bf16: bool, epochs: int) -> float:
    """Run the stock Trainer over tensors in memory, all else as in the bare loop: what the Trainer itself costs."""
    from benchmarks.bare_loop import fused_optimizer

    def collate(rows: list[int]) -> dict[str, torch.Tensor]:
        values, labels = memory.batch(torch.tensor(rows))
        return {"pixel_values": values, "labels": labels}

    model, _ = subject.model()
    optimizer = fused_optimizer(model, subject.recipe.training.optimizer)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=subject.batch,
            num_train_epochs=epochs,
            bf16=bf16,
            use_cpu=choose_device().type == "cpu",
            max_grad_norm=0.0,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        more = {"data_collator": collate, "optimizers": (optimizer, constant)}
        return _train(model, arguments, Rows(len(memory)), len(memory), **more)


def _train(model: Any, arguments: TrainingArguments, rows: Dataset, pictures: int, **more: Any) -> float:
    clock = Clock()
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[clock], **more)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return clock.rate(pictures)
