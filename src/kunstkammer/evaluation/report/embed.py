"""Pictures inside the page: small WebP images as data URIs, within a budget for the whole report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image, features

SIDE = 320
BUDGET = 2_500_000
_STEPS = ((SIDE, 78), (SIDE, 65), (260, 60), (200, 55), (160, 50), (120, 45), (96, 40))


def data_uris(pictures: Sequence[Image.Image], budget: int = BUDGET) -> list[str]:
    """Return a data URI for each picture: no side longer than 320 px, all together no more than `budget` characters.

    Quality, then size, go down until they fit; past the smallest (96 px) they are kept as they are.
    """
    uris: list[str] = []
    for side, quality in _STEPS:
        uris = [_data_uri(picture, side, quality) for picture in pictures]
        if sum(map(len, uris)) <= budget:
            break
    return uris


def _data_uri(picture: Image.Image, side: int, quality: int) -> str:
    small = picture.convert("L" if picture.mode in {"1", "L"} else "RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    kind = "webp" if features.check("webp") else "jpeg"
    target = io.BytesIO()
    small.save(target, kind.upper(), quality=quality)
    return f"data:image/{kind};base64,{base64.b64encode(target.getvalue()).decode('ascii')}"


def figure_uri(figure: Image.Image, widest: int = 1600) -> str:
    """Return a data URI for a figure with lettering: sharp, at most `widest` pixels wide."""
    small = figure.convert("RGB")
    if small.width > widest:
        small = small.resize((widest, round(small.height * widest / small.width)), Image.Resampling.LANCZOS)
    webp = features.check("webp") and max(small.size) < 16_000
    target = io.BytesIO()
    small.save(target, "WEBP" if webp else "PNG", **({"quality": 88, "method": 6} if webp else {"optimize": True}))
    kind = "webp" if webp else "png"
    return f"data:image/{kind};base64,{base64.b64encode(target.getvalue()).decode('ascii')}"
