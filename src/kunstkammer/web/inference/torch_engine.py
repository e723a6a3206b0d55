"""A run folder or any checkpoint folder of `transformers` as an `Engine`."""

from __future__ import annotations

import copy
import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from kunstkammer.errors import KunstkammerError, ModelError
from kunstkammer.explanation.facts import facts_of
from kunstkammer.explanation.order import in_order
from kunstkammer.models.digest import weights_digest
from kunstkammer.models.features import listening, pooled
from kunstkammer.models.run import open_run
from kunstkammer.registry import names

if TYPE_CHECKING:
    from kunstkammer.web.inference.engines import Floats, Plates

EXPLAINED_AT_ONCE = 8

CPU_BATCH = 16
"""On the processor a batch goes through the network in parts of this size: what a layer hands on to the next then stays
within the 32 MiB that the C library keeps (`models.memory`), and nearer to the cache. SketchNet at 120 px takes 2.0 ms
of one core a picture in parts of 16, 2.9 ms in one of 32; ResNet-18 and -50 the same within 5 %."""

log = logging.getLogger("kunstkammer.web")


class TorchEngine:
    """A checkpoint that answers; see `engines.Engine`.

    Explaining borrows the network (hooks, gradient flags), so it has one of its own: other modules, the same weights
    in memory.
    """

    def __init__(self, folder: Path, device: str | None = None) -> None:
        """Open the folder and try what can explain it. Raises `ModelError`, also for weights that give no numbers."""
        checkpoint = open_run(folder, device)
        self.folder = folder
        self.weights = weights_digest(folder)
        self.version = _version(folder, self.weights)
        self.labels = checkpoint.label_names
        self.multi_label = checkpoint.multi_label
        self.thresholds = checkpoint.thresholds
        self.calibration: Mapping[str, Any] | None = (
            None if checkpoint.calibration is None else asdict(checkpoint.calibration)
        )
        self.plate_settings = checkpoint.plate_settings
        self.facts: Mapping[str, Any] = checkpoint.facts
        self._checkpoint = checkpoint
        self._part = CPU_BATCH if checkpoint.device.type == "cpu" else sys.maxsize
        self._explained = replace(checkpoint, model=sharing_weights(checkpoint.model))
        noise = np.random.default_rng(0).integers(0, 256, (1, *self.plate_settings.shape), np.uint8)
        if not np.isfinite(self.logits(noise)).all():
            raise ModelError(f"{folder} answers with what is not a number: its weights are damaged; train again.")
        self.has_features = self._gives_features(noise)
        self.explainers = self._try_explainers(noise)
        facts = {name: facts_of(name) for name in self.explainers}
        self.slow_explainers = tuple(name for name, one in facts.items() if one.cost == "many")
        self.families: Mapping[str, str] = {name: one.family for name, one in facts.items()}
        self.usual_explainer = next((name for name, one in facts.items() if one.usual), next(iter(facts), ""))

    def logits(self, plates: Plates) -> Floats:
        pixels = torch.from_numpy(plates)
        return torch.cat([self._checkpoint.logits(part) for part in pixels.split(self._part)]).numpy()

    def logits_and_features(self, plates: Plates) -> tuple[Floats, Floats]:
        logits, features = [], []
        for part in torch.from_numpy(plates).split(self._part):
            with listening(self._checkpoint.model) as heard:
                logits.append(self._checkpoint.logits(part))
            features.append(pooled(heard, len(part)))
        return torch.cat(logits).numpy(), torch.cat(features).numpy()

    def explain(
        self,
        plates: Plates,
        method: str,
        targets: Sequence[int | None],
        versus: Sequence[int | None],
        *,
        pause: Callable[[], None] | None = None,
    ) -> list[Floats]:
        from kunstkammer.explanation.figure import to_heat
        from kunstkammer.workflows.overlays import relevance

        chosen = self._chosen(plates, targets, versus)
        pixels = self._explained.prepare(torch.from_numpy(plates))
        options = {} if versus[0] is None else {"versus": list(versus)}
        heats: list[Floats] = []
        with _before_each_pass(self._explained.model, pause):
            for start in range(0, len(plates), EXPLAINED_AT_ONCE):
                part = slice(start, start + EXPLAINED_AT_ONCE)
                against: dict[str, Any] = {name: values[part] for name, values in options.items()}
                maps = relevance(self._explained, pixels[part], method, chosen[part], **against)
                heats += [np.asarray(to_heat(one), dtype=np.float32) for one in maps]
        return heats

    def close(self) -> None:
        return None

    def _chosen(self, plates: Plates, targets: Sequence[int | None], versus: Sequence[int | None]) -> list[int]:
        """Return the label of each picture, the most probable one where none is given."""
        if all(target is not None for target in targets):
            return [int(target) for target in targets if target is not None]
        logits = self._explained.logits(torch.from_numpy(plates)).numpy().copy()
        for row, other in enumerate(versus):
            if other is not None:
                logits[row, other] = -np.inf
        return [int(logits[row].argmax()) if target is None else target for row, target in enumerate(targets)]

    def _gives_features(self, noise: Plates) -> bool:
        try:
            self.logits_and_features(noise)
        except ModelError:
            return False
        return True

    def _try_explainers(self, noise: Plates) -> tuple[str, ...]:
        """Return the methods that explain this network: those that did so just now, and those that only repeat them."""
        found = []
        for method in in_order(names("explainers")):
            if self._can(method, noise, "gradient" in found):
                found.append(method)
        return tuple(found)

    def _can(self, method: str, noise: Plates, gradients: bool) -> bool:
        from kunstkammer.explanation.patterns.store import PATTERNS_FILE

        facts = facts_of(method)
        if facts.cost == "many":  # not worth a trial: it works wherever gradients do, or wherever there are logits
            return gradients or not facts.gradients
        if facts.patterns and not (self.folder / PATTERNS_FILE).is_file():
            return False
        try:
            return bool(np.isfinite(self.explain(noise, method, [0], [None])[0]).all())
        except KunstkammerError as error:
            log.debug("%s cannot explain %s: %s", method, self.folder, error)
        except Exception:  # a method that fails on one network must not keep the network from answering
            log.exception("%s failed on %s", method, self.folder)
        return False


def sharing_weights(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose parameters and buffers lie in the same memory, with hooks and flags of its own."""
    memo: dict[int, object] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.data, requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer
    return copy.deepcopy(model, memo)


def _version(folder: Path, weights: str) -> str:
    """Hash the weights and what says how they are used: labels, sizes, normalisation."""
    found = hashlib.sha256(weights.encode())
    for name in ("config.json", "preprocessor_config.json"):
        file = folder / name
        found.update(file.read_bytes() if file.is_file() else b"-")
    return found.hexdigest()[:16]


class _before_each_pass:  # noqa: N801 - a context manager used like a function
    """Call `pause` before each pass through the network."""

    def __init__(self, model: nn.Module, pause: Callable[[], None] | None) -> None:
        self._handle = None if pause is None else model.register_forward_pre_hook(lambda *_: pause())

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.remove()
