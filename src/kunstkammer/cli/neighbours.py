"""The command `fit-neighbours`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from kunstkammer.cli.output import answers, show


@answers
def fit_neighbours(
    run: Annotated[str, typer.Argument(help="A run folder or a checkpoint folder.")],
    data: Annotated[str, typer.Argument(help="The collection that it learnt from.")],
    pictures: Annotated[int, typer.Option(min=2, help="Keep so many of the training pictures at most.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing, where there are more.")] = 0,
    label_column: Annotated[Optional[str], typer.Option(help="The column of a table that holds the label.")] = None,  # noqa: UP045
    label_separator: Annotated[Optional[str], typer.Option(help="What stands between several labels.")] = None,  # noqa: UP045
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, all else on stderr.")] = False,
) -> None:
    """Keep a model's training pictures beside it: the page then shows the nearest, examples, and what is far off."""
    from kunstkammer.verbs.fit_neighbours import fit_neighbours as verb

    show(
        verb(run, data, pictures=pictures, seed=seed, label_column=label_column, label_separator=label_separator), json
    )
