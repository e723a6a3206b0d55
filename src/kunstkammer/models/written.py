"""The `preprocessor_config.json` of a run: what `transformers` needs to prepare pictures as Kunstkammer does.

Several are tried, from the most ordinary to our own, and the first that is read back as what it was made of is taken:
the settings of the processor that the checkpoint came with; these with another size; a stock processor; and
`KunstkammerImageProcessor`, which needs `import kunstkammer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.models.processors import OWN, Reading, as_processor, read_processor


def written(reading: Reading, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an image processor that does what `reading` says: those of `origin` if they still do."""
    return next(settings for settings in _candidates(reading, origin) if _says(settings, reading))


def _says(settings: Mapping[str, Any], reading: Reading) -> bool:
    try:
        found = read_processor(as_processor(settings, "these settings"), "these settings")
    except ModelError:
        return False
    return _long(found) == _long(reading)


def _long(reading: Reading) -> tuple[Any, ...]:
    """Return a reading with one number a channel."""
    mean, std = (values * (1 if len(values) == 3 else 3) for values in (reading.mean, reading.std))
    return reading.framing, reading.seen, mean, std, reading.scale, reading.flip


def _candidates(reading: Reading, origin: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    framing, seen = reading.framing, reading.seen
    pair, crop = ({"height": side[0], "width": side[1]} for side in (framing.size, seen))
    edges = [{"shortest_edge": edge} for edge in (framing.edge or framing.height, seen[0])]
    if origin:
        plain = {key: value for key, value in origin.items() if not key.startswith("_")}
        yield plain
        for size in (pair, crop, *edges):
            yield {**plain, "size": size}
            yield {**plain, "size": size, "crop_size": crop, "do_center_crop": True}
    numbers = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(reading.mean),
        "image_std": list(reading.std),
        "rescale_factor": reading.scale,
    }
    resample = {"resample": int(Image.Resampling[framing.resample.upper()])} if framing.resample != "gaussian" else {}
    yield {"image_processor_type": "ViTImageProcessor", "size": pair, **resample, **numbers}
    cropped = {"do_center_crop": True, "crop_size": crop, **resample, **numbers}
    yield {"image_processor_type": "DeiTImageProcessor", "size": pair, **cropped}
    yield {"image_processor_type": "BitImageProcessor", "size": edges[0], **cropped}
    own = {key: numbers[key] for key in ("image_mean", "image_std", "rescale_factor")}
    yield {
        "image_processor_type": OWN,
        "framing": asdict(framing),
        "input_size": list(seen),
        "flip": reading.flip,
        **own,
    }
