"""A model as `kunstkammer export` writes it, on ONNX Runtime, against the same model on torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Found, Options, Skipped, Target, compare, contest, quietly, seconds
from benchmarks.features import write_backbone
from benchmarks.subjects import pictures
from kunstkammer.data.plates import make_plates
from kunstkammer.errors import ModelError
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.training.fit import recipe_model, write_checkpoint
from kunstkammer.training.recipe import Recipe

JOB = "exported"
SAMPLE = 128
"""Pictures a round."""
BATCH = 32
TARGET = Target("ratio", ">=", 0.7)
ONNX, TORCH = "ONNX Runtime", "torch"
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "SketchNet, 120 px grey": ("demo", {}),
    "ResNet-18, 128 px": (
        "comic-manga",
        {"model.name": "resnet-18", "picture.size": 128, "picture.channels": "colour"},
    ),
}


def measure(options: Options) -> Iterator[Found]:
    """Time both engines of the server over plates in memory, in batches of 32 and one by one."""
    from kunstkammer.models.onnx_export import require_onnx

    try:
        require_onnx()
    except ModelError as error:
        yield Skipped(JOB, "engines", str(error))
        return
    collection = pictures(options)
    chosen = np.linspace(0, len(collection) - 1, min(len(collection), SAMPLE)).astype(int)
    collection = collection.select(np.unique(chosen))
    keep_freed_memory()
    runs = dict(_runs(options.scratch, collection.label_names or ("a", "b")))
    for name, run in runs.items():
        yield from _engines(name, run, collection, options)


def _runs(scratch: Path, labels: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield networks of random weights, which are as fast as trained ones."""
    for name, (recipe, settings) in RECIPES.items():
        run = scratch / name.partition(",")[0].lower()
        run.mkdir()
        model, geometry = recipe_model(Recipe.load(recipe, settings), labels, False)
        write_checkpoint(run, model.eval(), geometry)
        yield name, run
    run = scratch / "mobilenetv2"
    write_backbone(run)
    yield "MobileNetV2, 224 px", run


def _engines(name: str, run: Path, collection: Any, options: Options) -> Iterator[Found]:
    from kunstkammer.web.inference.onnx_engine import OnnxEngine
    from kunstkammer.web.inference.torch_engine import TorchEngine
    from kunstkammer.workflows.export import export

    with quietly():
        exported = export(run)
    engines = {ONNX: OnnxEngine(exported.out), TORCH: TorchEngine(run)}
    made = make_plates(collection, engines[TORCH].plate_settings, show_progress=False)
    plates = made[np.flatnonzero(made.readable)].numpy()
    apart = float(np.abs(engines[ONNX].logits(plates) - engines[TORCH].logits(plates)).max())
    for what, size in ((f"batches of {BATCH}", BATCH), ("one by one", 1)):

        def rate(engine: Any, size: int = size) -> float:
            parts = [plates[start : start + size] for start in range(0, len(plates), size)]
            return len(plates) / seconds(lambda: [engine.logits(part) for part in parts])

        rounds = contest(
            {kind: lambda kind=kind: {kind: rate(engines[kind])} for kind in engines},  # type: ignore[misc]
            options.rounds(5),
        )
        note = f"{exported.bytes / 1e6:.1f} MB; logits apart by {apart:.1g} at most"
        yield compare(JOB, f"{name}, {what}", "pictures/s", rounds, ours=ONNX, peer=TORCH, target=TARGET, note=note)
