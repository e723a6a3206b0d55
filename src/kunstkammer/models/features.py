"""Features: what a network has seen in a picture just before its output layer, and the store that keeps them.

The features of a classifier are the input of its output layer: the last pooling of a convolutional network, the class
token of ViT and DeiT, the mean of Swin's tokens. Features of a token each are averaged over the tokens. They are
computed in float32, as the model answers: a head must be fitted on what it will be given.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import output_layer
from kunstkammer.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry

FEATURE_FORMAT = 1
"""Part of the store's key: raised whenever the values of features change."""

CPU_BATCH, ACCELERATOR_BATCH = 8, 64
"""On the processor small batches are best: what a layer hands on still lies in its cache. Measured on MobileNetV2 at
224 px, two cores: 118 pictures a second in batches of 4 to 8, 50 in batches of 32."""

SEGMENT_ROWS = 2048
"""Features are written to disk this often, so that a kill costs a few minutes at most."""


@contextlib.contextmanager
def listening(model: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that receives what the output layer of `model` sees at each forward pass; see `pooled`."""
    heard: list[Tensor] = []
    handle = output_layer(model).register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    try:
        yield heard
    finally:
        handle.remove()


@torch.inference_mode()
def batch_features(model: nn.Module, pixel_values: Tensor) -> Tensor:
    """Return float32 features (N, D) of prepared pictures (N, C, H, W); the model must be in evaluation mode.

    Raises `ModelError` for a model whose output layer does not see one vector (or one a token) for each picture.
    """
    with listening(model) as heard:
        model(pixel_values=pixel_values)
    return pooled(heard, len(pixel_values), type(model).__name__)


def pooled(heard: Sequence[Tensor], count: int, name: str = "This network") -> Tensor:
    """Return float32 features (N, D) on the CPU from what the output layer saw of `count` pictures: tokens averaged.

    Raises `ModelError` where that is not one vector (or one a token) for each picture.
    """
    if not heard:
        raise ModelError(f"{name} did not use its last linear layer; its features are not known.")
    found = heard[-1]
    if found.ndim == 3:
        found = found.mean(dim=1)
    if found.ndim != 2 or len(found) != count:
        raise ModelError(
            f"The output layer of {name} sees {tuple(found.shape)} for {count} pictures, "
            "not a vector for each; its features cannot be kept."
        )
    return found.float().cpu()


def _rows_of_features(
    model: nn.Module,
    geometry: PictureGeometry,
    plates: Plates,
    rows: np.ndarray,
    batch_size: int | None,
) -> Iterator[np.ndarray]:
    device = next(model.parameters()).device
    size = batch_size or (CPU_BATCH if device.type == "cpu" else ACCELERATOR_BATCH)
    for start in range(0, len(rows), size):
        pixels = geometry.prepare(plates[rows[start : start + size]].to(device))
        yield batch_features(model, pixels).numpy()


def collect_features(
    model: PreTrainedModel,
    geometry: PictureGeometry,
    plates: Plates,
    *,
    rows: np.ndarray | None = None,
    batch_size: int | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Return float32 features (N, D) of plates, in their order; nothing is kept.

    Args:
        model: a classifier; it is put into evaluation mode for the time and left as it was found.
        geometry: how plates become its input.
        plates: uint8 plates; `rows` names some of them, all readable ones where not given.
        batch_size: pictures a forward pass; by default what the device does best.
    """
    chosen = np.flatnonzero(plates.readable) if rows is None else np.asarray(rows)
    training = model.training
    model.eval()
    try:
        with progress("features", len(chosen)) if show_progress else contextlib.nullcontext(_ignore) as advance:
            parts = []
            for part in _rows_of_features(model, geometry, plates, chosen, batch_size):
                parts.append(part)
                advance(len(part))
    finally:
        model.train(training)
    if not parts:
        return np.zeros((0, output_layer(model).in_features), dtype=np.float32)
    return np.concatenate(parts)


def _ignore(_: int) -> None:
    return None


def backbone_key(model: PreTrainedModel, geometry: PictureGeometry) -> str:
    """Return what features depend on beside the picture: network, weights below the output layer, preparation.

    Two models that differ only in their labels and their output layer share a key.
    """
    config = {k: v for k, v in model.config.to_dict().items() if k not in _NOT_OF_THE_BACKBONE}
    facts = [FEATURE_FORMAT, type(model).__name__, config, geometry.plate.key, *_numbers(geometry)]
    found = hashlib.blake2b(json.dumps(facts, sort_keys=True, default=str).encode(), digest_size=16)
    head = output_layer(model)
    own = {id(parameter) for parameter in head.parameters()}
    for name, tensor in sorted(model.state_dict(keep_vars=True).items()):
        if id(tensor) not in own:
            found.update(name.encode())
            found.update(np.ascontiguousarray(tensor.detach().cpu().contiguous().numpy()).data)
    return found.hexdigest()


_NOT_OF_THE_BACKBONE = (
    "id2label", "label2id", "num_labels", "problem_type", "architectures", "_name_or_path", "transformers_version",
    "dtype", "torch_dtype", "classifier_dropout_prob", "dropout_rate",
)  # fmt: skip


def _numbers(geometry: PictureGeometry) -> list[Any]:
    return [
        geometry.input_size,
        geometry.channels,
        geometry.mean,
        geometry.std,
        geometry.scale,
        *["BGR"] * geometry.flip,
    ]


class FeatureStore:
    """The features of one backbone on disk, found by the SHA-256 of a picture's content.

    A segment is one safetensors file, written whole or not at all: `features` float32 (n, D) and `contents` uint8
    (n, 32). Its name follows from its contents, so that two processes that compute the same write the same file.

    Args:
        folder: where it lies; made when something is first added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, contents: Sequence[str]) -> tuple[np.ndarray | None, np.ndarray]:
        """Return features (N, D) and which rows of them are known, bool (N,); None where nothing is known.

        A segment that cannot be read is deleted: it can be made again.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        place: dict[bytes, list[int]] = {}
        for i, content in enumerate(contents):
            place.setdefault(bytes.fromhex(content), []).append(i)
        known = np.zeros(len(contents), dtype=bool)
        found: np.ndarray | None = None
        for path in sorted(self.folder.glob("*.safetensors")) if self.folder.is_dir() else []:
            try:
                segment = load_file(path)
                features, digests = segment["features"], segment["contents"]
            except (SafetensorError, KeyError, OSError):
                path.unlink(missing_ok=True)
                continue
            rows, wanted = [], []
            for row, digest in enumerate(np.ascontiguousarray(digests).view("V32").ravel().tolist()):
                for i in place.get(digest, ()):
                    rows.append(row)
                    wanted.append(i)
            if wanted:
                if found is None:
                    found = np.zeros((len(contents), features.shape[1]), dtype=np.float32)
                found[wanted] = features[rows]
                known[wanted] = True
        return found, known

    def add(self, contents: Sequence[str], features: np.ndarray) -> None:
        """Keep float32 features (n, D) of n different contents. Raises `ResourceError` when the disk refuses."""
        from safetensors.numpy import save

        from kunstkammer.files import atomic_file

        digests = np.frombuffer(b"".join(bytes.fromhex(content) for content in contents), np.uint8).reshape(-1, 32)
        name = hashlib.blake2b(digests.tobytes(), digest_size=12).hexdigest()
        with atomic_file(self.folder / f"{name}.safetensors") as partial:
            partial.write_bytes(save({"features": np.ascontiguousarray(features), "contents": digests.copy()}))


def kept_features(
    model: PreTrainedModel,
    geometry: PictureGeometry,
    plates: Plates,
    rows: np.ndarray,
    contents: Sequence[str],
    *,
    cache: Path | None = None,
    on_new: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Return float32 features (n, D) of the plates at `rows`; those that an earlier run computed are used again.

    Args:
        model, geometry: a classifier in evaluation mode, and how plates become its input.
        plates: the decoded pictures of a collection.
        rows: which of them.
        contents: the SHA-256 of each picture of the collection (not only of `rows`), hexadecimal.
        cache: the cache folder; `kunstkammer.files.cache_folder()` where not given.
        on_new: called with the number of pictures whose features are not known yet, before they are computed.

    Raises `ResourceError` where the cache cannot be written.
    """
    from kunstkammer.files import cache_folder

    rows = np.asarray(rows)
    seen = replace(geometry, plate=plates.settings)  # the plates may be prepared, which the model's own never are
    store = FeatureStore((cache_folder() if cache is None else cache) / "features" / backbone_key(model, seen))
    wanted = [contents[i] for i in rows]
    found, known = store.find(wanted)
    first = {content: i for i, content in reversed(list(enumerate(wanted)))}
    missing = np.array([i for i, content in enumerate(wanted) if not known[i] and first[content] == i], dtype=np.int64)
    if len(missing):
        if on_new:
            on_new(len(missing))
        with progress("features", len(missing)) as advance:
            for start in range(0, len(missing), SEGMENT_ROWS):
                chosen = missing[start : start + SEGMENT_ROWS]
                parts = []
                for part in _rows_of_features(model, geometry, plates, rows[chosen], None):
                    parts.append(part)
                    advance(len(part))
                store.add([wanted[i] for i in chosen], np.concatenate(parts))
        found, known = store.find(wanted)
    if found is None or not known.all():
        raise ModelError("The features could not be kept: another process emptied the cache; try again.")
    return found
