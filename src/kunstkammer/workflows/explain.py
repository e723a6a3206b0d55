"""explain: where in a picture the model saw what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.decoding import in_windows
from kunstkammer.errors import DataError, ModelError, PictureError, UnknownNameError, unknown_name
from kunstkammer.files import disk_errors
from kunstkammer.progress import progress, say
from kunstkammer.workflows.overlays import Look, look_at, on_picture, relevance
from kunstkammer.workflows.questions import Questions, file_part

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from kunstkammer.data.collection import Collection
    from kunstkammer.models.run import Run

BATCH = 8
"""Pictures held, and rows explained, at a time: a network of 50 layers at 224 pixels stays under 2 GB."""

COMPARED = 12
"""So many rows are shown side by side in the figure of all methods."""

CELL = 256


@dataclass(frozen=True)
class ExplainResult:
    """What `explain` returns: a row a picture, label and method.

    Attributes:
        maps: file, method, target (and versus where asked), png, array.
        unreadable: the pictures that could not be read.
        out: the folder.
        left_out: method -> why it was left out, where all were asked for.
        comparison: the figure of the first pictures under all methods, where there are several maps to compare.
    """

    maps: list[dict[str, str]]
    unreadable: list[PictureError]
    out: Path
    left_out: dict[str, str] = field(default_factory=dict)
    comparison: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        unreadable = [{"file": error.file, "cause": error.cause} for error in self.unreadable]
        return {
            "maps": self.maps,
            "unreadable": unreadable,
            "out": str(self.out),
            "left_out": self.left_out,
            "comparison": str(self.comparison) if self.comparison else None,
        }

    def to_text(self) -> str:
        """Return a line a heat map."""
        lines = [f"{row['file']} ({row['method']}, {_asked(row)}): {row['png']}" for row in self.maps]
        lines += [f"Left out: {method}: {why}" for method, why in self.left_out.items()]
        if self.comparison:
            lines.append(f"Side by side: {self.comparison}")
        return "\n".join(lines)


def explain(
    run: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    method: str | Sequence[str] = "grad-cam",
    target: str | Sequence[str] | None = None,
    versus: str | None = None,
    raw: str = "npy",
    device: str | None = None,
) -> ExplainResult:
    """Show where in pictures a model saw what it says.

    Each picture is opened once for prediction, explanation and display, a few at a time: memory does not grow with
    their number.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        paths: pictures, and folders of pictures.
        out: the folder for the heat maps: a PNG (laid over the picture, captioned) and the raw values each, and
            comparison.png with the first of them side by side where there are several.
        method: names of registered explainers, as a list or joined by commas; "all" for all that this model can have.
        target: the label to explain, several (a list, or joined by commas) or "all"; the predicted one where not
            given, every predicted label for models with many labels.
        versus: explain what speaks for `target` rather than for this label (where `target` is not given: for the most
            probable other one).
        raw: "npy" (float32, (h, w) over the model's input) or "safetensors" (the tensor "relevance").
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Raises:
        UnknownNameError: for a method, label or format that there is not, with the nearest guess.
        DataError: where no picture can be read.
        ModelError: where the model cannot have a method that was asked for by name, and says why.
    """
    from kunstkammer.explanation.figure import RAW_FORMATS
    from kunstkammer.models.run import open_run
    from kunstkammer.workflows.pictures import collection_of

    if raw not in RAW_FORMATS:
        raise unknown_name("format of raw maps", raw, RAW_FORMATS)
    methods, every = _methods(method)
    collection = collection_of(paths)
    checkpoint = open_run(run, device)
    questions = Questions.of(checkpoint, target, versus)
    with disk_errors(out):
        Path(out).mkdir(parents=True, exist_ok=True)
    walk = _Walk(checkpoint, questions, methods, every, Path(out), raw)
    unreadable: list[PictureError] = []
    written = checkpoint.extras(collection).get("text_features")
    if checkpoint.text is not None and written is None:
        say("There is no text beside the pictures: this scene model answers from the pictures alone.")
    with progress("explaining", len(collection)) as advance:
        for indices, looks in _opened(collection, checkpoint, unreadable):
            texts = None if written is None else written[indices]
            walk.explain([collection.files[i] for i in indices], looks, texts)
            advance(len(indices))
    for error in unreadable:
        say(f"Unreadable, left out: {error}")
    if len(unreadable) == len(collection):
        raise DataError(f"None of the {len(collection)} pictures can be read; the first: {unreadable[0]}")
    return ExplainResult(walk.rows, unreadable, Path(out), walk.left_out, walk.compare())


class _Walk:
    """Goes over batches of pictures and writes what it finds; keeps a few small pictures for the comparison."""

    def __init__(
        self, checkpoint: Run, questions: Questions, methods: list[str], every: bool, out: Path, raw: str
    ) -> None:
        self.checkpoint, self.questions, self.methods, self.out, self.raw = checkpoint, questions, methods, out, raw
        self.every = every
        self.rows: list[dict[str, str]] = []
        self.left_out: dict[str, str] = {}
        self._signed: dict[str, bool] = {}
        self._names = _Names()
        self._compared: list[tuple[Image.Image, str, dict[str, np.ndarray]]] = []

    def explain(self, files: list[str], looks: list[Look], texts: Tensor | None) -> None:
        """Explain a batch: predict, then each method for each label of each picture."""
        import torch

        plates = torch.from_numpy(np.stack([look.plate for look in looks]))
        more = {} if texts is None else {"text_features": texts}
        probabilities = self.checkpoint.probabilities(plates, **more)
        pixels = self.checkpoint.prepare(plates)
        names = [self._names.of(file) for file in files]
        asked = [(i, label) for i, row in enumerate(probabilities) for label in self.questions.of_picture(row)]
        for start in range(0, len(asked), BATCH):
            part = asked[start : start + BATCH]
            which = [i for i, _ in part]
            given = None if texts is None else texts[which]
            maps = self._maps(pixels[which], [label for _, label in part], given)
            for place, (i, label) in enumerate(part):
                said = self._said(probabilities[i], label)
                heats = {method: values[place] for method, values in maps.items()}
                self._write(files[i], names[i], label, looks[i].picture, heats, said)

    def _maps(self, pixels: Tensor, labels: list[int], texts: Tensor | None) -> dict[str, np.ndarray]:
        """Return the maps (N, h, w) by each method; with all methods asked for, those that cannot be are left out."""
        from kunstkammer.explanation.figure import to_heat

        maps = {}
        for method in self.methods:
            if method in self.left_out:
                continue
            options = {"versus": self.questions.versus, "batch_size": BATCH}
            try:
                values = relevance(self.checkpoint, pixels, method, labels, texts=texts, **options)
            except ModelError as error:
                if not self.every or len(self.left_out) == len(self.methods) - 1:
                    raise
                self.left_out[method] = str(error)
                say(f"Left out: {method}: {error}")
                continue
            maps[method] = np.stack([to_heat(one) for one in values])
            self._signed[method] = self._signed.get(method, False) or bool((maps[method] < 0).any())
        return maps

    def _write(
        self, file: str, name: str, label: int, picture: Image.Image, heats: dict[str, np.ndarray], said: str
    ) -> None:
        from kunstkammer.explanation.figure import lay, save_map
        from kunstkammer.pictures.overlay import caption

        asked = {"target": self.questions.label_names[label]}
        if self.questions.versus is not None:
            asked["versus"] = self.questions.label_names[self.questions.versus]
        shown = {method: on_picture(self.checkpoint, heat, picture) for method, heat in heats.items()}
        base = f"{name}.{file_part(asked['target'])}" if self.questions.several else name
        for method, heat in shown.items():
            laid = caption(lay(picture, heat, self._signed[method]), said)
            png, array = save_map(self.out / f"{base}.{method}", heats[method], laid, raw=self.raw)
            self.rows.append({"file": file, "method": method, **asked, "png": str(png), "array": str(array)})
        if len(self._compared) < COMPARED:
            small = picture.convert("RGB")
            small.thumbnail((CELL, CELL))
            heats = {method: on_picture(self.checkpoint, heat, small) for method, heat in heats.items()}
            self._compared.append((small, f"{name}\n{said}", heats))

    def _said(self, probabilities: np.ndarray, label: int) -> str:
        """Return the caption: what the model predicts, and what is shown where that is another label."""
        best = int(probabilities.argmax())
        predicted = f"PRED: {self.questions.label_names[best]}"
        if self.checkpoint.multi_label:
            return f"{self.questions.said(label)}: {probabilities[label]:.2f}"
        plain = self.questions.versus is None and (label == best and self.questions.asked is None)
        return predicted if plain else f"{predicted}; shown: {self.questions.said(label)}"

    def compare(self) -> Path | None:
        """Write the figure of the first pictures, a column a method; None where there is one map only."""
        from kunstkammer.explanation.figure import compare_methods
        from kunstkammer.files import atomic_file

        if not self._compared or len(self._compared) * len(self._compared[0][2]) < 2:
            return None
        images, captions, heats = zip(*self._compared, strict=True)
        by_method = {method: [row[method] for row in heats] for method in self.methods if method not in self.left_out}
        figure = compare_methods(images, by_method, captions=captions, signed=self._signed, cell=CELL)
        with atomic_file(self.out / "comparison.png") as partial:
            figure.save(partial, format="PNG")
        return self.out / "comparison.png"


def _opened(
    collection: Collection, checkpoint: Run, unreadable: list[PictureError]
) -> Iterator[tuple[list[int], list[Look]]]:
    """Yield the pictures a batch at a time, opened by threads; those that cannot be read go to `unreadable`."""
    settings = checkpoint.plate_settings
    for found in in_windows(lambda i: look_at(collection, i, settings), len(collection), BATCH, unreadable):
        if found:
            indices, looks = zip(*found, strict=True)
            yield list(indices), list(looks)


def _methods(method: str | Sequence[str]) -> tuple[list[str], bool]:
    """Return the explainers asked for, and whether those were all; unknown ones raise."""
    from kunstkammer.explanation.order import in_order
    from kunstkammer.registry import get, names

    asked = [part.strip() for part in method.split(",")] if isinstance(method, str) else list(method)
    if asked == ["all"]:
        return in_order(names("explainers")), True
    if not asked:
        raise UnknownNameError("No method is named; see: kunstkammer list explainers.")
    for name in asked:
        get("explainers", name)
    return list(dict.fromkeys(asked)), False


def _asked(row: dict[str, str]) -> str:
    return f"{row['target']} rather than {row['versus']}" if "versus" in row else row["target"]


class _Names:
    """Gives each picture's heat maps a file name: its own stem, numbered where two pictures share one."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, file: str) -> str:
        stem = file_part(Path(file).stem, most=120)
        name, number = stem, 2
        while name.lower() in self._taken:
            name, number = f"{stem}-{number}", number + 1
        self._taken.add(name.lower())
        return name
