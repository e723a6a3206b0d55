"""From maps to pictures that people understand: back onto the original picture, overlays, captions, side by side.

The report and the workflows use the same functions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.projection import Floats, to_picture
from kunstkammer.files import atomic_file
from kunstkammer.pictures.overlay import overlay
from kunstkammer.pictures.sheet import caption, headed_table

__all__ = [
    "compare_methods", "explain_picture", "explain_pictures", "lay", "save_map", "to_heat", "to_picture",
]  # fmt: skip

MOST_COLUMNS = 8
"""More methods than this stand in several tables, one under the other, so that a figure can be read on a screen."""


def to_heat(relevance: torch.Tensor | Floats) -> Floats:
    """Return one map (H, W) for the relevance of one picture (C, H, W): the sum over its channels, sign kept.

    >>> to_heat(np.array([[[1.0, 2.0]], [[0.5, -3.0]]]))
    array([[ 1.5, -1. ]])
    """
    values = relevance.detach().cpu().numpy() if isinstance(relevance, torch.Tensor) else relevance
    if values.ndim != 3:
        raise ModelError(f"Expected the relevance of one picture, (C, H, W), not {values.shape}.")
    return np.asarray(values.sum(axis=0))


def lay(image: Image.Image, heat: Floats, signed: bool, opacity: float | None = None) -> Image.Image:
    """Lay a map over a picture as every figure does: a signed one, strong, over the picture in pale grey.

    `opacity` of the strongest places, by default 0.5, or 0.9 where signed.
    """
    strong = (0.9 if signed else 0.5) if opacity is None else opacity
    return overlay(image, heat, signed=signed, opacity=strong, fade=0.8 if signed else 0.0)


def explain_picture(
    image: Image.Image,
    heat: Floats,
    *,
    truth: str | None = None,
    prediction: str | None = None,
    signed: bool | None = None,
    opacity: float | None = None,
) -> Image.Image:
    """Return a picture with its map over it, captioned "GT: Manga; PRED: Comic" as far as the labels are given.

    Args:
        image: the original picture, or its plate.
        heat: (h, w) over that picture (see `to_picture`).
        truth: the true label.
        prediction: the predicted label; the caption's colour says whether it is right.
        signed: whether the map speaks for and against; by default whether it has negative values.
        opacity: of the map, 0 to 1; see `lay`.
    """
    shown = lay(image, heat, _is_signed([heat]) if signed is None else signed, opacity)
    parts = [f"GT: {truth}"] * (truth is not None) + [f"PRED: {prediction}"] * (prediction is not None)
    if not parts:
        return shown
    good = None if truth is None or prediction is None else truth == prediction
    return caption(shown, "; ".join(parts), good=good)


def explain_pictures(
    images: Sequence[Image.Image],
    heats: Sequence[Floats],
    *,
    truths: Sequence[str | None] | None = None,
    predictions: Sequence[str | None] | None = None,
    signed: bool | None = None,
    opacity: float | None = None,
) -> list[Image.Image]:
    """Return `explain_picture` for each picture; `signed` is decided for all maps together where it is not given."""
    truths = truths or [None] * len(images)
    predictions = predictions or [None] * len(images)
    signed = _is_signed(heats) if signed is None else signed
    return [
        explain_picture(image, heat, truth=truth, prediction=prediction, signed=signed, opacity=opacity)
        for image, heat, truth, prediction in zip(images, heats, truths, predictions, strict=True)
    ]


def compare_methods(
    images: Sequence[Image.Image],
    heats: Mapping[str, Sequence[Floats]],
    *,
    captions: Sequence[str] | None = None,
    signed: Mapping[str, bool] | None = None,
    cell: int = 256,
    opacity: float | None = None,
    across: int = MOST_COLUMNS,
) -> Image.Image:
    """Return one figure: a row for each picture, the picture itself first, then its map by each method under its name.

    Args:
        images: the original pictures, or their plates; one picture may come more than once, a label each row.
        heats: method -> one map (h, w) for each row, over its picture; the columns in this order.
        captions: what stands under the picture itself, a text each row.
        signed: method -> whether its maps are signed; by default whether any of its maps has negative values.
        cell: pixels of the longer side of each picture in the figure.
        opacity: of the maps, 0 to 1; see `lay`.
        across: so many methods stand side by side, at most; more go into further tables below.
    """
    for method, maps in heats.items():
        if len(maps) != len(images):
            raise ModelError(f"{method} has {len(maps)} maps for {len(images)} pictures; one each is needed.")
    signs = {method: _is_signed(maps) for method, maps in heats.items()} | dict(signed or {})
    rows = []
    for number, image in enumerate(images):
        scale = cell / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Scaled before the map is laid over it: the map stays smooth where a small picture is enlarged.
        tile = image.convert("RGB").resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)
        rows.append([tile, *(lay(tile, m[number], signs[k], opacity) for k, m in heats.items())])
    heads, blocks = list(heats), -(-max(1, len(heats)) // max(1, across))
    across = -(-len(heads) // blocks)
    tables = []
    for start in range(0, max(1, len(heads)), max(1, across)):
        part = slice(1 + start, 1 + start + across)
        cut = [[row[0], *row[part]] for row in rows]
        tables.append(headed_table(cut, ["", *heads[start : start + across]], captions, cell=cell))
    sheet = Image.new("RGB", (max(t.width for t in tables), sum(t.height for t in tables)), "white")
    top = 0
    for table in tables:
        sheet.paste(table, (0, top))
        top += table.height
    return sheet


RAW_FORMATS = ("npy", "safetensors")


def save_map(
    path_base: str | os.PathLike[str], heat: Floats, image: Image.Image, *, raw: str = "npy"
) -> tuple[Path, Path]:
    """Write `image` as PATH_BASE.png and the raw values of `heat` as PATH_BASE.npy; return both paths.

    With `raw` = "safetensors" the values stand in PATH_BASE.safetensors as the tensor "relevance". Each file is whole
    or absent; neither form of the values needs a pickle.
    """
    if raw not in RAW_FORMATS:
        raise unknown_name("format of raw maps", raw, RAW_FORMATS)
    base = os.fspath(path_base)
    png, array = Path(f"{base}.png"), Path(f"{base}.{raw}")
    with atomic_file(png) as partial:
        image.save(partial, format="PNG")
    with atomic_file(array) as partial:
        if raw == "safetensors":
            save_file({"relevance": np.ascontiguousarray(heat)}, partial)
        else:
            with open(partial, "wb") as file:
                np.save(file, np.asarray(heat), allow_pickle=False)
    return png, array


def _is_signed(heats: Sequence[Floats]) -> bool:
    return any(bool((np.asarray(heat) < 0).any()) for heat in heats)
