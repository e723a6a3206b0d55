"""A folder that `kunstkammer export` wrote as an `Engine`: ONNX Runtime and NumPy, no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from kunstkammer.errors import ModelError, guess
from kunstkammer.models.exported import CLASS_MAPS, FEATURES, INPUT, LOGITS, ONNX_FILE, SETTINGS_FILE, read_exported
from kunstkammer.web.inference.gradient_free import GRAD_CAM, OCCLUSION, grad_cam, occlusion

if TYPE_CHECKING:
    from kunstkammer.web.inference.engines import Floats, Plates

AT_ONCE = 8
"""Pictures that go through the network together. More are not faster on a processor (MobileNetV2 at 224 px, a thread:
9.5 ms a picture alone, 9.7 in eights, 10.3 in batches of 32), but take more memory (111, 203 and 536 MB)."""


class OnnxEngine:
    """An exported model that answers; see `engines.Engine`.

    Of the explainers it has those that need no gradients: occlusion, and Grad-CAM where the network's class maps are
    exactly that (`models.onnx_export`).
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises `ModelError` where it is damaged or ONNX Runtime cannot run it."""
        exported = read_exported(folder)
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / ONNX_FILE), sess_options=_options(), providers=["CPUExecutionProvider"]
            )
            given = {output.name for output in self._session.get_outputs()}
        except Exception as error:  # it has many kinds of its own, without a public base
            cause = " ".join(str(error).split())[:200]
            raise ModelError(f"ONNX Runtime {onnxruntime.__version__} cannot open {folder}: {cause}") from error
        if not given.issuperset(exported.outputs) or LOGITS not in given:
            raise ModelError(f"{folder / ONNX_FILE} does not give what {SETTINGS_FILE} promises; export again.")
        self.folder = folder
        self.weights = exported.weights
        self.version = _version(folder)
        self.labels = exported.labels
        self.multi_label = exported.multi_label
        self.thresholds = np.array([exported.thresholds[k] for k in exported.labels]) if exported.thresholds else None
        self.calibration: Mapping[str, Any] | None = exported.calibration
        self._temperature = exported.temperature_left
        self.plate_settings = exported.plate.settings
        self.facts: Mapping[str, Any] = exported.facts
        self.has_features = FEATURES in given
        self._input_size = exported.input_size
        self._centres = exported.centres if CLASS_MAPS in given else None
        methods = (OCCLUSION,) if self._centres is None else (GRAD_CAM, OCCLUSION)
        self.explainers: tuple[str, ...] = tuple(one.name for one in methods)
        self.slow_explainers: tuple[str, ...] = tuple(one.name for one in methods if one.slow)
        self.families: Mapping[str, str] = {one.name: one.family for one in methods}
        self.usual_explainer = methods[0].name
        noise = np.random.default_rng(0).integers(0, 256, (1, *self.plate_settings.shape), np.uint8)
        logits = self.logits(noise)
        if logits.shape != (1, len(self.labels)) or not np.isfinite(logits).all():
            raise ModelError(f"{folder} answers with {logits.shape} or with what is not a number; export again.")

    def logits(self, plates: Plates) -> Floats:
        return self._run(plates, LOGITS)[0] / np.float32(self._temperature)

    def logits_and_features(self, plates: Plates) -> tuple[Floats, Floats]:
        logits, features = self._run(plates, LOGITS, FEATURES)
        return logits / np.float32(self._temperature), features

    def explain(
        self,
        plates: Plates,
        method: str,
        targets: Sequence[int | None],
        versus: Sequence[int | None],
        *,
        pause: Callable[[], None] | None = None,
    ) -> list[Floats]:
        if method not in self.explainers:
            raise ModelError(
                f"An exported model cannot be explained by '{method}': it knows {' and '.join(self.explainers)}, which "
                f"need no gradients; serve the run itself for the others.{guess(method, self.explainers)}"
            )
        chosen = self._chosen(plates, targets, versus)
        if method == GRAD_CAM.name and self._centres is not None:
            if pause is not None:
                pause()
            (maps,) = self._run(plates, CLASS_MAPS)
            return grad_cam(maps, chosen, versus, self._input_size, self._centres)
        heats = []
        for plate, target, other in zip(plates, chosen, versus, strict=True):
            heats.append(occlusion(self.logits, plate, target, other, self._input_size, pause))
        return heats

    def close(self) -> None:
        return None

    def _run(self, plates: Plates, *outputs: str) -> list[Floats]:
        plates = np.ascontiguousarray(plates)
        try:
            parts = [
                self._session.run(list(outputs), {INPUT: plates[start : start + AT_ONCE]})
                for start in range(0, max(len(plates), 1), AT_ONCE)
            ]
            return [np.concatenate(values) for values in zip(*parts, strict=True)]
        except Exception as error:
            cause = " ".join(str(error).split())[:200]
            raise ModelError(f"{self.folder.name} cannot answer: {cause}") from error

    def _chosen(self, plates: Plates, targets: Sequence[int | None], versus: Sequence[int | None]) -> list[int]:
        """Return the label of each picture, the most probable one (other than that of `versus`) where none is given."""
        if all(target is not None for target in targets):
            return [int(target) for target in targets if target is not None]
        logits = self.logits(plates).copy()
        for row, other in enumerate(versus):
            if other is not None:
                logits[row, other] = -np.inf
        return [int(logits[row].argmax()) if target is None else target for row, target in enumerate(targets)]


def _options() -> onnxruntime.SessionOptions:
    """One thread a processor that this process may use (fewer if OMP_NUM_THREADS says so), none of which spins idly."""
    options = onnxruntime.SessionOptions()
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wished = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = min(processors, int(wished)) if wished.isdecimal() and int(wished) else processors
    options.enable_mem_pattern = False  # it plans memory for each size of batch, and keeps it
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def _version(folder: Path) -> str:
    """Hash what is exported; `kunstkammer.json` holds the hash of the network."""
    return hashlib.sha256((folder / SETTINGS_FILE).read_bytes()).hexdigest()[:16]
