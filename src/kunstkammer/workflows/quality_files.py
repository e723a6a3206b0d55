"""What `explain_quality` writes: figures, curves as CSV, quality.json, and the page last."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.files import atomic_file, write_json, write_text

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.data.collection import Collection
    from kunstkammer.explanation.quality.plan import Subject
    from kunstkammer.models.run import Run
    from kunstkammer.workflows.quality_found import Quality

CELL, ACROSS = 140, 6
BATCH = 8


def write_all(
    found: Quality,
    arrays: Mapping[str, np.ndarray],
    patches: np.ndarray,
    comparison: Image.Image,
    facts: dict[str, str],
) -> None:
    """Write everything into the folder of `found`, each file whole or not at all; the page is written last.

    Args:
        found: what was measured.
        arrays: the raw curves, of `Walk.run`.
        patches: numbers of replaced patches at which the curves were looked at.
        comparison: the figure of all methods.
        facts: "model" and "created", for the page.
    """
    from kunstkammer.evaluation.map_quality import ALIKE
    from kunstkammer.evaluation.report.quality_page import QualityContent, write_quality_page
    from kunstkammer.explanation.quality.figures import cascade_figure, curves_figure
    from kunstkammer.explanation.signal import signal_figure

    names = [row.name for row in found.methods]
    patch = int(found.settings["patch"])
    most = {"random": arrays["random"], **{name: arrays[f"most/{name}"] for name in names}}
    least = {"random": arrays["random"], **{name: arrays[f"least/{name}"] for name in names}}
    figures = {
        "degradation": curves_figure(most, patches.tolist(), patch=patch),
        "degradation-least": curves_figure(least, patches.tolist(), order="least", patch=patch),
        "comparison": comparison,
    }
    cascades = {row.name: row.cascade for row in found.methods if row.cascade}
    if cascades:
        figures["randomisation"] = cascade_figure(cascades, ALIKE)
    if found.signal is not None:
        figures |= {f"signal-{row.target}": signal_figure(found.signal, row.target) for row in found.summaries}
    for name, figure in figures.items():
        with atomic_file(found.out / f"{name}.png") as partial:
            figure.save(partial, format="PNG", optimize=True)
    write_text(found.out / "curves.csv", _curves({"most": most, "least": least}, patches))
    write_text(found.out / "methods.csv", _methods(found))
    if found.signal is not None:
        write_text(found.out / "signal.csv", _rows([row.__dict__ for row in found.signal.rows]))
    write_json(found.out / "quality.json", _finite(found.to_json()))
    content = QualityContent(
        title=found.data,
        model=facts["model"],
        created=facts["created"],
        part=found.part,
        pictures=found.pictures,
        methods=found.methods,
        left_out=found.left_out,
        claims=found.claims,
        summaries=found.summaries,
        signal_note=found.signal_note,
        signal_left_out=found.signal.left_out if found.signal is not None else {},
        boxes=found.boxes,
        notes=found.notes,
        facts=found.facts,
        settings=found.settings,
        steps=int(patches[-1]),
        figures=figures,
    )
    write_quality_page(found.report, content)


def comparison_figure(
    checkpoint: Run,
    subject: Subject,
    collection: Collection,
    rows: np.ndarray,
    predicted: np.ndarray,
    methods: Sequence[str],
    truths: Sequence[str | None],
) -> Image.Image:
    """Draw the pictures at `rows` under all methods, with what was predicted and what is true."""
    import torch

    from kunstkammer.explanation import explain
    from kunstkammer.explanation.figure import compare_methods, to_heat
    from kunstkammer.workflows.overlays import look_at, on_picture

    looks = [look_at(collection, int(i), checkpoint.plate_settings) for i in rows]
    pixels = checkpoint.prepare(torch.from_numpy(np.stack([look.plate for look in looks])))
    images = []
    for look in looks:
        small = look.picture.convert("RGB")
        small.thumbnail((2 * CELL, 2 * CELL))
        images.append(small)
    heats: dict[str, list[Any]] = {}
    for method in methods:
        options = subject.options(method, pixels.shape[2:])
        targets = torch.from_numpy(predicted)
        maps = explain(subject.model, pixels, targets, method, batch_size=BATCH, **options).float().cpu().numpy()
        heats[method] = [on_picture(checkpoint, to_heat(one), image) for one, image in zip(maps, images, strict=True)]
    labels = checkpoint.label_names
    captions = [_caption(labels[k], truth) for k, truth in zip(predicted, truths, strict=True)]
    return compare_methods(images, heats, captions=captions, cell=CELL, across=ACROSS)


def _caption(predicted: str, truth: str | None, most: int = 24) -> str:
    """Return what stands under a picture: GT and PRED, the first of several synonyms."""
    said, true = (name if name is None else name.split(",")[0][:most] for name in (predicted, truth))
    return f"PRED: {said}" if true is None else f"GT: {true}; PRED: {said}"


def _curves(orders: Mapping[str, Mapping[str, np.ndarray]], patches: np.ndarray) -> str:
    from kunstkammer.evaluation.map_quality import estimate

    rows = []
    for order, curves in orders.items():
        for name, values in curves.items():
            for k, count in enumerate(patches):
                mean = estimate(values[:, k])
                rows.append(
                    {"order": order, "method": name, "patches": int(count), "probability": mean.value,
                     "low": mean.low, "high": mean.high}
                )  # fmt: skip
    return _rows(rows)


def _methods(found: Quality) -> str:
    rows = []
    for row in found.methods:
        line: dict[str, Any] = {"method": row.name}
        for key in ("area", "beside_random", "between", "randomised", "classes", "points", "energy"):
            mean = getattr(row, key)
            line |= {f"{key}{end}": getattr(mean, part, "") for end, part in
                     (("", "value"), ("_low", "low"), ("_high", "high"))}  # fmt: skip
        line |= {"degradation": row.degradation, "randomisation": row.randomisation, "sensitivity": row.sensitivity}
        line |= {"kept": "" if row.kept is None else row.kept.share, "seconds": row.seconds}
        rows.append(line)
    return _rows(rows)


def _rows(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def _finite(value: Any) -> Any:
    """Return a value with null in the place of infinities and NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
