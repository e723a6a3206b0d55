"""In which order methods stand side by side: by what they are made of, from the plainest to the most involved."""

from __future__ import annotations

from collections.abc import Iterable

ORDER = (
    "gradient",
    "gradient-x-input",
    "smoothgrad",
    "integrated-gradients",
    "deconvnet",
    "guided-backprop",
    "grad-cam",
    "grad-cam-plus-plus",
    "guided-grad-cam",
    "occlusion",
    "prediction-difference",
    "lrp-z",
    "lrp-epsilon",
    "lrp-gamma",
    "lrp-alpha-beta",
    "lrp-w-square",
    "lrp-flat",
    "lrp-z-box",
    "lrp-composite",
    "deep-taylor",
    "pattern-net",
    "pattern-attribution",
    "attention-rollout",
    "attention-gradient",
    "attention-lrp",
)


def in_order(methods: Iterable[str]) -> list[str]:
    """Return methods family by family; those that are not known here come last, by name.

    >>> in_order(["occlusion", "my-own", "gradient"])
    ['gradient', 'occlusion', 'my-own']
    """
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(methods, key=lambda name: (place.get(name, len(ORDER)), name))
