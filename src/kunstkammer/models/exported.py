"""What an exported model is, read and written without torch: `kunstkammer.json` beside `model.onnx`.

The network takes uint8 plates (N, C, H, W), normalises them itself, and gives `logits` (N, K); where it can also
`features` (N, D), the input of its output layer, and `class_maps` (N, K, h, w), whose sum over the cells is the logit
without its bias.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kunstkammer.errors import ModelError
from kunstkammer.pictures.framing import Fit, Resample
from kunstkammer.pictures.plate import PlateSettings

ONNX_FILE, SETTINGS_FILE = "model.onnx", "kunstkammer.json"
FORMAT = 2
"""From 2 on the plate says its filter and crop too, and the network's logits are calibrated where the run is."""
INPUT, LOGITS, FEATURES, CLASS_MAPS = "plates", "logits", "features", "class_maps"


class Plate(BaseModel):
    """The picture that goes in, as `PlateSettings` says it; what older exports do not say is what it was then."""

    model_config = ConfigDict(frozen=True)

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    grey: bool
    fit: Fit
    resample: Resample = "bilinear"
    edge: int = Field(0, ge=0)
    centre: float = Field(0.0, ge=0, le=1)
    ground: int = Field(255, ge=0, le=255)
    corner: bool = False

    @classmethod
    def of(cls, settings: PlateSettings) -> Plate:
        """Return what says the same as `settings`; a preparation is none of a model's."""
        return cls(**{name: getattr(settings, name) for name in cls.model_fields})

    @property
    def settings(self) -> PlateSettings:
        """What `make_plate` takes."""
        return PlateSettings(**self.model_dump())


class Exported(BaseModel):
    """What `kunstkammer.json` says.

    Attributes:
        format: the number of this form; a newer one is refused.
        sha256, bytes: of `model.onnx`.
        opset: the ONNX operator set that it needs.
        weights: the SHA-256 of the `model.safetensors` that it was made of (`models.digest`).
        architecture: the class of the network.
        plate: the picture that goes in, uint8.
        input_size: (height, width) that the network sees: the centre of the plate.
        labels: in the order of the logits.
        multi_label: whether a picture may have several labels (sigmoid a label) or has one (softmax).
        thresholds: label -> the probability above which it is predicted; {} with one label a picture.
        label_prior: the share of each label in what was learnt from, None where that is not known.
        outputs: what the network gives.
        centres: of the cells of the class maps, in rows and columns: (first, step) in pixels of the input.
        answers_from: "pictures"; of a scene model, which can read text too, that it was exported without it.
        calibration: how its probabilities were calibrated (`models.calibration`); None if they were not. From format 2
            on the network's logits have it in them.
        checked: on how many plates it was compared with the network it was made of, and the largest difference.
        versions: of what made it.
        facts: what `run.json` says.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    sha256: str
    bytes: int
    opset: int
    weights: str
    architecture: str
    plate: Plate
    input_size: tuple[int, int]
    labels: tuple[str, ...] = Field(min_length=1)
    multi_label: bool
    thresholds: dict[str, float] = {}
    label_prior: tuple[float, ...] | None = None
    outputs: tuple[str, ...]
    centres: tuple[tuple[float, float], tuple[float, float]] | None = None
    answers_from: str = "pictures"
    calibration: dict[str, Any] | None = None
    checked: dict[str, int | float] = {}
    versions: dict[str, str] = {}
    facts: dict[str, Any] = {}

    @property
    def temperature_left(self) -> float:
        """What the network's logits are still to be divided by: 1, except in what an earlier version exported."""
        return float((self.calibration or {}).get("temperature", 1.0)) if self.format == 1 else 1.0


def is_exported(folder: str | Path) -> bool:
    """Say whether a folder holds what `kunstkammer export` writes."""
    return (Path(folder) / SETTINGS_FILE).is_file() and (Path(folder) / ONNX_FILE).is_file()


def read_exported(folder: str | Path) -> Exported:
    """Return what an exported folder says of itself, after comparing its network with the hash.

    Raises `ModelError` where there is none, or it is damaged or newer than this version can read.
    """
    folder = Path(folder)
    file, network = folder / SETTINGS_FILE, folder / ONNX_FILE
    for needed in (file, network):
        if not needed.is_file():
            raise ModelError(f"{folder} has no {needed.name}; name a folder that `kunstkammer export` wrote.")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(values, dict) and isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise ModelError(f"{folder} was exported by a newer Kunstkammer; update this one to open it.")
        found = Exported.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelError(
            f"{file} is damaged ({'.'.join(map(str, first['loc']))}: {first['msg']}); export again."
        ) from error
    except ValueError as error:
        raise ModelError(f"{file} is not JSON ({error}); export again.") from error
    if file_digest(network) != found.sha256:
        raise ModelError(f"{network} is not the file that {SETTINGS_FILE} names: it is damaged; export again.")
    return found


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
