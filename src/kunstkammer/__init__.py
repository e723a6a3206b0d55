"""Kunstkammer: from a folder of drawn, struck or painted pictures to a classifier you can trust, and why it decided.

    import kunstkammer as kk

    health = kk.check("pages")
    run = kk.train("pages", recipe="comic-manga", out="runs/pages")
    print(run.metrics["accuracy"], run.zero_r["accuracy"])
    kk.predict("runs/pages", ["new-page.jpg"])

Every verb of the command is a function of the same name here. Nothing heavy is imported before the first use.

May import: `errors`, `_hook` and `version` at once; all else when it is first asked for.
Public: the names of `__all__`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunstkammer._hook import PROCESSORS, when_transformers_is_imported
from kunstkammer.errors import KunstkammerError, PictureError
from kunstkammer.version import __version__

if TYPE_CHECKING:
    from kunstkammer.data.readers.dispatch import read
    from kunstkammer.models.run import open_run
    from kunstkammer.training.recipe import Recipe
    from kunstkammer.verbs.cartoonify import cartoonify
    from kunstkammer.verbs.check import check
    from kunstkammer.verbs.demo import demo
    from kunstkammer.verbs.draw import draw
    from kunstkammer.verbs.evaluate import evaluate
    from kunstkammer.verbs.explain import explain
    from kunstkammer.verbs.export import export
    from kunstkammer.verbs.fit_neighbours import fit_neighbours
    from kunstkammer.verbs.fit_patterns import fit_patterns
    from kunstkammer.verbs.listing import list
    from kunstkammer.verbs.predict import predict
    from kunstkammer.verbs.quality import explain_quality
    from kunstkammer.verbs.train import train
    from kunstkammer.verbs.transfer import transfer
    from kunstkammer.web.serve import serve

_HOMES = {
    "read": "kunstkammer.data.readers.dispatch",
    "Recipe": "kunstkammer.training.recipe",
    "open_run": "kunstkammer.models.run",
    "cartoonify": "kunstkammer.verbs.cartoonify",
    "check": "kunstkammer.verbs.check",
    "demo": "kunstkammer.verbs.demo",
    "draw": "kunstkammer.verbs.draw",
    "train": "kunstkammer.verbs.train",
    "transfer": "kunstkammer.verbs.transfer",
    "evaluate": "kunstkammer.verbs.evaluate",
    "predict": "kunstkammer.verbs.predict",
    "explain": "kunstkammer.verbs.explain",
    "export": "kunstkammer.verbs.export",
    "explain_quality": "kunstkammer.verbs.quality",
    "fit_neighbours": "kunstkammer.verbs.fit_neighbours",
    "fit_patterns": "kunstkammer.verbs.fit_patterns",
    "list": "kunstkammer.verbs.listing",
    "serve": "kunstkammer.web.serve",
}

__all__ = [
    "KunstkammerError",
    "PictureError",
    "Recipe",
    "__version__",
    "cartoonify",
    "check",
    "demo",
    "draw",
    "evaluate",
    "explain",
    "explain_quality",
    "export",
    "fit_neighbours",
    "fit_patterns",
    "list",
    "open_run",
    "predict",
    "read",
    "serve",
    "train",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'kunstkammer' has no attribute {name!r}")


def __dir__() -> Any:
    return __all__


when_transformers_is_imported("kunstkammer.models.own")
when_transformers_is_imported("kunstkammer.models.own_processor", PROCESSORS)
