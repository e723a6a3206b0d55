"""Kunstkammer: from a folder of drawn, struck or painted pictures to a classifier you can trust, and why it decided.

    import kunstkammer as kk

    health = kk.check("pages")
    run = kk.train("pages", recipe="comic-manga", out="runs/pages")
    print(run.metrics["accuracy"], run.zero_r["accuracy"])
    kk.predict("runs/pages", ["new-page.jpg"])

Every command is a function of the same name here. Nothing heavy is imported before the first use.

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
    from kunstkammer.web.serve import serve
    from kunstkammer.workflows.cartoonify import cartoonify
    from kunstkammer.workflows.check import check
    from kunstkammer.workflows.demo import demo
    from kunstkammer.workflows.draw import draw
    from kunstkammer.workflows.evaluate import evaluate
    from kunstkammer.workflows.explain import explain
    from kunstkammer.workflows.export import export
    from kunstkammer.workflows.fit_neighbours import fit_neighbours
    from kunstkammer.workflows.fit_patterns import fit_patterns
    from kunstkammer.workflows.listing import list
    from kunstkammer.workflows.predict import predict
    from kunstkammer.workflows.quality import explain_quality
    from kunstkammer.workflows.train import train
    from kunstkammer.workflows.transfer import transfer

_HOMES = {
    "read": "kunstkammer.data.readers.dispatch",
    "Recipe": "kunstkammer.training.recipe",
    "open_run": "kunstkammer.models.run",
    "cartoonify": "kunstkammer.workflows.cartoonify",
    "check": "kunstkammer.workflows.check",
    "demo": "kunstkammer.workflows.demo",
    "draw": "kunstkammer.workflows.draw",
    "train": "kunstkammer.workflows.train",
    "transfer": "kunstkammer.workflows.transfer",
    "evaluate": "kunstkammer.workflows.evaluate",
    "predict": "kunstkammer.workflows.predict",
    "explain": "kunstkammer.workflows.explain",
    "export": "kunstkammer.workflows.export",
    "explain_quality": "kunstkammer.workflows.quality",
    "fit_neighbours": "kunstkammer.workflows.fit_neighbours",
    "fit_patterns": "kunstkammer.workflows.fit_patterns",
    "list": "kunstkammer.workflows.listing",
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
