"""The commands that make things. Each parses, calls its workflow, and shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import Json, Paths
from kunstkammer.cli.output import answers, show


@answers
def cartoonify(
    paths: Paths,
    out: Annotated[Path, typer.Option(help="A folder; for one picture also a file (.png, .jpg).")],
    preset: Annotated[str, typer.Option(help="A name of `kunstkammer list cartoons`.")] = "comic",
    strength: Annotated[
        float, typer.Option(help="0 (unchanged) to 1 (a drawing), up to 1.5; found by itself with --like.")
    ] = 1.0,
    like: Annotated[Optional[str], typer.Option(help="Fit strength and lines to the drawings in this folder.")] = None,  # noqa: UP045
    size: Annotated[Optional[int], typer.Option(min=1, help="The longest side in pixels, where it is longer.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(min=0, help="Of paper and strokes.")] = 0,
    json: Json = False,
) -> None:
    """Turn photographs into drawings: comic, manga, pencil or flat."""
    from kunstkammer.workflows.cartoonify import cartoonify as workflow

    show(workflow(paths, out=out, preset=preset, strength=strength, like=like, size=size, seed=seed), json)
