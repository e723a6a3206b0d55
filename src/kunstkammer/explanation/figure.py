"""From maps to pictures that people understand: back onto the original picture, overlays, captions, side by side.

The report and the verbs use the same functions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors.numpy import save_file
from torch.nn.functional import interpolate

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.files import atomic_file
from kunstkammer.pictures.overlay import overlay
from kunstkammer.pictures.scale import Fit
from kunstkammer.pictures.sheet import caption, headed_table

Floats = npt.NDArray[np.floating]

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


def to_picture(
    heat: Floats, picture_size: tuple[int, int], fit: Fit, *, plate_size: tuple[int, int] | None = None
) -> Floats:
    """Lay a map over the model's input back onto the original picture.

    Args:
        heat: (h, w), over the model's input and at its resolution, as `explain` gives it.
        picture_size: (height, width) of the original picture.
        fit: how the picture was fitted into its plate (`fit_picture`). With "pad" the border is cut off; with "crop"
            the map covers the central part and is 0 outside, where the model saw nothing.
        plate_size: (height, width) of the plate, where the model sees only its centre; outside that the map is 0.

    Returns:
        (H, W) of the picture's size, the type of `heat`, bilinear (antialiased where the picture is the smaller one).
    """
    heat = np.asarray(heat)
    if heat.ndim != 2:
        raise ModelError(f"Expected one map (h, w), not {heat.shape}.")
    if plate_size is not None:
        heat = _on_plate(heat, plate_size)
    if fit == "squash":
        return _resized(heat, picture_size)
    if fit == "pad":
        return _resized(_without_border(heat, picture_size, plate_size or heat.shape), picture_size)
    if fit == "crop":
        return _in_middle(heat, picture_size, plate_size or heat.shape)
    raise ValueError(f"There is no fit '{fit}'. Known: squash, pad, crop.")


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
) -> Image.Image:
    """Return one figure: a row for each picture, the picture itself first, then its map by each method under its name.

    Args:
        images: the original pictures, or their plates; one picture may come more than once, a label each row.
        heats: method -> one map (h, w) for each row, over its picture; the columns in this order.
        captions: what stands under the picture itself, a text each row.
        signed: method -> whether its maps are signed; by default whether any of its maps has negative values.
        cell: pixels of the longer side of each picture in the figure.
        opacity: of the maps, 0 to 1; see `lay`.
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
    heads, blocks = list(heats), -(-max(1, len(heats)) // MOST_COLUMNS)
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


def _resized(heat: Floats, size: tuple[int, int]) -> Floats:
    values = torch.from_numpy(np.ascontiguousarray(heat))[None, None]
    result = interpolate(values, size=size, mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(result[0, 0].numpy())


def _on_plate(heat: Floats, plate_size: tuple[int, int]) -> Floats:
    """Put a map over the plate's central part into a map over the whole plate, 0 outside."""
    (height, width), (h, w) = plate_size, heat.shape
    if h > height or w > width:
        raise ModelError(
            f"A map of {heat.shape} is larger than its plate {plate_size}; give it at the input's resolution."
        )
    plate = np.zeros(plate_size, dtype=heat.dtype)
    top, left = (height - h) // 2, (width - w) // 2
    plate[top : top + h, left : left + w] = heat
    return plate


def _without_border(heat: Floats, picture_size: tuple[int, int], plate_size: tuple[int, ...]) -> Floats:
    """Cut the white border off that "pad" laid around the picture (the same arithmetic as `fit_picture`)."""
    (height, width), (rows, columns) = picture_size, plate_size
    scale = min(columns / width, rows / height)
    inner_w = min(columns, max(1, round(width * scale)))
    inner_h = min(rows, max(1, round(height * scale)))
    top, left = (rows - inner_h) // 2, (columns - inner_w) // 2
    return heat[top : top + inner_h, left : left + inner_w]


def _in_middle(heat: Floats, picture_size: tuple[int, int], plate_size: tuple[int, ...]) -> Floats:
    """Put a map over the central part that "crop" kept into a map over the picture, 0 outside."""
    (height, width), (rows, columns) = picture_size, plate_size
    scale = max(columns / width, rows / height)
    inner_w, inner_h = min(width, round(columns / scale)), min(height, round(rows / scale))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    picture = np.zeros(picture_size, dtype=heat.dtype)
    picture[top : top + inner_h, left : left + inner_w] = _resized(heat, (inner_h, inner_w))
    return picture
