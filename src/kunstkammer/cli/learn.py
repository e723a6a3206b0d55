"""The commands that learn and measure. Each parses, calls its workflow, and shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import RECIPE_HELP, Changes, Data, Device, Json, LabelColumn, LabelSeparator, Run, TextFile
from kunstkammer.cli.output import answers, show


@answers
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    recipe: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help=f"{RECIPE_HELP} [default: comic-manga-best]"),
    ] = None,
    set_: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped, exactly.")] = False,
    style: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A second collection that lends its style (with learning.style_mixing)."),
    ] = None,
    add: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Corrections, or more pictures, to learn from besides: never tested on. Several times."),
    ] = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    text_file: TextFile = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Learn from a collection, measure on its test part, and write the report."""
    from kunstkammer.training.recipe import parse_settings
    from kunstkammer.workflows.train import train as workflow

    settings = parse_settings(set_ or [])
    for key, value in {"data.label_column": label_column, "data.label_separator": label_separator}.items():
        if value is not None:
            settings[key] = value
    found = workflow(
        data,
        recipe=recipe,
        out=out,
        settings=settings,
        resume=resume,
        style=style,
        text_file=text_file,
        add=add or None,
        device=device,
    )
    show(found, json)


@answers
def evaluate(
    run: Run,
    data: Annotated[list[str], typer.Argument(help="One set of pictures, or several: the first beside each other.")],
    out: Annotated[Optional[Path], typer.Option(help="Where the report goes. [default: RUN/evaluation-NAME]")] = None,  # noqa: UP045
    split: Annotated[
        str, typer.Option(help="auto: the test part if there is one; or train, validation, test, all.")
    ] = "auto",
    stability: Annotated[int, typer.Option(min=0, help="Pictures on which slight changes are tried; 0: none.")] = 100,
    paired: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--paired/--unpaired", help="Pictures of one name belong together. [default: seen by itself]"),
    ] = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    text_file: TextFile = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Measure a model on a collection: every metric with its interval beside ZeroR, and the report.

    Several collections: the domain gap between the first and each other, side by side.
    """
    from kunstkammer.workflows.evaluate import evaluate as workflow

    found = workflow(
        run,
        *data,
        out=out,
        split=split,
        stability=stability,
        paired=paired,
        label_column=label_column,
        label_separator=label_separator,
        text_file=text_file,
        device=device,
    )
    show(found, json)


@answers
def transfer(
    a: Annotated[str, typer.Argument(help="What is learnt from, for example photographs.")],
    b: Annotated[str, typer.Argument(help="What it is wanted for, for example drawings; its labels only measure.")],
    out: Annotated[Path, typer.Option(help="The folder for all runs and the report.")],
    recipe: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help=f"{RECIPE_HELP} [default: emotion-augmented]"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each condition.")] = 3,
    conditions: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="By comma: presets of cartoonify, like (fitted to B), style-mixing, names of `kunstkammer list "
            "adaptations`, several joined by +. [default: all single ones]"
        ),
    ] = None,
    set_: Changes = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an experiment that was stopped.")] = False,
    device: Device = None,
    json: Json = False,
) -> None:
    """Learn from one kind of pictures without and with each preparation, and measure the error on another kind."""
    from kunstkammer.training.recipe import parse_settings
    from kunstkammer.workflows.transfer import transfer as workflow

    asked = [part for part in conditions.split(",") if part.strip()] if conditions is not None else None
    settings = parse_settings(set_ or [])
    show(
        workflow(a, b, recipe, out=out, seeds=seeds, conditions=asked, settings=settings, resume=resume, device=device),
        json,
    )
