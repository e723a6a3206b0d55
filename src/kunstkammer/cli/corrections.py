"""`kunstkammer corrections`: what people said of the pictures on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import Json
from kunstkammer.cli.output import answers, show

corrections = typer.Typer(name="corrections", help="What people corrected on the page.", no_args_is_help=True)


@corrections.callback()
def root() -> None:
    """What people corrected on the page."""


@corrections.command()
@answers
def export(
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The server's folder. Default: kunstkammer-web."),
    ] = None,
    database: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The server's database, where it is not in its folder."),
    ] = None,
    pictures: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The server's place for pictures, where that is not in its folder."),
    ] = None,
    model: Annotated[Optional[str], typer.Option(help="Corrections of this model alone.")] = None,  # noqa: UP045
    json: Json = False,
) -> None:
    """Write corrected pictures and their labels as a collection, for `kunstkammer train DATA --add`."""
    from kunstkammer.web.store.corrections import export as workflow

    show(workflow(out, folder=folder, database=database, pictures=pictures, model=model), json)
