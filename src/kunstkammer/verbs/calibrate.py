"""What `train` does last: find on the validation part how sure the model may be, and keep that beside the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import ModelError
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.evaluation.calibration import CalibrationEffect
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.models.calibration import Calibration
    from kunstkammer.models.run import Run
    from kunstkammer.training.prepared import Material
    from kunstkammer.verbs.measure import Setting

BATCH = 32


def calibrate_run(
    run: Path, known: Material, extras: Mapping[str, Any], *, device: str | None = None
) -> Calibration | None:
    """Calibrate a trained run on its validation part: a temperature goes into its weights, thresholds into its config.

    known: what was learned from; extras: what the model takes beside the pixels, a row a plate. Says why where a run
    cannot be calibrated. One that is calibrated already (a training that was stopped after it) stays as it is.
    """
    from kunstkammer.evaluation.calibration import LEAST_PICTURES, fit_calibration
    from kunstkammer.models.folding import fold_temperature
    from kunstkammer.models.run import open_run
    from kunstkammer.training.fit import write_checkpoint

    checkpoint = open_run(run, device)
    if checkpoint.calibration is not None:
        return checkpoint.calibration
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
    try:
        fold_temperature(checkpoint.model, checkpoint.geometry, found.temperature)
    except ModelError as error:
        say(f"No calibration: {error}")
        return None
    for key, value in found.to_config().items():
        setattr(checkpoint.model.config, key, value)
    write_checkpoint(run, checkpoint.model, checkpoint.geometry)
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
