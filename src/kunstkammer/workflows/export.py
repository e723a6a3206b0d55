"""export: a run as a folder that answers without torch."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError, ModelError
from kunstkammer.files import atomic_folder, write_json, write_text
from kunstkammer.metrics.decisions import THRESHOLD, to_probabilities
from kunstkammer.models.exported import (
    CLASS_MAPS,
    FEATURES,
    INPUT,
    LOGITS,
    ONNX_FILE,
    SETTINGS_FILE,
    Exported,
    Plate,
    file_digest,
    is_exported,
)
from kunstkammer.progress import say

if TYPE_CHECKING:
    from kunstkammer.models.onnx_export import MapPlace, PlatesToAnswers
    from kunstkammer.models.run import Run

TOLERANCE = 1e-4
"""Logits may differ by this (by this share of them where they are larger than 1), probabilities by this."""

BESIDE = ("report.html", "metrics.json", "neighbours")
"""What goes along as it is, where the run has it."""

SCENE_PART = "pictures; the text that this scene model can read was left behind"


@dataclass(frozen=True)
class ExportResult:
    """What `export` returns.

    Attributes:
        out: the folder.
        outputs: what the network gives beside logits.
        bytes: of `model.onnx`; `bytes_in_all` of the whole folder.
        difference: the largest between its logits and those of the run, on `plates` plates.
        beside: what went along.
    """

    out: Path
    outputs: tuple[str, ...]
    bytes: int
    bytes_in_all: int
    difference: float
    plates: int
    beside: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "out": str(self.out),
            "outputs": list(self.outputs),
            "model_mb": round(self.bytes / 1e6, 2),
            "folder_mb": round(self.bytes_in_all / 1e6, 2),
            "largest_difference": self.difference,
            "checked_on": self.plates,
            "beside": list(self.beside),
        }

    def to_text(self) -> str:
        """Return what was written, how large, how faithful, and what comes next."""
        more = f"; beside it: {', '.join(self.beside)}" if self.beside else ""
        return "\n".join(
            (
                f"{self.out}/{ONNX_FILE}: {self.bytes / 1e6:.1f} MB ({', '.join(self.outputs)}); the folder is "
                f"{self.bytes_in_all / 1e6:.1f} MB{more}.",
                f"Its logits are those of the run within {self.difference:.1g} on {self.plates} plates.",
                f"Next: kunstkammer serve {self.out}",
            )
        )


def export(run: str | Path, *, out: str | Path | None = None, device: str | None = None) -> ExportResult:
    """Write a run as ONNX with all that a server without torch needs, and compare it with the run.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        out: the folder to make, or one that was exported before; RUN-onnx where not given.
        device: where the run gives the answers that those of the file are compared with, as for `open_run`.

    A scene model is exported as what it says of the picture alone.

    Raises:
        ModelError: the run cannot be opened, a library is missing, or the network cannot be written as ONNX or then
            answers otherwise than the run (nothing is left behind).
        DataError: `out` holds something else.
    """
    from kunstkammer.models.devices import choose_device
    from kunstkammer.models.onnx_export import require_onnx, write_onnx
    from kunstkammer.models.run import open_run

    require_onnx()
    source = Path(run)
    folder = Path(out) if out is not None else Path(f"{source.name or source.resolve().name}-onnx")
    if out is None and source.is_dir():
        folder = source.resolve().parent / f"{source.resolve().name}-onnx"
    _require_place(folder)
    checkpoint = open_run(run, "cpu")  # what is written is the same wherever the answers to compare come from
    answering = checkpoint if choose_device(device) == checkpoint.device else open_run(run, device)
    if checkpoint.text is not None:
        say("A scene model: exported as what it says of the picture alone; its text part stays behind.")
    plates = probe_plates(checkpoint)
    module, centres = _module(checkpoint, plates)
    with atomic_folder(folder) as partial:
        opset = write_onnx(module, _tensor(plates[:2]), partial / ONNX_FILE)
        difference = _compare(answering, module, partial / ONNX_FILE, plates)
        beside = _take_along(source, partial)
        found = _exported(checkpoint, module, partial / ONNX_FILE, opset, centres)
        found = found.model_copy(update={"checked": {"plates": len(plates), "largest_difference": difference}})
        write_json(partial / SETTINGS_FILE, found.model_dump(mode="json"))
        write_text(partial / "README.md", _card(source, folder.name, found))
    in_all = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return ExportResult(folder, module.outputs, found.bytes, in_all, difference, len(plates), beside)


def _require_place(folder: Path) -> None:
    if folder.is_file():
        raise DataError(f"{folder} is a file; name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not is_exported(folder):
        raise DataError(f"{folder} holds something else than an exported model; name another folder with --out.")


def probe_plates(checkpoint: Run) -> np.ndarray:
    """Return uint8 plates (N, C, H, W) to compare answers on: drawn pages, noise, and nothing but black and white."""
    import io

    from PIL import Image

    from kunstkammer.data.drawn.album import Order
    from kunstkammer.data.drawn.comics import draw_page
    from kunstkammer.pictures.plate import make_plate

    settings = checkpoint.plate_settings
    found = []
    for number, label in enumerate(("comic", "manga") * 2, start=1):
        page = draw_page(Order(f"{label}/{number}.jpg", label, "test", number, 0), (360, 480)).data
        found.append(make_plate(page, settings, f"page {number}"))
        turned = io.BytesIO()
        Image.open(io.BytesIO(page)).rotate(90, expand=True).save(turned, "PNG")
        found.append(make_plate(turned.getvalue(), settings, f"page {number}, turned"))
    noise = np.random.default_rng(0).integers(0, 256, (6, *settings.shape), dtype=np.uint8)
    plain = np.stack([np.zeros(settings.shape, np.uint8), np.full(settings.shape, 255, np.uint8)])
    return np.concatenate([np.stack(found), noise, plain])


def _tensor(plates: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(plates))


def _module(checkpoint: Run, plates: np.ndarray) -> tuple[PlatesToAnswers, Any]:
    """Return what is exported, and the centres of the cells of its class maps (None without them)."""
    from kunstkammer.models.onnx_export import PlatesToAnswers, gives_class_maps, has_features

    some = _tensor(plates[:4])
    features = has_features(checkpoint, some)
    found = _pooled_map(checkpoint, plates) if features else None
    if found is not None and gives_class_maps(checkpoint, some, found[0]):
        return PlatesToAnswers(checkpoint, place=found[0]), found[1]
    return PlatesToAnswers(checkpoint, features=features), None


def _pooled_map(checkpoint: Run, plates: np.ndarray) -> tuple[MapPlace, Any] | None:
    """Return the map that Grad-CAM reads and the centres of its cells, None where there is none."""
    from kunstkammer.explanation.layers import find_place
    from kunstkammer.explanation.task import borrowed
    from kunstkammer.models.onnx_export import MapPlace

    try:
        with borrowed(checkpoint.model):
            place = find_place(checkpoint.model, checkpoint.prepare(_tensor(plates[:1])))
    except ModelError:
        return None
    centres = tuple((axis.first, axis.step) for axis in place.centres)
    return MapPlace(place.name, place.call, place.to_map), centres


def _compare(checkpoint: Run, module: PlatesToAnswers, file: Path, plates: np.ndarray) -> float:
    """Return the largest difference between the logits of the file and of the checkpoint; `ModelError` past 1e-4."""
    import onnxruntime

    name, many = type(checkpoint.model).__name__, checkpoint.multi_label
    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        answers = [session.run([LOGITS], {INPUT: part})[0] for part in (plates[:1], plates[1:4], plates[4:])]
    except Exception as error:
        cause = " ".join(str(error).split())[:200]
        raise ModelError(f"{name} was exported, but ONNX Runtime cannot run it: {cause}") from error
    given = np.concatenate(answers).astype(np.float64)
    expected = checkpoint.logits(_tensor(plates)).numpy().astype(np.float64)
    if not np.isfinite(expected).all():
        raise ModelError(f"{name} answers with what is not a number: its weights are damaged; train again.")
    apart = np.abs(given - expected)
    allowed = TOLERANCE * np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
    shares = np.abs(to_probabilities(given, multi_label=many) - to_probabilities(expected, multi_label=many))
    if not (apart <= allowed).all() or not (shares <= TOLERANCE).all():
        raise ModelError(
            f"{name} was exported, but answers otherwise than the run: logits differ by up to {apart.max():.2g}, "
            f"probabilities by {shares.max():.2g}, where {TOLERANCE:g} is allowed; nothing was kept."
        )
    return float(apart.max())


def _take_along(source: Path, out: Path) -> tuple[str, ...]:
    taken = []
    for name in BESIDE:
        thing = source / name
        if thing.is_dir():
            shutil.copytree(thing, out / name)
        elif thing.is_file():
            shutil.copyfile(thing, out / name)
        else:
            continue
        taken.append(name)
    return tuple(taken)


def _exported(checkpoint: Run, module: PlatesToAnswers, file: Path, opset: int, centres: Any) -> Exported:
    import onnx
    import torch
    import transformers

    from kunstkammer.models.digest import weights_digest
    from kunstkammer.version import __version__

    source = Path(checkpoint.path)
    weights = weights_digest(source) if source.is_dir() else file_digest(file)
    labels, prior, calibration = checkpoint.label_names, checkpoint.label_prior, checkpoint.calibration
    thresholds = [THRESHOLD] * len(labels) if checkpoint.thresholds is None else checkpoint.thresholds.tolist()
    plate = Plate.of(checkpoint.plate_settings)
    return Exported(
        sha256=file_digest(file),
        bytes=file.stat().st_size,
        opset=opset,
        weights=weights,
        architecture=type(checkpoint.model).__name__,
        plate=plate,
        input_size=checkpoint.geometry.input_size,
        labels=labels,
        multi_label=checkpoint.multi_label,
        thresholds=dict(zip(labels, thresholds, strict=True)) if checkpoint.multi_label else {},
        label_prior=None if prior is None else tuple(prior.tolist()),
        outputs=module.outputs,
        centres=centres if CLASS_MAPS in module.outputs else None,
        answers_from=SCENE_PART if checkpoint.text is not None else "pictures",
        calibration=None if calibration is None else asdict(calibration),
        versions={
            "kunstkammer": __version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "onnx": onnx.__version__,
        },
        facts=checkpoint.facts,
    )


def _card(source: Path, name: str, found: Exported) -> str:
    """Return the run's card, with the use that the exported model is put to in place of the run's own."""
    card = source / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {name}\n"
    front = ""
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        front, text = text[4:].split("\n---\n", 1)
        front = "---\n" + front.replace("library_name: transformers", "library_name: onnx") + "\n---\n"
    before, _, _ = text.partition("## How to use it")
    channels = 1 if found.plate.grey else 3
    gives = {
        LOGITS: f"float32 (N, {len(found.labels)}), in the order of `labels` in `{SETTINGS_FILE}`",
        FEATURES: "float32 (N, D), what the output layer sees",
        CLASS_MAPS: "float32 (N, K, h, w), each label's share of the logit cell by cell (class activation maps)",
    }
    lines = [
        f"{front}{before.rstrip()}",
        "",
        "## How to use it",
        "",
        f"This folder answers without torch: `kunstkammer serve {name}`, or with ONNX Runtime alone.",
        f"`{ONNX_FILE}` takes `{INPUT}`, uint8 (N, {channels}, {found.plate.height}, {found.plate.width}), and",
        "normalises them itself. It gives",
        "",
        *(f"- `{output}`: {gives[output]}" for output in found.outputs),
        "",
        "```python",
        "from pathlib import Path",
        "import onnxruntime",
        "from kunstkammer.models.exported import read_exported",
        "from kunstkammer.pictures.plate import make_plate",
        "",
        'exported = read_exported("PATH/TO/THIS/FOLDER")',
        'session = onnxruntime.InferenceSession("PATH/TO/THIS/FOLDER/model.onnx")',
        'plate = make_plate(Path("picture.jpg"), exported.plate.settings, "picture.jpg")',
        f'(logits,) = session.run(["{LOGITS}"], {{"{INPUT}": plate[None]}})',
        "```",
        "",
        f"It answers from {found.answers_from}. When it was made its logits were those of the trained network within "
        f"{found.checked.get('largest_difference', 0):.1g}.",
        "",
    ]
    return "\n".join(lines).lstrip("\n")
