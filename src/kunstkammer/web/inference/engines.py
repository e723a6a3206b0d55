"""What a model is to the web room: arrays in, arrays out. This module loads no torch, so that slim hosts can use it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kunstkammer.errors import ModelError, guess
from kunstkammer.pictures.plate import PlateSettings

log = logging.getLogger("kunstkammer.web")

ONNX_FILE = "model.onnx"

Plates = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Engine(Protocol):
    """One model, ready to answer. Two threads use it: one predicts, the other explains.

    Attributes:
        folder: what it was opened from.
        version: 16 hexadecimal digits that change whenever what answers changes.
        weights: the SHA-256 of the model.safetensors that answers, or that was exported (`models.digest`): what
            neighbours are bound to.
        labels: sorted, in the order of the logits.
        multi_label: whether a picture may have several (sigmoid a label) or has one (softmax).
        thresholds: with many labels the probability above which each is predicted, (K,); None for 0.5 each.
        calibration: {"temperature", "pictures"} where the logits are those of a calibrated model, else None.
        plate_settings: the plates that it takes.
        facts: what `run.json` says of its training, {} if nothing.
        explainers: names of the registry kind "explainers" that can explain it, in the order in which they are shown;
            () where nothing can.
        slow_explainers: those of them that take many passes.
        families: the family of each of them, as the registry has it.
        usual_explainer: the one that is offered first; "" where nothing can explain it.
        has_features: whether `logits_and_features` gives features.
    """

    folder: Path
    version: str
    weights: str
    labels: tuple[str, ...]
    multi_label: bool
    thresholds: NDArray[np.float64] | None
    calibration: Mapping[str, Any] | None
    plate_settings: PlateSettings
    facts: Mapping[str, Any]
    explainers: tuple[str, ...]
    slow_explainers: tuple[str, ...]
    families: Mapping[str, str]
    usual_explainer: str
    has_features: bool

    def logits(self, plates: Plates) -> Floats:
        """Return float32 (N, K) for uint8 plates (N, C, H, W)."""
        ...

    def logits_and_features(self, plates: Plates) -> tuple[Floats, Floats]:
        """Return the logits and, from the same pass, float32 (N, D): what `models.features` calls features.

        Only asked where `has_features`.
        """
        ...

    def explain(
        self,
        plates: Plates,
        method: str,
        targets: Sequence[int | None],
        versus: Sequence[int | None],
        *,
        pause: Callable[[], None] | None = None,
    ) -> list[Floats]:
        """Return a heat map (h, w) over the model's input (the centre of the plate) for each of N plates.

        Args:
            plates: uint8 (N, C, H, W).
            method: one of `explainers`.
            targets: the label of each, None for the most probable one (other than that of `versus`).
            versus: what it is held against, None for nothing.
            pause: called before each pass through the network; waits while there is something more urgent, and raises
                where the answer is not wanted any more: that error comes through.

        Raises `ModelError` where this model cannot be explained so.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds; not used afterwards."""
        ...


def open_engine(folder: str | Path, device: str | None = None) -> Engine:
    """Open a run folder (with torch) or a folder that `kunstkammer export` wrote (with onnxruntime).

    `device` is where torch runs, as for `models.run.open_run`; ONNX Runtime always runs on the processor.

    Raises `ModelError` where there is nothing to open, or what opens it is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        siblings = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        raise ModelError(f"There is no run folder {folder}.{guess(folder.name, siblings)}")
    exported = (folder / ONNX_FILE).is_file()
    try:
        if exported:
            from kunstkammer.web.inference.onnx_engine import OnnxEngine

            if device not in (None, "auto", "cpu"):
                log.warning("%s is an exported model: it runs on the processor, not on %s.", folder.name, device)
            return OnnxEngine(folder)
        from kunstkammer.web.inference.torch_engine import TorchEngine

        return TorchEngine(folder, device)
    except ModuleNotFoundError as error:
        mend = "pip install onnxruntime" if exported else "install torch, or serve what `kunstkammer export` writes"
        raise ModelError(f"{folder} cannot be opened: {error.name} is not installed; {mend}.") from error
