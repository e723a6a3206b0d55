"""Make docs/images/cartoons.jpg: the presets on public-domain photographs and on faces that Kunstkammer draws itself.

    pip install scikit-image
    python docs/make_cartoon_examples.py

scikit-image only brings the photographs along; the package does not need it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from skimage import data

import kunstkammer as kk
from kunstkammer import registry
from kunstkammer.pictures.cartoon import cartoonify
from kunstkammer.pictures.scale import to_image, to_tensor
from kunstkammer.pictures.sheet import contact_sheet

OUT = Path(__file__).parent / "images" / "cartoons.jpg"
SIDE = 250


def photographs() -> list[Image.Image]:
    """Return the squares that are drawn: an astronaut, a cat, a cup, and two drawn faces."""
    cuts = {"astronaut": (20, 0, 420, 400), "chelsea": (90, 0, 390, 300), "coffee": (60, 0, 460, 400)}
    squares = [Image.fromarray(getattr(data, name)()).crop(box) for name, box in cuts.items()]
    with tempfile.TemporaryDirectory() as folder:
        kk.draw("faces", out=Path(folder) / "faces", n=24, seed=3)
        faces = sorted((Path(folder) / "faces" / "photographs" / "train").glob("*/*"))
        squares += [Image.open(face).convert("RGB") for face in (faces[0], faces[-1])]
    return [square.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for square in squares]


def main() -> None:
    """Draw every square by every preset, in columns."""
    presets = [name for name in ("comic", "manga", "pencil", "flat") if name in registry.names("cartoons")]
    tiles, words = [], []
    for photo in photographs():
        tiles += [photo, *(to_image(cartoonify(to_tensor([photo]), preset)[0]) for preset in presets)]
        words += ["photograph", *presets]
    sheet = contact_sheet(tiles, len(presets) + 1, words, cell=SIDE, gap=8)
    OUT.parent.mkdir(exist_ok=True)
    sheet.save(OUT, quality=80, optimize=True, progressive=True)
    print(f"{OUT}: {sheet.width} x {sheet.height}, {OUT.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
