"""predict: what pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError, PictureError
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.evaluation.predictions import Predictions


@dataclass(frozen=True)
class PredictResult:
    """What `predict` returns: the predictions, what could not be read, the file written if any, whether the
    probabilities are those of a calibrated model."""

    predictions: Predictions
    unreadable: list[PictureError]
    out: Path | None
    top: int
    calibrated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "predictions": self.predictions.to_json(top=self.top),
            "unreadable": [{"file": error.file, "cause": error.cause} for error in self.unreadable],
            "out": str(self.out) if self.out else None,
            "calibrated": self.calibrated,
        }

    def to_text(self) -> str:
        """Return a line a picture: the file and its most probable labels; with many, "*" marks the predicted ones."""
        lines = []
        for row in self.predictions.to_json(top=self.top):
            mark = {True: "*", False: ""} if self.predictions.multi_label else {True: "", False: ""}
            labels = "  ".join(f"{x['label']}{mark[x['predicted']]} {x['probability']:.3f}" for x in row["labels"])
            lines.append(f"{row['file']}: {labels}")
        if self.out:
            lines.append(f"Written: {self.out}")
        return "\n".join(lines)


def predict(
    run: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    top: int = 5,
    batch_size: int = 32,
    device: str | None = None,
) -> PredictResult:
    """Say what pictures show.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        paths: pictures, and folders of pictures.
        out: a .csv or .jsonl file for all probabilities.
        top: how many labels a picture to show; with many labels all that are predicted are shown.
        batch_size: pictures that the model sees at a time.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        DataError: where there is no picture, or none that can be read.
        ModelError: where the run cannot be opened.
    """
    from kunstkammer.evaluation.predictions import predict_collection
    from kunstkammer.models.run import open_run
    from kunstkammer.workflows.pictures import collection_of

    if out is not None and Path(out).suffix.lower() not in (".csv", ".jsonl"):
        raise DataError(f"{out}: predictions are written as .csv or .jsonl; give the file one of these endings.")
    collection = collection_of(paths)
    checkpoint = open_run(run, device)
    predictions, unreadable = predict_collection(checkpoint, collection, batch_size=batch_size)
    for error in unreadable:
        say(f"Unreadable, left out: {error}")
    if not len(predictions):
        raise DataError(f"None of the {len(collection)} pictures can be read; the first: {unreadable[0]}")
    written = predictions.save(out) if out is not None else None
    return PredictResult(predictions, unreadable, written, top, checkpoint.calibration is not None)
