"""Frozen features: against the bare forward pass, and against the pipeline of `transformers` plus scikit-learn."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.contest import Found, Options, Skipped, Target, compare, contest, seconds
from benchmarks.subjects import pictures
from kunstkammer.data.plates import make_plates
from kunstkammer.data.survey import survey
from kunstkammer.models.features import CPU_BATCH, kept_features
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.models.run import Run, open_run
from kunstkammer.training.linear_head import fit_head

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

JOB = "features"
NAME = "MobileNetV2, 224 px"
PICTURES = 400
"""Enough for a steady figure; the pipeline takes seconds a hundred."""


def measure(options: Options) -> Iterator[Found]:
    """Time features alone with plates in place, then the way from files to a linear head."""
    collection = pictures(options)
    if len(collection) > PICTURES and options.pictures is None:
        collection = collection.select(np.linspace(0, len(collection) - 1, PICTURES).astype(int))
    keep_freed_memory()
    run = options.scratch / "mobilenet"
    write_backbone(run)
    checkpoint = open_run(run)
    seen = survey(collection, checkpoint.plate_settings, show_progress=False)
    if seen.plates is None:
        yield Skipped(JOB, NAME, "no plates could be made")
        return
    rows = np.flatnonzero(seen.plates.readable)
    cache = options.scratch / "features"

    def ours() -> dict[str, float]:
        shutil.rmtree(cache, ignore_errors=True)
        taken = seconds(
            lambda: kept_features(checkpoint.model, checkpoint.geometry, seen.plates, rows, seen.sha256, cache=cache)
        )
        return {"features": len(rows) / taken}

    batches = [checkpoint.prepare(seen.plates[part]) for part in np.array_split(rows, -(-len(rows) // CPU_BATCH))]
    large = list(torch.cat(batches).split(32))

    def bare() -> dict[str, float]:
        return {
            "forward pass": len(rows) / seconds(lambda: _forward(checkpoint, batches)),
            "forward pass, batches of 32": len(rows) / seconds(lambda: _forward(checkpoint, large)),
        }

    rounds = contest({"features": ours, "forward pass": bare}, options.rounds(3))
    note = f"batches of {CPU_BATCH}, kept on disk; a forward pass in batches of 32 does "
    note += f"{np.median(rounds['forward pass, batches of 32']):.0f}"
    target = Target("ratio", ">=", 0.9)
    yield compare(
        JOB, f"{NAME}, plates in place", "pictures/s", rounds, ours="features", peer="forward pass", target=target,
        note=note,
    )  # fmt: skip
    yield from _whole_way(run, checkpoint, collection, options)


@torch.inference_mode()
def _forward(checkpoint: Run, batches: list[torch.Tensor]) -> None:
    for batch in batches:
        checkpoint.model(pixel_values=batch)


def write_backbone(run: Path) -> None:
    """Write a MobileNetV2 of random weights as a checkpoint: as fast as a pretrained one."""
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ImageProcessor

    torch.manual_seed(0)
    MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=2)).save_pretrained(run)
    MobileNetV2ImageProcessor(
        size={"height": 224, "width": 224}, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(run)


def _whole_way(run: Path, checkpoint: Run, collection: Collection, options: Options) -> Iterator[Found]:
    """From picture files to a fitted head: ours with an empty cache, and with features known; against the pipeline."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from transformers import pipeline

    targets = collection.targets()
    paths = [str(path) for path in collection.paths]
    cache = options.scratch / "whole"

    def way() -> None:
        plates = make_plates(collection, checkpoint.plate_settings, cache=cache, show_progress=False)
        seen = survey(collection, None, cache=cache, show_progress=False)
        rows = np.flatnonzero(plates.readable)
        features = kept_features(checkpoint.model, checkpoint.geometry, plates, rows, seen.sha256, cache=cache)
        fit_head(features, targets[rows], len(collection.label_names), strengths=[1e-3], folds=2)

    def ours() -> dict[str, float]:
        shutil.rmtree(cache, ignore_errors=True)
        return {"ours": seconds(way), "ours, features known": seconds(way)}

    extract = pipeline("image-feature-extraction", model=str(run), device="cpu")

    def peer() -> dict[str, float]:
        def loop() -> None:
            features = np.array([extract(path, pool=True)[0] for path in paths])
            make_pipeline(StandardScaler(), LogisticRegression(C=1e-3)).fit(features, targets)

        return {"pipeline + scikit-learn": seconds(loop)}

    rounds = contest({"ours": ours, "peer": peer}, options.rounds(3))
    known = np.median(rounds["ours, features known"])
    yield compare(
        JOB, f"{NAME}, files to head", "pictures/s",
        {name: [len(paths) / taken for taken in values] for name, values in rounds.items()},
        ours="ours", peer="pipeline + scikit-learn", target=Target("ratio", ">=", 3),
        note=f"once the features are known it takes {known:.2f} s",
    )  # fmt: skip
