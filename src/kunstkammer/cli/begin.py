"""The commands to start with: demo, draw, list, check. Each parses, calls its workflow, and shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import Data, Device, Json, LabelColumn, LabelSeparator
from kunstkammer.cli.output import answers, show


@answers
def demo(
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("demo"),
    pictures: Annotated[int, typer.Option("-n", "--pictures", min=60, help="How many pages to draw.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pages, same model.")] = 0,
    device: Device = None,
    json: Json = False,
) -> None:
    """Go the whole way on comic and manga pages that it draws itself, offline, in about a minute."""
    from kunstkammer.workflows.demo import demo as workflow

    show(workflow(out, n=pictures, seed=seed, device=device), json)


@answers
def draw(
    kind: Annotated[str, typer.Argument(help="What to draw; see: kunstkammer list drawings.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many pictures.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    json: Json = False,
) -> None:
    """Draw a collection with known truth, to try things on."""
    from kunstkammer.workflows.draw import draw as workflow

    show(workflow(kind, out=out, n=n, seed=seed), json)


@answers
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="recipes, models, explainers, losses ...; all kinds if left out.")
    ] = None,
    json: Json = False,
) -> None:
    """List what there is of a kind: recipes, models, explainers, losses, augmentations, metrics, drawings."""
    from kunstkammer.workflows.listing import list as workflow

    show(workflow(kind), json)


@answers
def check(
    data: Data,
    out: Annotated[Optional[Path], typer.Option(help="Also write an HTML page with the pictures.")] = None,  # noqa: UP045
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    json: Json = False,
) -> None:
    """Look a collection over: unreadable pictures, duplicates, leaks between splits, imbalance, odd sizes."""
    from kunstkammer.workflows.check import check as workflow

    show(workflow(data, out=out, label_column=label_column, label_separator=label_separator), json)
