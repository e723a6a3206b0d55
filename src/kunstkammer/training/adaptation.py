"""Adaptation to a second domain whose labels nobody knows: batch-norm statistics, and the head's features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from kunstkammer.errors import DataError, RecipeError
from kunstkammer.training.linear_head import LinearHead, fit_head

if TYPE_CHECKING:
    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry

FEWEST_PICTURES = 16
"""Statistics of fewer pictures than this say little of a domain."""


@torch.no_grad()
def adapt_batch_norm(
    model: nn.Module,
    geometry: PictureGeometry,
    plates: Plates,
    rows: np.ndarray,
    *,
    batch_size: int = 64,
    seed: int = 0,
) -> int:
    """Replace the statistics of every batch normalisation by those of the given pictures, in place (AdaBN).

    Li, Wang, Shi, Hou & Liu 2018, "Adaptive batch normalization for practical domain adaptation", algorithm 1: the
    weights stay, the running means and variances become those of the new domain. One pass, all batches weigh the same.

    Args:
        model: the network; it is left in evaluation mode.
        geometry: how plates become its input.
        plates, rows: pictures of the new domain; labels are not asked for.

    Returns the number of layers. Raises `RecipeError` for a network without batch normalisation, `DataError` for fewer
    than 16 pictures.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    layers = [layer for layer in layers if layer.running_mean is not None]
    if not layers:
        raise RecipeError(f"{type(model).__name__} has no batch normalisation, so AdaBN changes nothing; leave it out.")
    _require_enough(len(rows))
    device = next(model.parameters()).device
    order = np.random.default_rng((seed, 5)).permutation(rows)
    model.eval()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average over the batches
        layer.train()
    # Equal batches, so that an average over batches is one over pictures; the rest joins them.
    batches = np.array_split(order, max(1, round(len(order) / batch_size)))
    for batch in batches:
        model(pixel_values=geometry.prepare(plates[batch].to(device)))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()
    return len(layers)


def coral(source: np.ndarray, target: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Return `source` features (N, D) with the mean and covariance of `target` features (M, D), float64.

    Sun, Feng & Saenko 2016, "Return of frustratingly easy domain adaptation", algorithm 1: whiten with the source's
    covariance, colour with the target's, each plus `ridge` times the identity. As there, features are first scaled to
    unit variance (by the source's), so that the identity means the same for each; the result is scaled back.

    >>> random = np.random.default_rng(0)
    >>> a, b = random.normal(size=(500, 3)), random.normal(size=(500, 3)) @ np.diag([1, 5, 9]) + 4
    >>> bool(np.abs(coral(a, b, ridge=1e-6).std(axis=0) - b.std(axis=0)).max() < 1e-3)
    True
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    scale = a.std(axis=0)
    scale[scale < 1e-8] = 1.0
    a, b = a / scale, b / scale
    whiten = _power(np.cov(a, rowvar=False) + ridge * np.eye(a.shape[1]), -0.5)
    colour = _power(np.cov(b, rowvar=False) + ridge * np.eye(b.shape[1]), 0.5)
    return ((a - a.mean(axis=0)) @ whiten @ colour + b.mean(axis=0)) * scale


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(np.atleast_2d(matrix))
    return (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T


def coral_head(
    source: np.ndarray, targets: np.ndarray, target_domain: np.ndarray, classes: int, **options: Any
) -> LinearHead:
    """Return a linear head fitted on labelled source features that look like those of the target domain.

    `options` are those of `fit_head`. Raises `DataError` for fewer than 16 pictures of the target domain.
    """
    _require_enough(len(target_domain))
    return fit_head(coral(source, target_domain).astype(np.float32), targets, classes, **options)


def _require_enough(count: int) -> None:
    if count < FEWEST_PICTURES:
        raise DataError(
            f"{count} pictures of the second domain are too few to adapt to; {FEWEST_PICTURES} or more are needed."
        )
