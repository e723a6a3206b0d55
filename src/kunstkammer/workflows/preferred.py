"""preferred: what a model would most like to see under a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.files import atomic_file
from kunstkammer.progress import progress
from kunstkammer.workflows.questions import Questions, file_part

AT_ONCE = 8


@dataclass(frozen=True)
class PreferredResult:
    """What `preferred` returns: label, probability and file of each picture, and the sheet of all."""

    pictures: list[dict[str, Any]]
    sheet: Path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {"pictures": self.pictures, "sheet": str(self.sheet)}

    def to_text(self) -> str:
        """Return a line a label."""
        lines = [f"{row['label']} ({row['probability']:.3f}): {row['png']}" for row in self.pictures]
        return "\n".join([*lines, f"All of them: {self.sheet}"])


def preferred(
    run: str | Path,
    target: str | Sequence[str],
    *,
    out: str | Path,
    versus: str | None = None,
    steps: int = 256,
    seed: int = 0,
    device: str | None = None,
) -> PreferredResult:
    """Make for each label a picture that the model would most readily call so (activation maximisation).

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        target: a label, several (a list, or joined by commas) or "all".
        out: the folder for a PNG a label and preferred.png with all of them.
        versus: what raises the label rather than this one.
        steps: of gradient ascent; more make it clearer.
        seed: same seed, same pictures.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        UnknownNameError: for a label that the model has not.
    """
    from kunstkammer.explanation.preferred import preferred_input
    from kunstkammer.models.run import open_run
    from kunstkammer.pictures.scale import to_image
    from kunstkammer.pictures.sheet import contact_sheet

    checkpoint = open_run(run, device)
    geometry = checkpoint.geometry
    questions = Questions.of(checkpoint, target, versus)
    labels = list(questions.asked or ())
    rows, tiles, texts = [], [], []
    with progress("looking for the preferred inputs", len(labels)) as advance:
        for start in range(0, len(labels), AT_ONCE):
            part = labels[start : start + AT_ONCE]
            pictures = preferred_input(
                checkpoint.model,
                part,
                size=geometry.input_size,
                channels=geometry.plate.shape[0],
                prepare=geometry.normalise,
                versus=questions.versus,
                steps=steps,
                seed=seed,
            )
            plates = (pictures * 255).round().byte().cpu()
            # Said of the pictures as they are written, unshaken.
            answers = checkpoint.probabilities(plates)
            for label, plate, probability in zip(part, plates, answers, strict=True):
                said = f"{questions.said(label)}: {probability[label]:.2f}"
                png = Path(out) / f"{file_part(questions.label_names[label])}.preferred.png"
                with atomic_file(png) as partial:
                    to_image(plate).save(partial, format="PNG")
                value = float(probability[label])
                rows.append({"label": questions.label_names[label], "probability": value, "png": str(png)})
                tiles.append(to_image(plate))
                texts.append(said)
            advance(len(part))
    sheet = Path(out) / "preferred.png"
    with atomic_file(sheet) as partial:
        contact_sheet(tiles, min(4, len(tiles)), texts).save(partial, format="PNG")
    return PreferredResult(rows, sheet)
