"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, everything else on stderr.")]
Data = Annotated[str, typer.Argument(help="A folder of class folders, split folders, a CSV, JSONL, COCO file ...")]
Run = Annotated[str, typer.Argument(help="A run folder, a checkpoint folder or a hub id.")]
Paths = Annotated[
    list[str], typer.Argument(help="Pictures and folders of pictures; or one table of pictures and their text.")
]
LabelColumn = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="The column of a table that holds the label; or several by comma, with 0 or 1 for one label each."
    ),
]
LabelSeparator = Annotated[Optional[str], typer.Option(help="What stands between several labels.")]  # noqa: UP045

TextFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="A table or .json list with the text in each picture, where the data has it not."),
]

Changes = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, for example training.epochs=3."),
]

Device = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Where the network runs: auto, cpu, cuda or mps. [default: KUNSTKAMMER_DEVICE, else auto]"),
]

RECIPE_HELP = "A name of `kunstkammer list recipes`, or a YAML file."
