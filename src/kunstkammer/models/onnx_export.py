"""From a checkpoint to `model.onnx`: uint8 plates in, logits, features and class maps out.

Class maps: where the features of a network are the mean of a map A (N, C, h, w) over its cells and the logits are
linear in them, logit_k = b_k + sum over the cells of sum over c of w_kc A_c / (h w). The summands are the class
activation map (Zhou et al. 2016, equation 2), and Grad-CAM by the same map is exactly this (Selvaraju et al. 2017,
section 3.1). So such a network can be explained without gradients.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import output_layer
from kunstkammer.models.exported import CLASS_MAPS, FEATURES, INPUT, LOGITS
from kunstkammer.models.run import Run

NEEDED = ("onnx", "onnxscript", "onnxruntime")
_CLOSE = 1e-4


@dataclass(frozen=True)
class MapPlace:
    """A map inside the network.

    Attributes:
        name: the module that gives it.
        call: which of its calls in a forward pass.
        to_map: its output as (N, C, h, w).
    """

    name: str
    call: int
    to_map: Callable[[Tensor], Tensor]


class PlatesToAnswers(nn.Module):
    """A checkpoint as one function of uint8 plates.

    Args:
        checkpoint: whose network is used as it is.
        place: the map that the features are the mean of, None for no class maps.
        features: whether to give features too.
    """

    def __init__(self, checkpoint: Run, *, place: MapPlace | None = None, features: bool = True) -> None:
        super().__init__()
        self.network = checkpoint.model
        self.geometry = checkpoint.geometry
        self.reads = checkpoint.reads
        self.place = place
        self.features = features

    @property
    def outputs(self) -> tuple[str, ...]:
        """What `forward` gives, in its order."""
        return (LOGITS, *((FEATURES,) if self.features else ()), *((CLASS_MAPS,) if self.place else ()))

    def forward(self, plates: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs for uint8 plates (N, 1 or 3, H, W), all float32."""
        heard: list[Tensor] = []
        seen: list[Tensor] = []
        head = output_layer(self.network)
        handles = []
        if self.features:
            handles.append(head.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0])))
        if self.place is not None:
            layer = self.network.get_submodule(self.place.name)
            handles.append(layer.register_forward_hook(lambda _, __, output: seen.append(_first(output))))
        try:
            answer = self.network(pixel_values=self.geometry.prepare(plates))[self.reads].float()
        finally:
            for handle in handles:
                handle.remove()
        found = [answer]
        if self.features:
            found.append((heard[-1].mean(dim=1) if heard[-1].ndim == 3 else heard[-1]).float())
        if self.place is not None:
            cells = self.place.to_map(seen[self.place.call]).float()
            maps = torch.nn.functional.conv2d(cells, head.weight.float()[:, :, None, None])
            found.append(maps / (cells.shape[2] * cells.shape[3]))
        return tuple(found)


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple | list) else output


def require_onnx() -> None:
    """Raise `ModelError` naming what exporting needs and how to get it."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"Exporting needs {', '.join(missing)}, not installed here; pip install 'kunstkammer[onnx]'.")


@torch.inference_mode()
def has_features(checkpoint: Run, plates: Tensor) -> bool:
    """Say whether the output layer sees one vector (or one a token) for each picture."""
    try:
        found = PlatesToAnswers(checkpoint)(plates)[1]
    except (ModelError, IndexError):
        return False
    return found.ndim == 2 and len(found) == len(plates)


@torch.inference_mode()
def gives_class_maps(checkpoint: Run, plates: Tensor, place: MapPlace) -> bool:
    """Say whether the logits are linear in the mean of the map at `place`, so that class maps are exact."""
    head = output_layer(checkpoint.model)
    try:
        logits, _, maps = PlatesToAnswers(checkpoint, place=place)(plates)
    except (ModelError, IndexError, RuntimeError):
        return False
    if maps.ndim != 4 or maps.shape[:2] != logits.shape:
        return False
    bias = 0 if head.bias is None else head.bias
    difference = (maps.sum(dim=(2, 3)) + bias - logits).abs().max()
    return bool(difference <= _CLOSE * logits.abs().max().clamp(min=1))


def write_onnx(module: PlatesToAnswers, plates: Tensor, file: Path) -> int:
    """Write the network as one ONNX file; return its operator set.

    By torch's exporter of exported programs; attention is written out in its plain form, which the exporter knows for
    all networks. Raises `ModelError`, one line, where it cannot be done.
    """
    name = type(module.network).__name__
    module = copy.deepcopy(module).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if hasattr(module.network, "set_attn_implementation"):
        with contextlib.suppress(ValueError, AttributeError):
            module.network.set_attn_implementation("eager")
    batch = torch.export.Dim("batch", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (plates,),
                dynamo=True,
                dynamic_shapes={"plates": {0: batch}},
                input_names=[INPUT],
                output_names=list(module.outputs),
                verbose=False,
            )
            if program is None:
                raise ModelError(f"{name} cannot be exported to ONNX: the exporter gave nothing.")
            _forget_sources(program.model)
            program.save(str(file), external_data=False)
    except ModelError:
        raise
    except Exception as error:
        cause = " ".join(str(error.__cause__ or error).split())[:200]
        raise ModelError(f"{name} cannot be exported to ONNX: {cause}") from error
    return int(program.model.opset_imports.get("", 0))


def _forget_sources(model: Any) -> None:
    """Take out what the exporter notes of each step: lines of source code and where they lie on this machine."""
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        graph.metadata_props.clear()
        for node in graph:
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()
        for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
            value.metadata_props.clear()
    model.metadata_props.clear()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice from the user; its errors still come through."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
