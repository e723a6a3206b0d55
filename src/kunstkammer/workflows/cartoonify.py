"""cartoonify: photographs become drawings."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError, PictureError, RecipeError
from kunstkammer.progress import progress, say

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.data.collection import Collection
    from kunstkammer.pictures.cartoon import FittedCartoon

JPEG_QUALITY = 92
OUT_SUFFIXES = (".png", ".jpg", ".jpeg")
FIT_PIXELS = 288
"""Pictures are read at no less than this for fitting, which looks at half of it."""


@dataclass(frozen=True)
class CartoonResult:
    """What `cartoonify` returns.

    Attributes:
        out: the folder or the file that was asked for.
        pictures: (what was read, what was written).
        preset, strength: of the drawings; strength 0 where fitting found none that helps.
        fitted: what fitting found, None without `like`.
        unreadable: the pictures that could not be read.
    """

    out: Path
    pictures: list[tuple[str, Path]]
    preset: str
    strength: float
    seconds: float
    fitted: FittedCartoon | None = None
    unreadable: list[PictureError] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "out": str(self.out),
            "seconds": round(self.seconds, 2),
            "pictures": [{"file": file, "out": str(written)} for file, written in self.pictures],
            "preset": self.preset,
            "strength": self.strength,
            "fitted": None if self.fitted is None else self.fitted.to_json(),
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
        }

    def to_text(self) -> str:
        """Return a line or two."""
        n = len(self.pictures)
        where = f"{n} picture{'s' if n != 1 else ''} ({self.preset}, strength {self.strength:g})"
        lines = [] if self.fitted is None else [self.fitted.sentence]
        return "\n".join([*lines, f"Drew {where} into {self.out} in {self.seconds:.1f} s."])


def cartoonify(
    paths: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    preset: str = "comic",
    strength: float = 1.0,
    like: str | Path | Sequence[str | Path] | None = None,
    size: int | None = None,
    seed: int = 0,
) -> CartoonResult:
    """Turn photographs into drawings and write them, JPEG from JPEG and PNG from all else.

    Args:
        paths: pictures and folders of pictures.
        out: a folder, or for one picture a file (.png, .jpg). Nothing that is there already is overwritten.
        preset: a name of `kunstkammer list cartoons`.
        strength: 0 (unchanged) to 1 (a drawing), up to 1.5; with `like` it is found.
        like: pictures and folders of drawings; strength and settings are fitted to them, without labels.
        size: scale pictures down so that their longer side has at most so many pixels.
        seed: of paper and strokes, and of the fitting.

    Raises:
        KunstkammerError: of one of its kinds: a path or preset that is not there, a file that would be overwritten, no
        readable picture at all. Single unreadable pictures are named in the result.
    """
    from kunstkammer import registry
    from kunstkammer.pictures.cartoon import MOST_STRENGTH, cartoon_settings
    from kunstkammer.pictures.cartoon import cartoonify as draw
    from kunstkammer.pictures.scale import to_image, to_tensor
    from kunstkammer.workflows.pictures import collection_of

    start = time.perf_counter()
    registry.get("cartoons", preset)
    if not 0 <= strength <= MOST_STRENGTH:
        raise RecipeError(f"The strength of a cartoon is {strength}; give 0 (unchanged) to {MOST_STRENGTH}.")
    if size is not None and size < 1:
        raise RecipeError(f"The size is {size}; give the pixels of the longer side, 1 or more.")
    collection = collection_of(paths)
    targets = _planned(collection, paths, Path(out))
    fitted = None if like is None else _fit(collection, like, preset, seed)
    settings = cartoon_settings(preset)
    if fitted is not None:
        say(fitted.sentence)
        settings, strength = fitted.settings, fitted.strength
    written: list[tuple[str, Path]] = []
    unreadable: list[PictureError] = []
    with progress("drawing", len(collection)) as advance:
        for i, target in enumerate(targets):
            try:
                photo = _opened(collection, i, size)
            except PictureError as error:
                say(f"Left out: {error}")
                unreadable.append(error)
            else:
                drawing = draw(to_tensor([photo]), preset, strength=strength, settings=settings, seed=seed)
                _write(to_image(drawing[0]), target)
                written.append((collection.files[i], target))
            advance(1)
    if not written:
        raise DataError(f"None of the {len(collection)} pictures can be read; the first: {unreadable[0]}")
    return CartoonResult(Path(out), written, preset, strength, time.perf_counter() - start, fitted, unreadable)


def _opened(collection: Collection, i: int, size: int | None) -> Image.Image:
    from PIL import Image

    photo = collection.open(i, at_least=size)
    if size is not None and max(photo.size) > size:
        factor = size / max(photo.size)
        smaller = (max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))
        photo = photo.resize(smaller, Image.Resampling.LANCZOS)
    return photo


def _fit(collection: Collection, like: str | Path | Sequence[str | Path], preset: str, seed: int) -> FittedCartoon:
    from kunstkammer.pictures.cartoon import fit_cartoon
    from kunstkammer.workflows.pictures import collection_of

    sources, targets = _sample(collection), _sample(collection_of(like))
    if not sources:
        raise DataError("None of the pictures can be read; there is nothing to fit.")
    say(f"Fitting '{preset}' with {len(sources)} pictures to {len(targets)} of {like} ...")
    return fit_cartoon(sources, targets, preset, seed=seed)


def _sample(collection: Collection) -> list[Any]:
    """Return readable pictures as tensors, at most as many as fitting looks at, evenly spread over the collection."""
    import numpy as np

    from kunstkammer.pictures.cartoon.fit import MOST_PICTURES
    from kunstkammer.pictures.scale import to_tensor

    found = []
    for i in np.linspace(0, len(collection) - 1, min(len(collection), MOST_PICTURES)).round().astype(int):
        try:
            picture = collection.open(int(i), at_least=FIT_PIXELS)
        except PictureError:
            continue  # named when it is drawn; one of the targets more or less does not matter
        found.append(to_tensor([picture])[0])
    return found


def _planned(collection: Collection, paths: str | Path | Sequence[str | Path], out: Path) -> list[Path]:
    """Return where each drawing goes; raise before anything is drawn where a file would be overwritten."""
    from kunstkammer.pictures.read import SUFFIXES

    given = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if out.suffix.lower() in OUT_SUFFIXES and not out.is_dir():
        if len(collection) > 1:
            raise DataError(f"{len(collection)} pictures do not go into the one file {out}; name a folder.")
        planned = [out]
    else:
        if out.is_file() or (out.suffix.lower() in SUFFIXES and not out.is_dir()):
            raise DataError(f"{out} is no folder, and drawings are written as {', '.join(OUT_SUFFIXES)}; name another.")
        found: dict[Path, None] = {}
        for file in map(Path, collection.files):
            suffix = ".jpg" if file.suffix.lower() in (".jpg", ".jpeg", ".jpe", ".jfif") else ".png"
            place = out / _below(file, given).with_suffix(suffix)
            found[_free(place, found)] = None
        planned = list(found)
    there = [place for place in planned if place.exists()]
    if there:
        raise DataError(f"{there[0]} exists already and is not overwritten; name another --out.")
    return planned


def _below(file: Path, given: list[Path]) -> Path:
    """Return the name of a picture below the folder that it was found in."""
    for folder in given:
        if folder in file.parents:
            return file.relative_to(folder)
    return Path(file.name)


def _free(place: Path, taken: Container[Path]) -> Path:
    """Return `place`, numbered where a picture of another folder or format has that name already."""
    number = 2
    free = place
    while free in taken:
        free = place.with_stem(f"{place.stem}-{number}")
        number += 1
    return free


def _write(drawing: Image.Image, target: Path) -> None:
    from kunstkammer.files import atomic_file

    with atomic_file(target) as partial, partial.open("wb") as file:
        if target.suffix.lower() == ".png":
            drawing.save(file, "PNG")
        else:
            drawing.save(file, "JPEG", quality=JPEG_QUALITY)
