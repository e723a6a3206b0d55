"""What `train` does last: find on the validation part how sure the model may be, and keep that beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import ModelError
from kunstkammer.files import write_json
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.evaluation.calibration import CalibrationEffect
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.models.calibration import Calibration
    from kunstkammer.models.run import Run
    from kunstkammer.training.prepared import TrainingData
    from kunstkammer.workflows.measure import Setting

BATCH = 32
PENDING = "calibrating.json"
"""What is being folded into the weights, and the hash of the weights before."""


def calibrate_run(
    run: Path, known: TrainingData, extras: Mapping[str, Any], *, device: str | None = None
) -> Calibration | None:
    """Calibrate a trained run on its validation part: a temperature goes into its weights, thresholds into its config.

    known: what was learned from; extras: what the model takes beside the pixels, a row a plate. Says why where a run
    cannot be calibrated. One that is calibrated already (a training that was stopped after it) stays as it is.
    """
    from kunstkammer.evaluation.calibration import LEAST_PICTURES, fit_calibration
    from kunstkammer.models.digest import weights_digest
    from kunstkammer.models.folding import fold_temperature
    from kunstkammer.models.run import open_run

    checkpoint = open_run(run, device)
    if checkpoint.calibration is not None:
        (run / PENDING).unlink(missing_ok=True)
        return checkpoint.calibration
    if (begun := _begun(run, checkpoint)) is not None:
        return _written(run, checkpoint, begun)
    rows = np.asarray(known.validation)
    if len(rows) < LEAST_PICTURES:
        say(f"No calibration: {len(rows)} pictures of validation are too few for it; {LEAST_PICTURES} are needed.")
        return None
    parts = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        more = {name: values[batch] for name, values in extras.items()}
        parts.append(checkpoint.logits(known.plates[batch], **more).numpy())
    found = fit_calibration(np.concatenate(parts), known.targets[rows])
    if found is None:
        say(f"No calibration: fewer than {LEAST_PICTURES} pictures of validation have a label.")
        return None
    checkpoint.model.cpu()  # the weights that are written are the same wherever the answers came from
    # Weights and config are two files: what a kill between the two leaves must not be calibrated a second time.
    write_json(run / PENDING, {"weights": weights_digest(run), **found.to_config()})
    try:
        fold_temperature(checkpoint.model, checkpoint.geometry, found.temperature)
    except ModelError as error:
        (run / PENDING).unlink()
        say(f"No calibration: {error}")
        return None
    return _written(run, checkpoint, found)


def _begun(run: Path, checkpoint: Run) -> Calibration | None:
    """Return the calibration that a stopped training had folded into the weights, but not yet written to the config.

    Raises `ModelError` where only some of several files of weights were replaced.
    """
    from kunstkammer.models.calibration import Calibration
    from kunstkammer.models.digest import weight_files, weights_digest

    if not (run / PENDING).is_file():
        return None
    kept = json.loads((run / PENDING).read_text(encoding="utf-8"))
    if kept.pop("weights") == weights_digest(run):
        return None  # it was stopped before: all is done again
    if len(weight_files(run)) > 1:
        raise ModelError(f"The weights of {run} were being replaced when the training was stopped; train again.")
    return Calibration.of_config(kept, len(checkpoint.label_names))


def _written(run: Path, checkpoint: Run, found: Calibration) -> Calibration:
    """Write the checkpoint whose weights hold the calibration, and say so in its config."""
    from kunstkammer.training.fit import write_checkpoint

    for key, value in found.to_config().items():
        setattr(checkpoint.model.config, key, value)
    write_checkpoint(run, checkpoint.model.cpu(), checkpoint.geometry)
    (run / PENDING).unlink(missing_ok=True)
    return found


def calibrated_answers(
    checkpoint: Run, predictions: Predictions, groups: Sequence[int] | None, setting: Setting
) -> CalibrationEffect | None:
    """Return what the model's calibration did to the confidence of `predictions`; None where it has none."""
    from kunstkammer.evaluation.calibration import calibration_effect

    calibration = checkpoint.calibration
    if calibration is None:
        return None
    return calibration_effect(predictions, calibration, groups=groups, resamples=setting.resamples, seed=setting.seed)


def calibration_line(effect: CalibrationEffect) -> str:
    """Return the line that a terminal shows."""
    before, after = effect.before, effect.after
    return (
        f"Calibrated (temperature {effect.calibration.temperature:.2f}): calibration error {before.value:.3f} "
        f"({before.low:.3f} to {before.high:.3f}) became {after.value:.3f} ({after.low:.3f} to {after.high:.3f})"
    )
