"""Adaptations: a name -> what is done to a trained network so that it fits a second domain, without its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.models.features import collect_features
from kunstkammer.registry import register
from kunstkammer.training.adaptation import adapt_batch_norm, coral_head
from kunstkammer.training.linear_head import put_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from kunstkammer.data.plates import Plates
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.training.prepared import TrainingData
    from kunstkammer.training.recipe import Recipe


@dataclass(frozen=True)
class Adaptable:
    """A trained network, what it learnt from, and the pictures of the second domain.

    Attributes:
        model, geometry: the network, which is changed in place, and how plates become its input.
        recipe: what it was trained by.
        known: what it learnt from; `groups` int, the group of each plate of it.
        plates: readable plates of the second domain, without labels.
    """

    model: PreTrainedModel
    geometry: PictureGeometry
    recipe: Recipe
    known: TrainingData
    groups: np.ndarray
    plates: Plates


@register("adaptations", "adabn", "batch-norm statistics of the second domain instead of the first (Li et al. 2018)")
def adabn(case: Adaptable) -> None:
    """Re-estimate the statistics of every batch normalisation on the second domain."""
    adapt_batch_norm(case.model, case.geometry, case.plates, np.arange(len(case.plates)), seed=case.recipe.seed)


@register("adaptations", "coral", "head fitted anew on features with the second domain's covariance (Sun et al. 2016)")
def coral(case: Adaptable) -> None:
    """Fit the head anew on the first domain's features, aligned with those of the second."""
    rows = np.sort(np.concatenate([case.known.train, case.known.validation]))
    case.model.eval()
    # A network that was fine-tuned has features of its own: kept ones would only fill the disk.
    source = collect_features(case.model, case.geometry, case.known.plates, rows=rows)
    target = collect_features(case.model, case.geometry, case.plates)
    settings = case.recipe.classification.linear_head
    head = coral_head(
        source,
        case.known.targets[rows],
        target,
        case.model.config.num_labels,
        groups=case.groups[rows],
        strengths=settings.strengths,
        folds=settings.folds,
        class_weights=case.recipe.classification.class_weights,
        seed=case.recipe.seed,
    )
    put_head(case.model, head)
