"""Why it decided so: one file per family of methods, one interface.

May import: `models`, `metrics`, `pictures`, `files`, `progress`, `registry`, `errors`.
Public: `explain`, `find_layer`, `fit_patterns`, `Patterns`, `preferred_input`, `signal_quality`; kind "explainers".

- `task`: what a method is given, and how it is held: `Task`, `borrowed`
- `target`: which class is explained
- `interface`: `explain`, which checks everything and calls the method
- `layers`: where a network still knows where things are: `find_layer`; `centres`: which places its cells look at
- `grad_cam`, `gradient`, `smoothgrad`, `integrated`, `occlusion`, `prediction_difference`, `attention`: the methods,
  each a function with `@register("explainers", name, summary)`; they share `baseline`, `windows`, `patch_normal`
- `rules/`: methods that go back by rules (LRP, deep Taylor, guided backpropagation ...) and the engine they share
- `degradation`: the experiment that tells methods apart: what falls when the most relevant patches go first;
  `sanity`: whether a map depends on the model, and lies on the thing
- `preferred`: the picture that a model would most readily call so
- `patterns/`: PatternNet and PatternAttribution, and the fitting of their patterns
- `signal`: how well signal estimators take the signal out, layer by layer: rho
- `figure`: from maps to pictures that people understand
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kunstkammer.explanation.interface import explain
    from kunstkammer.explanation.layers import find_layer
    from kunstkammer.explanation.patterns.fit import fit_patterns
    from kunstkammer.explanation.patterns.statistics import PatternStatistics
    from kunstkammer.explanation.patterns.store import Patterns
    from kunstkammer.explanation.preferred import preferred_input
    from kunstkammer.explanation.signal import signal_quality

__all__ = [
    "PatternStatistics",
    "Patterns",
    "explain",
    "find_layer",
    "fit_patterns",
    "preferred_input",
    "signal_quality",
]

_HOMES = {
    "PatternStatistics": "patterns.statistics",
    "Patterns": "patterns.store",
    "explain": "interface",
    "find_layer": "layers",
    "fit_patterns": "patterns.fit",
    "preferred_input": "preferred",
    "signal_quality": "signal",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that importing the room does not load torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
