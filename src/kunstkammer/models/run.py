"""Opening a trained model: a run folder, any checkpoint folder of `transformers`, or a hub id. Never a pickle."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kunstkammer.errors import ModelError, guess
from kunstkammer.models.calibration import CALIBRATION_FILE, Calibration
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.models.exported import is_exported
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.memory import keep_freed_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import PlateSettings
    from kunstkammer.models.text_part import TextPart
    from kunstkammer.models.texts import TextRows

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
FACTS_FILE = "run.json"
SCENE = "kunstkammer-scene"


@dataclass
class Run:
    """A model that is ready to answer.

    Attributes:
        path: where it came from: a folder or a hub id.
        model: the network in evaluation mode.
        geometry: how a picture becomes its input.
        label_names: the labels in the order of the logits.
        multi_label: whether a picture may have several labels (sigmoid a label) or has one (softmax).
        facts: what `run.json` says of its training, empty for a checkpoint from elsewhere.
        text: the text side of a scene model, None for all others.
        reads: the field of the model's output that is its answer (a scene model has one for each branch too).
    """

    path: str
    model: PreTrainedModel
    geometry: PictureGeometry
    label_names: tuple[str, ...]
    multi_label: bool
    facts: dict[str, Any] = field(default_factory=dict)
    text: TextPart | None = None
    reads: str = "logits"

    @property
    def plate_settings(self) -> PlateSettings:
        """The plates that `prepare` and `logits` take."""
        return self.geometry.plate

    @cached_property
    def calibration(self) -> Calibration | None:
        """What makes its probabilities hold, from RUN/calibration.json; None where there is none.

        Raises `ModelError` where that file is damaged, or belongs to other weights.
        """
        from kunstkammer.models.digest import weights_digest

        if not (Path(self.path) / CALIBRATION_FILE).is_file():
            return None
        return Calibration.load(self.path, weights_digest(self.path), len(self.label_names))

    @property
    def mean(self) -> tuple[float, ...]:
        """Normalisation: the mean a channel, for values from 0 to 1."""
        return self.geometry.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Normalisation: the standard deviation a channel, for values from 0 to 1."""
        return self.geometry.std

    def prepare(self, plates: Tensor) -> Tensor:
        """Return the normalised float32 input for uint8 plates (N, 1 or 3, H, W), on the model's device."""
        return self.geometry.prepare(plates.to(next(self.model.parameters()).device))

    @torch.inference_mode()
    def logits(self, plates: Tensor, **extras: Tensor) -> Tensor:
        """Return float32 logits (N, K) on the CPU for uint8 plates (N, 1 or 3, H, W) and a row of each of `extras`."""
        return self.model(pixel_values=self.prepare(plates), **extras)[self.reads].float().cpu()

    def extras(self, collection: Collection) -> dict[str, TextRows]:
        """Return what the model takes beside the pixels, a row a picture: {} for most, text vectors for scenes.

        {} too where not one picture of the collection has text: a scene model then answers from the pictures alone.
        """
        rows = self.text.rows(collection) if self.text is not None else None
        return {} if rows is None else {"text_features": rows}


def refuse_pickles(folder: Path) -> None:
    """Raise `ModelError` if the only weights in `folder` are a pickle or another format that is not safetensors."""
    if any(folder.glob("*.safetensors")):
        return
    others = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICKLES)
    if others:
        raise ModelError(
            f"{folder} holds its weights as {others[0]}, which may run code when opened, and no model.safetensors; "
            "convert it with safetensors (save_pretrained writes it) and try again."
        )
    raise ModelError(f"{folder} holds no model.safetensors; name the folder of a finished run or of a checkpoint.")


def is_folder(name: str | Path) -> bool:
    """Say whether `name` means a folder on this machine rather than a hub id; a missing path raises `ModelError`."""
    path = Path(name)
    if path.is_dir():
        return True
    text = str(name)
    if path.exists():
        raise ModelError(f"{text} is a file; name the folder that holds config.json and model.safetensors.")
    looks_like_path = text.startswith((".", "/", "~")) or text.count("/") != 1 or path.parent.is_dir()
    if looks_like_path:
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise ModelError(f"There is no checkpoint folder {text}.{guess(path.name, siblings)}")
    return False


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says, or {} where there is none."""
    file = folder / FACTS_FILE
    if not file.is_file():
        return {}
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON ({error}); train again or remove it.") from error


def open_run(run: str | Path) -> Run:
    """Open a run folder, a checkpoint folder or a hub id for answering.

    Only safetensors are read and no code from a checkpoint is run. A hub id is looked up in the local cache first and
    fetched only because the user named it. Raises `ModelError` where there is nothing to open, and says why.
    """
    keep_freed_memory()
    local = is_folder(run)
    facts: dict[str, Any] = {}
    if local:
        folder = Path(run)
        facts = read_facts(folder)
        if not (folder / "config.json").is_file():
            if facts:
                raise ModelError(f"{folder} is a run that has not finished; go on with: kunstkammer train ... --resume")
            if is_exported(folder):
                raise ModelError(
                    f"{folder} is an exported model, which serve answers from; name the run it was made of."
                )
            raise ModelError(
                f"{folder} has no config.json, so it is not a checkpoint; name the folder of a finished run."
            )
        refuse_pickles(folder)
    model, processor = load_pretrained(str(run))
    config = model.config
    labels = tuple(config.id2label[i] for i in range(config.num_labels))
    geometry = read_geometry(processor, channels=model_channels(config), grey=is_grey(config, facts), name=str(run))
    model.eval()
    text = None
    if config.model_type == SCENE:
        from kunstkammer.models.text_part import open_text

        if not local:
            raise ModelError(
                f"{run} is a scene model, whose text.json is needed beside it; fetch it as a folder first."
            )
        text = open_text(Path(run))
    return Run(
        path=str(run),
        model=model.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        geometry=geometry,
        label_names=labels,
        multi_label=config.problem_type == "multi_label_classification",
        facts=facts,
        text=text,
    )


def read_geometry(processor: Any, *, channels: int, grey: bool, name: str) -> PictureGeometry:
    """Return how an image processor prepares pictures, compared with what it really does to a few.

    Raises `ModelError` naming the processor and the reason where that cannot be repeated to 1/255.
    """
    from kunstkammer.models.probe import check_geometry

    geometry = PictureGeometry.from_processor(processor, channels=channels, grey=grey, name=name)
    check_geometry(processor, geometry, name)
    return geometry


def load_pretrained(name: str, **config: Any) -> tuple[PreTrainedModel, Any]:
    """Return the classifier of a folder or hub id and its image processor; `config` overrides its config."""
    import kunstkammer.models.own  # noqa: F401, I001 - registers them with AutoModelForImageClassification
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    if name.startswith("timm/") and importlib.util.find_spec("timm") is None:
        raise ModelError(f"{name} is a network of timm, which is not installed; pip install 'kunstkammer[timm]'.")
    try:
        with quiet_transformers():
            # Of Pillow, wherever torchvision is installed too: the same pictures then mean the same everywhere.
            processor = AutoImageProcessor.from_pretrained(name, backend="pil")
            model = AutoModelForImageClassification.from_pretrained(
                name, use_safetensors=True, ignore_mismatched_sizes=bool(config), **config
            )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"Cannot open {name} as an image classifier: {reason}") from error
    except Exception as error:  # safetensors raises its own error type, which has no public base
        if type(error).__name__ != "SafetensorError":
            raise
        raise ModelError(f"The weights of {name} are damaged ({error}); copy the checkpoint again.") from error
    return model, processor


def model_channels(config: Any) -> int:
    """Return the channels that a model takes, 3 unless its config says otherwise."""
    return int(getattr(config, "num_channels", 3) or 3)


def is_grey(config: Any, facts: dict[str, Any]) -> bool:
    """Say whether a checkpoint's plates are grey: one channel, or a recipe that asked for grey."""
    recipe = facts.get("recipe") or {}
    return model_channels(config) == 1 or (recipe.get("picture") or {}).get("channels") == "grey"
