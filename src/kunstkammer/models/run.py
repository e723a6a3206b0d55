"""A trained model, and all that decides its answers: a run folder, any checkpoint folder, or a hub id. Never a pickle.

Every path that answers (predict, evaluate, report, explain, page, API, export) asks the same `Run`: how a picture
becomes the input, what the probabilities are, from which one a label is predicted, and what it learned from.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.metrics.decisions import decide, to_probabilities
from kunstkammer.models.calibration import OLD_FILE, Calibration, thresholds_of
from kunstkammer.models.devices import answer_exactly, choose_device
from kunstkammer.models.environment import quiet_transformers
from kunstkammer.models.exported import is_exported
from kunstkammer.models.folders import is_folder, refuse_pickles
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.memory import keep_freed_memory
from kunstkammer.models.run_files import Learned, read_facts
from kunstkammer.models.weights import require_weights
from kunstkammer.progress import say

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import PlateSettings
    from kunstkammer.models.text_part import TextPart
    from kunstkammer.models.texts import TextRows

PROCESSOR_FILE = "preprocessor_config.json"
SCENE, DUAL = "kunstkammer-scene", "kunstkammer-dual"


@dataclass
class Run:
    """A trained model that is ready to answer.

    Attributes:
        path: where it came from: a folder or a hub id.
        model: the network in evaluation mode.
        geometry: how a picture becomes its input.
        label_names: the labels in the order of the logits.
        multi_label: whether a picture may have several labels (sigmoid a label) or has one (softmax).
        facts: what `run.json` says of its training, empty for a checkpoint from elsewhere.
        text: the text side of a scene model, None for all others.
        reads: the field of the model's output that is its answer (a scene model has one for each branch too).
        calibration: how its probabilities were calibrated, None where they were not. That is in the weights already.
        thresholds: with many labels the probability above which each is predicted, float64 (K,); None for 0.5 each.
    """

    path: str
    model: PreTrainedModel
    geometry: PictureGeometry
    label_names: tuple[str, ...]
    multi_label: bool
    facts: dict[str, Any] = field(default_factory=dict)
    text: TextPart | None = None
    reads: str = "logits"
    calibration: Calibration | None = None
    thresholds: np.ndarray | None = None

    @property
    def device(self) -> torch.device:
        """Where its network runs. Pictures are brought there, and answers back."""
        return next(self.model.parameters()).device

    @property
    def plate_settings(self) -> PlateSettings:
        """The plates that `prepare` and `logits` take."""
        return self.geometry.plate

    @cached_property
    def learned(self) -> Learned | None:
        """Which pictures it was made from, by content; None where that is not known.

        Raises `ModelError` where RUN/split.csv is damaged.
        """
        return Learned.read(self.path)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns whose equal values belong together, as its recipe says (`data.groups`)."""
        data = (self.facts.get("recipe") or {}).get("data") or {}
        return tuple(data.get("groups") or ())

    @property
    def label_prior(self) -> np.ndarray | None:
        """The share of each label in what it was trained on, float64 (K,); None where that is not known."""
        prior = self.facts.get("label_prior")
        if prior is None:
            return None
        try:
            found = np.asarray(prior, dtype=np.float64)
            if found.shape != (len(self.label_names),) or not ((found >= 0) & (found <= 1 + 1e-6)).all():
                raise ValueError("not a share for each label")
        except (TypeError, ValueError) as error:
            raise ModelError(f"label_prior in {self.path}/run.json is damaged ({error}); train again.") from error
        return found

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
        return self.geometry.prepare(plates.to(self.device))

    @torch.inference_mode()
    def logits(self, plates: Tensor, **extras: Tensor) -> Tensor:
        """Return float32 logits (N, K) on the CPU for uint8 plates (N, 1 or 3, H, W) and a row of each of `extras`."""
        return self.model(pixel_values=self.prepare(plates), **extras)[self.reads].float().cpu()

    def probabilities(self, plates: Tensor, **extras: Tensor) -> np.ndarray:
        """Return float64 probabilities (N, K) for uint8 plates (N, 1 or 3, H, W) and a row of each of `extras`."""
        return to_probabilities(self.logits(plates, **extras).numpy(), multi_label=self.multi_label)

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the labels that it predicts, bool (N, K), for its probabilities (N, K)."""
        return decide(probabilities, multi_label=self.multi_label, thresholds=self.thresholds)

    def extras(self, collection: Collection) -> dict[str, TextRows]:
        """Return what the model takes beside the pixels, a row a picture: {} for most, text vectors for scenes.

        {} too where not one picture of the collection has text: a scene model then answers from the pictures alone.
        """
        rows = self.text.rows(collection) if self.text is not None else None
        return {} if rows is None else {"text_features": rows}


def open_run(run: str | Path, device: str | None = None) -> Run:
    """Open a run folder, a checkpoint folder or a hub id for answering.

    Only safetensors are read and no code from a checkpoint is run. A hub id is looked up in the local cache first and
    fetched only because the user named it. `device` is where its network runs: "auto", "cpu", "cuda" or "mps"; None for
    KUNSTKAMMER_DEVICE in the environment, else auto (`models.devices`). Raises `ModelError` where there is nothing to
    open, or no such device, and says why.
    """
    keep_freed_memory()
    place = choose_device(device)
    answer_exactly(place)
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
        if (folder / OLD_FILE).is_file():
            say(f"{folder / OLD_FILE} is of an earlier version and is not used; train again for calibrated answers.")
    if local and not (folder / PROCESSOR_FILE).is_file():
        raise ModelError(
            f"{folder} has no {PROCESSOR_FILE}, which says how its pictures are prepared; copy it from the checkpoint "
            "that the folder was made from."
        )
    if local and _model_type(folder) == DUAL:
        raise ModelError(
            f"{folder} is a model of pictures and captions, which has no labels; name a run that learned some."
        )
    model, processor = load_pretrained(str(run))
    config = model.config
    labels = _labels(config, str(run))
    channels = model_channels(config)
    geometry = read_geometry(processor, channels=channels, grey=channels == 1, name=str(run))
    model.eval()
    text = None
    if config.model_type == SCENE:
        from kunstkammer.models.text_part import open_text

        if not local:
            raise ModelError(
                f"{run} is a scene model, whose text.json is needed beside it; fetch it as a folder first."
            )
        text = open_text(Path(run))
    multi_label = config.problem_type == "multi_label_classification"
    said = config.to_dict()
    return Run(
        path=str(run),
        model=model.to(device=place, memory_format=torch.channels_last),  # type: ignore[call-overload]
        geometry=geometry,
        label_names=labels,
        multi_label=multi_label,
        facts=facts,
        text=text,
        calibration=Calibration.of_config(said, len(labels)),
        thresholds=thresholds_of(said, len(labels)) if multi_label else None,
    )


def _labels(config: Any, name: str) -> tuple[str, ...]:
    try:
        return tuple(str(config.id2label[i]) for i in range(config.num_labels))
    except KeyError as error:
        raise ModelError(
            f"id2label in the config.json of {name} does not number its {config.num_labels} labels from 0 on: {error} "
            "is missing; correct it."
        ) from error


def _model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type"))
    except (OSError, ValueError, AttributeError):
        return ""  # `transformers` says what is wrong with it


def read_geometry(processor: Any, *, channels: int, grey: bool, name: str) -> PictureGeometry:
    """Return how an image processor prepares pictures, compared with what it really does to a few.

    Raises `ModelError` naming the processor and the reason where that cannot be repeated to 1/255.
    """
    from kunstkammer.models.probe import check_geometry

    geometry = PictureGeometry.from_processor(processor, channels=channels, grey=grey, name=name)
    check_geometry(processor, geometry, name)
    return geometry


def load_pretrained(name: str, *, answers: bool = True, **config: Any) -> tuple[PreTrainedModel, Any]:
    """Return the classifier of a folder or hub id and its image processor; `config` overrides its config.

    Weights that do not fit are refused, and so are such as the checkpoint lacks: they would be drawn at random without
    a word. Only where `config` brings labels (`id2label`), or the network is not to answer (`answers` false: it is to
    be trained), may what stands outside the backbone differ or be missing.
    """
    import kunstkammer.models.own  # noqa: F401, I001 - registers them with AutoModelForImageClassification
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    if name.startswith("timm/") and importlib.util.find_spec("timm") is None:
        raise ModelError(f"{name} is a network of timm, which is not installed; pip install 'kunstkammer[timm]'.")
    try:
        with quiet_transformers():
            # Of Pillow, wherever torchvision is installed too: the same pictures then mean the same everywhere.
            processor = AutoImageProcessor.from_pretrained(name, backend="pil")
            labels = "id2label" in config
            model, told = AutoModelForImageClassification.from_pretrained(
                name, use_safetensors=True, ignore_mismatched_sizes=labels, output_loading_info=True, **config
            )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"Cannot open {name} as an image classifier: {reason}") from error
    except Exception as error:  # safetensors raises its own error type, which has no public base
        if type(error).__name__ != "SafetensorError":
            raise
        raise ModelError(f"The weights of {name} are damaged ({error}); copy the checkpoint again.") from error
    prefix = f"{model.base_model_prefix}."
    missing = [key for key in told["missing_keys"] if (answers and not labels) or key.startswith(prefix)]
    fix = "name a whole checkpoint, or leave out what changes its network (model.options)"
    require_weights(name, type(model).__name__, missing, fix)
    return model, processor


def model_channels(config: Any) -> int:
    """Return the channels that a model takes, 3 unless its config says otherwise."""
    return int(getattr(config, "num_channels", 3) or 3)
