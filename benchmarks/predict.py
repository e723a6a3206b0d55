"""`predict` over a folder, against decoding alone plus the bare forward pass alone, each on all cores."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.contest import Found, Options, Target, compare, contest, seconds
from benchmarks.machine import cores
from benchmarks.subjects import RECIPES, pictures
from kunstkammer.data.plates import make_plate
from kunstkammer.errors import DataError, PictureError
from kunstkammer.models.run import Run, open_run
from kunstkammer.training.fit import recipe_model, write_checkpoint
from kunstkammer.workflows.predict import predict

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

JOB = "predict"
BATCH = 32
OURS, SUM = "predict", "decoding + forward"
TARGET = Target("ratio", "<=", 1.1)


def measure(options: Options) -> Iterator[Found]:
    """Time the whole verb, which lists the folder, opens the checkpoint, predicts and writes a CSV file."""
    collection = pictures(options)
    for name, recipe in RECIPES.items():
        run = options.scratch / name.split(",")[0].lower()
        run.mkdir(exist_ok=True)
        # Fresh weights take as long as trained ones.
        model, geometry = recipe_model(recipe(), collection.label_names or ("one", "two"), collection.multi_label)
        write_checkpoint(run, model.eval(), geometry)
        yield from _contest(name, run, collection, options)


def _contest(name: str, run: Path, collection: Collection, options: Options) -> Iterator[Found]:
    paths = _paths(collection, options)
    checkpoint = open_run(run)
    plates = decode_all(collection, checkpoint)  # also what the forward pass alone is given
    batches = [checkpoint.prepare(part) for part in plates.split(BATCH)]

    def apart() -> dict[str, float]:
        decoding = seconds(lambda: decode_all(collection, checkpoint))
        forward = seconds(lambda: forward_all(checkpoint, batches))
        return {SUM: decoding + forward, "decoding": decoding, "forward": forward}

    def together() -> dict[str, float]:
        return {OURS: seconds(lambda: predict(run, paths, out=options.scratch / "predictions.csv", batch_size=BATCH))}

    predict(run, paths[0] if isinstance(paths, list) else paths)  # imports, and the files into memory
    rounds = contest({OURS: together, SUM: apart}, options.rounds(5))
    alone = ", ".join(f"{part} alone {statistics.median(rounds[part]):.2f} s" for part in ("decoding", "forward"))
    yield compare(JOB, name, "s", rounds, ours=OURS, peer=SUM, target=TARGET, note=alone)


def _paths(collection: Collection, options: Options) -> str | list[str | Path]:
    """Return the folder, or the chosen files where only some are to be looked at."""
    if options.pictures is None:
        return str(options.data)
    files: list[str | Path] = [path for path in collection.paths if path is not None]
    if len(files) < len(collection):
        raise DataError(f"{options.data} keeps pictures inside a table; name a folder of picture files.")
    return files


def decode_all(collection: Collection, checkpoint: Run) -> torch.Tensor:
    """Decode and scale each picture as `predict` does, on all cores; return uint8 (N, C, H, W) of the readable ones."""

    def plate(i: int) -> np.ndarray | None:
        try:
            return make_plate(collection.source(i), checkpoint.plate_settings, collection.files[i])
        except PictureError:
            return None

    with ThreadPoolExecutor(cores()) as pool:
        found = [made for made in pool.map(plate, range(len(collection))) if made is not None]
    return torch.from_numpy(np.stack(found))


@torch.inference_mode()
def forward_all(checkpoint: Run, batches: Sequence[torch.Tensor]) -> None:
    """Let the network answer batches that are ready in memory."""
    for values in batches:
        checkpoint.model(pixel_values=values).logits.cpu()
