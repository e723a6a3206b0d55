"""The command: which commands there are, and under which heading `kunstkammer --help` shows them."""

from __future__ import annotations

from typing import Annotated

import typer

from kunstkammer.cli import begin, learn, make, use, web
from kunstkammer.cli.corrections import corrections

app = typer.Typer(
    name="kunstkammer",
    help="From a folder of drawn, struck or painted pictures to a classifier you can trust, and why it decided.",
    epilog="Start with: kunstkammer demo. Every command has --help. Nothing leaves this machine.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

START, LOOK, LEARN, USE = "Start here", "Look a collection over", "Learn and measure", "Use a model, and see why"
SHARE, MAKE = "Put it on the web", "Make things"


def _version(asked: bool) -> None:
    if asked:
        from kunstkammer.version import __version__

        typer.echo(f"kunstkammer {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a folder of drawn, struck or painted pictures to a classifier you can trust, and why it decided."""


app.command(rich_help_panel=START)(begin.demo)
app.command(rich_help_panel=START)(begin.draw)
app.command("list", rich_help_panel=START)(begin.list_)
app.command(rich_help_panel=LOOK)(begin.check)
app.command(rich_help_panel=LEARN)(learn.train)
app.command(rich_help_panel=LEARN)(learn.evaluate)
app.command(rich_help_panel=LEARN)(learn.transfer)
app.command(rich_help_panel=USE)(use.predict)
app.command(rich_help_panel=USE)(use.explain)
app.command("fit-patterns", rich_help_panel=USE)(use.fit_patterns)
app.command("explain-quality", rich_help_panel=USE)(use.explain_quality)
app.command("fit-neighbours", rich_help_panel=USE)(use.fit_neighbours)
app.command(rich_help_panel=SHARE)(use.export)
app.command(rich_help_panel=SHARE)(web.serve)
app.add_typer(corrections, rich_help_panel=SHARE)
app.command(rich_help_panel=MAKE)(make.cartoonify)
