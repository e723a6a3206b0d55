"""Patterns: one tensor a weight, bound by a hash to the weights that they were fitted on."""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.files import atomic_file

PATTERNS_FILE = "patterns.safetensors"
FORMAT = "kunstkammer-patterns-1"


@dataclass
class Patterns:
    """The pattern of every layer of one model.

    Attributes:
        tensors: the name of a weight -> its pattern, of the same shape: w.a = 1 for each output, or a = 0 (dead).
        estimator: how they were fitted: "two-component", "linear" or "negative".
        pictures: on how many pictures.
        model_hash: of the weights of the model, see `fingerprint`.
    """

    tensors: dict[str, Tensor]
    estimator: str
    pictures: int
    model_hash: str
    _kernels: dict[bool, dict[str, Tensor]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _known: tuple[weakref.ref[nn.Module], list[tuple[int, int]]] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one safetensors file, whole or not at all; a folder gets a `patterns.safetensors`. Return its path.

        Raises `ResourceError` when the disk refuses.
        """
        from safetensors.torch import save_file

        from kunstkammer.models.weights import safetensors_as_os_errors

        path = Path(path)
        path = path / PATTERNS_FILE if path.is_dir() else path
        facts = {
            "format": FORMAT,
            "estimator": self.estimator,
            "pictures": str(self.pictures),
            "model_hash": self.model_hash,
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        with atomic_file(path) as partial, safetensors_as_os_errors():
            save_file(tensors, partial, metadata=facts)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Patterns:
        """Read what `save` wrote; `path` is the file, or the folder it lies in.

        Raises `ModelError` where there is none, or it is damaged or something else.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        path = path / PATTERNS_FILE if path.is_dir() else path
        if not path.is_file():
            raise ModelError(f"There are no patterns at {path}. {HOW_TO_FIT}")
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            if facts.get("format") != FORMAT:
                raise ModelError(f"{path} holds no patterns (its metadata says {json.dumps(facts)[:80]}). {HOW_TO_FIT}")
            return cls(tensors, facts["estimator"], int(facts["pictures"]), facts["model_hash"])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise ModelError(f"The patterns {path} are damaged ({error}); fit them again. {HOW_TO_FIT}") from error

    def check(self, model: nn.Module) -> None:
        """Raise `ModelError` unless these patterns were fitted on this very model.

        The weights are hashed once; later calls see by their version counters whether any was changed since.
        """
        versions = _versions(model)
        if self._known is not None and self._known[0]() is model and self._known[1] == versions:
            return
        found = fingerprint(model)
        if found != self.model_hash:
            raise ModelError(
                f"These patterns belong to another checkpoint (weights {self.model_hash[:12]}, this model has "
                f"{found[:12]}). {HOW_TO_FIT}"
            )
        self._kernels.clear()
        self._known = (weakref.ref(model), versions)

    def kernels(self, model: nn.Module, attribution: bool) -> dict[str, Tensor]:
        """Return what takes the weights' place in the backward pass: A, or W * A for PatternAttribution.

        Kept, so that many calls need it once. Raises `ModelError` for the patterns of another model.
        """
        self.check(model)
        if attribution not in self._kernels:
            weights = dict(model.named_buffers()) | dict(model.named_parameters())
            make: Callable[[Tensor, Tensor], Tensor] = torch.mul if attribution else (lambda pattern, _: pattern)
            self._kernels[attribution] = {
                name: make(tensor.to(weights[name]), weights[name].detach()) for name, tensor in self.tensors.items()
            }
        return self._kernels[attribution]


HOW_TO_FIT = "Fit them with fit_patterns(model, batches), or: kunstkammer fit-patterns RUN DATA"


def fingerprint(model: nn.Module) -> str:
    """Return the SHA-256 of a model's weights and floating buffers: names, shapes and values, hexadecimal.

    A float64 copy of a float32 model has the same; one that was trained on, or rounded to float16, has another.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(_weights(model), key=lambda item: item[0]):
        values = tensor.detach().cpu().contiguous()
        single = values.float()
        if values.dtype == torch.float64 and not torch.equal(single.double(), values):
            single = values
        found.update(f"{name}{tuple(values.shape)}".encode())
        found.update(single.numpy().reshape(-1).data)
    return found.hexdigest()


def _weights(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(n, t) for n, t in (*model.named_parameters(), *model.named_buffers()) if t.is_floating_point()]


def _versions(model: nn.Module) -> list[tuple[int, int]]:
    """Return where each weight lies and how often it was written to; never the same where inference tensors hide it."""
    try:
        return [(tensor.data_ptr(), tensor._version) for _, tensor in _weights(model)]
    except RuntimeError:
        return [(0, id(object()))]
