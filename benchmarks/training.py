"""Training speed from the second epoch on, augmentation included, against the bare loop, a plain Trainer and Keras."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bare_loop import InMemory, Manner, bare_loop
from benchmarks.contest import Contestant, Found, Options, Skipped, Target, compare, contest, quietly
from benchmarks.plain_trainer import plain_trainer
from benchmarks.subjects import RESNET, SKETCHNET, Subject, make_subject
from kunstkammer.data.plates import Plates
from kunstkammer.errors import KunstkammerError
from kunstkammer.models.devices import choose_device
from kunstkammer.training.fit import fit
from kunstkammer.training.precision import use_bf16
from kunstkammer.training.recipe import Recipe

JOB = "training"
OURS, WITH_STATES = "ours", "ours with states saved"
BARE, TRAINER, KERAS, KERAS_BF16 = "bare loop in memory", "plain Trainer", "Keras", "Keras in mixed bfloat16"
LEAST_OF_BARE, LEAST_OF_PEER = Target("ratio", ">=", 0.90), Target("ratio", ">=", 2.5)
SLOW_EPOCHS = 2


def measure(options: Options) -> Iterator[Found]:
    """Time ResNet-18 against the bare loop and a plain Trainer, SketchNet against the bare loop and Keras."""
    if options.epochs < 3:
        raise KunstkammerError("training needs --epochs 3 or more: the first and the last are not counted.")
    yield from _resnet(options)
    yield from _sketchnet(options)


def _resnet(options: Options) -> Iterator[Found]:
    subject = make_subject(RESNET, options, options.scratch / "cache")
    # The plain Trainer is slow and steady: its second epoch alone is measured.
    contestants = _ours_and_bare(subject, options.epochs)
    contestants[TRAINER] = lambda: {TRAINER: plain_trainer(subject, SLOW_EPOCHS)}
    rounds = contest(contestants, options.rounds(3))
    yield from _against_bare(subject, rounds)
    yield compare(JOB, subject.name, "pictures/s", rounds, ours=OURS, peer=TRAINER, target=LEAST_OF_PEER)


def _sketchnet(options: Options) -> Iterator[Found]:
    subject = make_subject(SKETCHNET, options, options.scratch / "cache")
    contestants = _ours_and_bare(subject, options.epochs)
    python = options.keras_python
    if python is not None:
        contestants |= _keras(subject, python, options)
    rounds = contest(contestants, options.rounds(3))
    yield from _against_bare(subject, rounds)
    if python is None:
        yield Skipped(JOB, f"{subject.name} against Keras", "no --keras-python was given")
        return
    yield compare(JOB, subject.name, "pictures/s", rounds, ours=OURS, peer=KERAS, target=LEAST_OF_PEER)
    yield compare(JOB, subject.name, "pictures/s", rounds, ours=OURS, peer=KERAS_BF16, note="not the published setting")


def _against_bare(subject: Subject, rounds: Mapping[str, list[float]]) -> Iterator[Found]:
    found = dict(rounds)
    names = ", ".join(spec["name"] for spec in subject.recipe.augmentation)
    note = f"recipe {subject.recipe.name} with {names}; the bare loop augments nothing"
    yield compare(JOB, subject.name, "pictures/s", found, ours=OURS, peer=BARE, target=LEAST_OF_BARE, note=note)
    note = f"each epoch of {len(subject)} pictures ends with a state that a resume can start from, safe on the disk"
    yield compare(JOB, f"{subject.name}, {WITH_STATES}", "pictures/s", found, ours=WITH_STATES, peer=BARE, note=note)


def _ours_and_bare(subject: Subject, epochs: int) -> dict[str, Contestant]:
    bf16 = use_bf16(subject.recipe.training.precision, choose_device())
    memory = InMemory(subject, channels_last=True)
    manner = Manner(channels_last=True, bf16=bf16)
    return {
        OURS: lambda: learn(subject, epochs),
        BARE: lambda: {BARE: bare_loop(subject, memory, manner, epochs)},
    }


class WatchedPlates:
    """Plates that note when each batch was asked for: a clock that the trainer does not know of."""

    def __init__(self, plates: Plates) -> None:
        self.plates = plates
        self.asked: list[float] = []

    def __getitem__(self, rows: Any) -> Any:
        self.asked.append(time.perf_counter())
        return self.plates[rows]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plates, name)

    def __len__(self) -> int:
        return len(self.plates)


def learn(subject: Subject, epochs: int) -> dict[str, float]:
    """Train as `kunstkammer train` does; return pictures/s from the second epoch on, without and with saved states.

    Without: the seconds of the steps, as the run's own history says. With: from one epoch's first batch to the next
    one's, so that everything between two epochs counts; the last epoch, which has no next one, is left out.
    """
    recipe = Recipe.load(subject.recipe, {"training.epochs": epochs})
    model, geometry = subject.model()
    plates = WatchedPlates(subject.plates)
    everything, nothing = np.arange(len(subject)), np.arange(0)
    with tempfile.TemporaryDirectory() as run, quietly():
        done = fit(
            recipe,
            model,
            geometry,
            plates=plates,  # type: ignore[arg-type]
            targets=subject.targets,
            train=everything,
            validation=nothing,
            run=Path(run),
        )
    steps = len(plates.asked) // epochs
    counted = done.history[1:]
    return {
        OURS: len(subject) * len(counted) / sum(record["seconds"] for record in counted),
        WITH_STATES: len(subject) * (epochs - 2) / (plates.asked[(epochs - 1) * steps] - plates.asked[steps]),
    }


def _keras(subject: Subject, python: Path, options: Options) -> dict[str, Contestant]:
    """Return Keras in its published float32, and in the precision that ours uses."""
    arrays = options.scratch / "sketchnet.npz"
    pictures = subject.plates[:].permute(0, 2, 3, 1).contiguous().numpy()
    np.savez(arrays, pictures=pictures, labels=subject.targets)

    def run(series: str, policy: str) -> Mapping[str, float]:
        return {series: keras_rate(python, arrays, subject.batch, options.epochs, policy)}

    return {KERAS: lambda: run(KERAS, "float32"), KERAS_BF16: lambda: run(KERAS_BF16, "mixed_bfloat16")}


def keras_rate(python: Path, arrays: Path, batch: int, epochs: int, policy: str) -> float:
    """Run `keras_peer.py` with another interpreter; return its pictures/s. Raises `KunstkammerError` where it fails."""
    script = Path(__file__).with_name("keras_peer.py")
    command = [
        str(python),
        str(script),
        str(arrays),
        "--epochs",
        str(epochs),
        "--batch",
        str(batch),
        "--policy",
        policy,
    ]
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    except OSError as error:
        raise KunstkammerError(f"--keras-python {python} cannot be run: {error.strerror}.") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise KunstkammerError(f"keras_peer.py failed under {python}: {last}") from error
    return float(json.loads(done.stdout.splitlines()[-1])["pictures_per_second"])
