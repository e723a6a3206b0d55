"""Drawings of photographs, a second of one core's time for each preset, against filters that people use instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter, ImageOps

from benchmarks.contest import Contestant, Found, Options, Skipped, Target, compare, contest, quietly
from benchmarks.subjects import sample
from kunstkammer import registry
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, PictureError
from kunstkammer.pictures.cartoon import cartoonify
from kunstkammer.pictures.scale import to_tensor

JOB = "cartoonify"
SIDE, PICTURES = 224, 12
PILLOW, BILATERAL = "Pillow: median, posterise, edges", "scikit-image: bilateral filter alone"
TARGET = Target("value", ">=", 20)


def measure(options: Options) -> Iterator[Found]:
    """Count the pictures of 224 px that are drawn in a second of processor time, by one thread."""
    photos = _photos(options)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        contestants = {name: _named(name, partial(_draw, photos, name)) for name in registry.names("cartoons")}
        contestants[PILLOW] = _named(PILLOW, lambda: [pillow_cartoon(photo) for photo in photos])
        bilateral = _bilateral()
        if bilateral is not None:
            contestants[BILATERAL] = _named(BILATERAL, lambda: [bilateral(photo) for photo in photos[:2]], 2)
        for contestant in contestants.values():  # imports, and the paper's grain
            contestant()
        rounds = contest(contestants, options.rounds(5))
    finally:
        torch.set_num_threads(threads)
    note = "of one core's time, not of wall time"
    for name in registry.names("cartoons"):
        ours = {"ours": name, "target": TARGET, "note": note}
        yield compare(JOB, name, "pictures/s", rounds, peer=PILLOW, **ours)
        if bilateral is not None:
            yield compare(JOB, name, "pictures/s", rounds, ours=name, peer=BILATERAL)
    if bilateral is None:
        yield Skipped(JOB, BILATERAL, "scikit-image is not installed")


def pillow_cartoon(photo: Image.Image) -> Image.Image:
    """Return what tutorials call a cartoon: posterised colours under the edges that a Laplacian finds."""
    colours = ImageOps.posterize(photo.filter(ImageFilter.MedianFilter(5)), 3)
    edges = photo.convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    lines = edges.point(lambda value: 0 if value > 24 else 255)
    return ImageChops.multiply(colours, lines.convert("RGB"))


def _bilateral() -> Callable[[Image.Image], np.ndarray] | None:
    try:
        from skimage.restoration import denoise_bilateral
    except ImportError:
        return None
    return lambda photo: denoise_bilateral(np.asarray(photo) / 255, sigma_color=0.09, sigma_spatial=3, channel_axis=-1)


def _photos(options: Options) -> list[Image.Image]:
    collection = sample(read(options.data), options.pictures or PICTURES)
    found = []
    for i in range(len(collection)):
        try:
            found.append(collection.open(i).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        except PictureError:
            continue
        if len(found) == PICTURES:
            return found
    if not found:
        raise DataError(f"None of the pictures of {options.data} can be read.")
    return (found * PICTURES)[:PICTURES]


def _draw(photos: list[Image.Image], preset: str) -> None:
    cartoonify(to_tensor(photos), preset)


def _named(name: str, work: Callable[[], object], pictures: int = PICTURES) -> Contestant:
    def run() -> dict[str, float]:
        with quietly():
            start = time.process_time()
            work()
            return {name: pictures / (time.process_time() - start)}

    return run
