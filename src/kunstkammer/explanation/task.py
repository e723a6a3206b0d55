"""What a method of explanation is given: the model on loan, the pictures, and the class in question."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError

T = TypeVar("T")

GRADIENT_VALUES = 8 * 3 * 224 * 224
"""So many values of versions of pictures go through a backward pass at once: a ResNet-50 then stays under 2 GB."""


@contextlib.contextmanager
def borrowed(model: nn.Module) -> Iterator[nn.Module]:
    """Lend a model for explaining: evaluation mode, no parameter asks for a gradient, gradients on, autocast off.

    Afterwards, also after an exception, every module's training flag and every parameter's `requires_grad` are what
    they were. Flags are set one by one, not by `eval()`, which subclasses override with effects of their own.
    """
    modules = [(module, module.training) for module in model.modules()]
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    device = parameters[0][0].device.type if parameters else "cpu"
    try:
        for module, _ in modules:
            module.training = False
        for parameter, _ in parameters:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
            yield model
    finally:
        for module, training in modules:
            module.training = training
        for parameter, wanted in parameters:
            parameter.requires_grad_(wanted)


def logits_of(model: nn.Module, pixels: Tensor) -> Tensor:
    """Return the logits (N, K) that a model gives for pixels (N, C, H, W).

    The model may return the logits themselves or a `transformers` output that holds them. Raises `ModelError` for
    anything else.
    """
    by_name = getattr(model, "main_input_name", None) == "pixel_values"
    output = model(pixel_values=pixels) if by_name else model(pixels)
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor):
        raise ModelError(
            f"{type(model).__name__} returns {type(output).__name__}, not logits: only classifiers can be explained "
            "(a tensor (N, K), or an output with .logits)."
        )
    if logits.ndim != 2 or logits.shape[0] != pixels.shape[0]:
        raise ModelError(
            f"{type(model).__name__} returns logits of shape {tuple(logits.shape)} for {pixels.shape[0]} pictures; "
            "one row a picture and one column a class are needed."
        )
    return logits


class Task:
    """One batch to explain: what every method of explanation takes as its first argument.

    Attributes:
        model: the model, borrowed: in evaluation mode, its parameters ask for no gradient.
        pixels: (N, C, H, W), the model's input in the model's own type and on its device; asks for no gradient.
        versus: int64 (N,), the class that the class in question is held against, or None.
        batch_size: so many rows may go through the model at once (at least N).
    """

    def __init__(
        self,
        model: nn.Module,
        pixels: Tensor,
        target: Tensor | None,
        memo: dict[str, Any] | None = None,
        *,
        versus: Tensor | None = None,
        batch_size: int = 1,
    ) -> None:
        self.model = model
        self.pixels = pixels
        self.versus = versus
        self.batch_size = max(batch_size, len(pixels))
        self._target = target
        self._memo = {} if memo is None else memo

    @property
    def target(self) -> Tensor:
        """The class in question for each picture, int64 (N,): as asked for, or the predicted one."""
        if self._target is None:
            with torch.no_grad():
                self._target = logits_of(self.model, self.pixels).argmax(dim=1)
        return self._target

    def logits(self, pixels: Tensor) -> Tensor:
        """Return the logits (M, K) of pixels (M, C, H, W), with their graph."""
        return logits_of(self.model, pixels)

    def score(self, pixels: Tensor) -> Tensor:
        """Return the logit of the class in question for each picture, (M,), with its graph.

        With `versus` it is the difference of the two logits: what speaks for the one class rather than the other.

        `pixels` is (M, C, H, W) where M is N, or R times N: the batch in R versions, one version after the other. The
        class is that of the pictures themselves, also where `pixels` are changed versions of them.
        """
        logits = self.logits(pixels)
        # Where nothing was changed, this pass also says which class is predicted: no second one is needed.
        if self._target is None and torch.equal(pixels, self.pixels):
            self.settle(logits)
        return self.choose(logits)

    def settle(self, logits: Tensor) -> None:
        """Take the predicted class from the logits (N, K) of the pixels themselves, where no class was asked for."""
        if self._target is None:
            self._target = logits.detach().argmax(dim=1)

    def choose(self, values: Tensor) -> Tensor:
        """Return the column of the class in question, (M,), of `values` (M, K); with `versus` less that column.

        M as in `score`: the batch in one or more versions, one version after the other.
        """
        target, versus = self.target, self.versus
        check_range(target, values.shape[1])
        chosen = _column(values, target)
        if versus is None:
            return chosen
        check_range(versus, values.shape[1])
        check_apart(target, versus)
        return chosen - _column(values, versus)

    def groups(self, versions: int, *, gradients: bool = False) -> Iterator[slice]:
        """Yield how `versions` of the batch are shared out, so that no more than `batch_size` rows go in at once.

        With `gradients`, for which every layer's map is kept, no more than `GRADIENT_VALUES` values go in at once
        either, but always one version of the batch.

        >>> task = Task(nn.Identity(), torch.zeros(2, 1, 4, 4), None, batch_size=5)
        >>> list(task.groups(3))
        [slice(0, 2, None), slice(2, 3, None)]
        """
        step = max(1, self.batch_size // len(self.pixels))
        if gradients:
            step = max(1, min(step, GRADIENT_VALUES // self.pixels.numel()))
        for start in range(0, versions, step):
            yield slice(start, min(start + step, versions))

    def part(self, rows: slice) -> Task:
        """Return the task for some of its pictures, for methods that need more memory a picture than others."""
        versus = None if self.versus is None else self.versus[rows]
        return Task(self.model, self.pixels[rows], self.target[rows], self._memo, versus=versus)

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make()` gives, made once for all batches of one call of `explain`."""
        if key not in self._memo:
            self._memo[key] = make()
        value: T = self._memo[key]
        return value


def check_range(target: Tensor, classes: int) -> None:
    """Raise `ModelError` for a class number that the model does not have."""
    wrong = target[(target < 0) | (target >= classes)]
    if len(wrong):
        raise ModelError(f"There is no class {int(wrong[0])}: the model has {classes}, numbered 0 to {classes - 1}.")


def check_apart(target: Tensor, versus: Tensor) -> None:
    """Raise `ModelError` where a class would be held against itself."""
    same = target[target == versus]
    if len(same):
        raise ModelError(
            f"Class {int(same[0])} is held against itself, which says nothing; "
            "give a target other than the class it is held against (versus)."
        )


def _column(values: Tensor, which: Tensor) -> Tensor:
    versions = values.shape[0] // which.shape[0]
    return values.gather(1, which.repeat(versions).unsqueeze(1)).squeeze(1)
