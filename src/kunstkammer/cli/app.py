"""The verbs of the command. Each parses, calls the verb of the same name, and shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.corrections import corrections
from kunstkammer.cli.neighbours import fit_neighbours
from kunstkammer.cli.output import answers, show
from kunstkammer.cli.web import serve

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
MAKE = "Make things"

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

RECIPE_HELP = "A name of `kunstkammer list recipes`, or a YAML file."


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


@app.command(rich_help_panel=START)
@answers
def demo(
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("demo"),
    pictures: Annotated[int, typer.Option("-n", "--pictures", min=60, help="How many pages to draw.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pages, same model.")] = 0,
    json: Json = False,
) -> None:
    """Go the whole way on comic and manga pages that it draws itself, offline, in about a minute."""
    from kunstkammer.verbs.demo import demo as verb

    show(verb(out, n=pictures, seed=seed), json)


@app.command(rich_help_panel=START)
@answers
def draw(
    kind: Annotated[str, typer.Argument(help="What to draw; see: kunstkammer list drawings.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many pictures.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    json: Json = False,
) -> None:
    """Draw a collection with known truth, to try things on."""
    from kunstkammer.verbs.draw import draw as verb

    show(verb(kind, out=out, n=n, seed=seed), json)


@app.command("list", rich_help_panel=START)
@answers
def list_(
    kind: Annotated[
        str | None, typer.Argument(help="recipes, models, explainers, losses ...; all kinds if left out.")
    ] = None,
    json: Json = False,
) -> None:
    """List what there is of a kind: recipes, models, explainers, losses, augmentations, metrics, drawings."""
    from kunstkammer.verbs.listing import list as verb

    show(verb(kind), json)


@app.command(rich_help_panel=LOOK)
@answers
def check(
    data: Data,
    out: Annotated[Optional[Path], typer.Option(help="Also write an HTML page with the pictures.")] = None,  # noqa: UP045
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    json: Json = False,
) -> None:
    """Look a collection over: unreadable pictures, duplicates, leaks between splits, imbalance, odd sizes."""
    from kunstkammer.verbs.check import check as verb

    show(verb(data, out=out, label_column=label_column, label_separator=label_separator), json)


@app.command(rich_help_panel=LEARN)
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
        typer.Option(help="A second collection that lends its style (with training.style_mixing)."),
    ] = None,
    add: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Corrections, or more pictures, to learn from besides: never tested on. Several times."),
    ] = None,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    text_file: TextFile = None,
    json: Json = False,
) -> None:
    """Learn from a collection, measure on its test part, and write the report."""
    from kunstkammer.training.recipe import parse_settings
    from kunstkammer.verbs.train import train as verb

    settings = parse_settings(set_ or [])
    for key, value in {"data.label_column": label_column, "data.label_separator": label_separator}.items():
        if value is not None:
            settings[key] = value
    found = verb(
        data,
        recipe=recipe,
        out=out,
        settings=settings,
        resume=resume,
        style=style,
        text_file=text_file,
        add=add or None,
    )
    show(found, json)


@app.command(rich_help_panel=LEARN)
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
    json: Json = False,
) -> None:
    """Measure a model on a collection: every metric with its interval beside ZeroR, and the report.

    Several collections: the domain gap between the first and each other, side by side.
    """
    from kunstkammer.verbs.evaluate import evaluate as verb

    found = verb(
        run,
        *data,
        out=out,
        split=split,
        stability=stability,
        paired=paired,
        label_column=label_column,
        label_separator=label_separator,
        text_file=text_file,
    )
    show(found, json)


@app.command(rich_help_panel=LEARN)
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
    json: Json = False,
) -> None:
    """Learn from one kind of pictures without and with each preparation, and measure the error on another kind."""
    from kunstkammer.training.recipe import parse_settings
    from kunstkammer.verbs.transfer import transfer as verb

    asked = [part for part in conditions.split(",") if part.strip()] if conditions is not None else None
    settings = parse_settings(set_ or [])
    show(verb(a, b, recipe, out=out, seeds=seeds, conditions=asked, settings=settings, resume=resume), json)


@app.command(rich_help_panel=USE)
@answers
def predict(
    run: Run,
    paths: Paths,
    out: Annotated[Optional[Path], typer.Option(help="Also write the predictions as .csv or .jsonl.")] = None,  # noqa: UP045
    top: Annotated[int, typer.Option(min=1, help="How many labels to show for each picture.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures the model sees at a time.")] = 32,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Probabilities that hold: see the calibration in the run's report.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what pictures show."""
    from kunstkammer.verbs.predict import predict as verb

    show(verb(run, paths, out=out, top=top, batch_size=batch_size, calibrated=calibrated), json)


@app.command(rich_help_panel=USE)
@answers
def explain(
    run: Run,
    out: Annotated[Path, typer.Option(help="The folder for heat maps (PNG and raw values).")],
    paths: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="Pictures and folders of pictures; or one table of pictures and their text."),
    ] = None,
    method: Annotated[
        str, typer.Option(help="One or more of `kunstkammer list explainers`, by comma; or all.")
    ] = "grad-cam",
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Explain this label; several by comma; or all. [default: the predicted one, or with many labels every "
            "one above 0.5]"
        ),
    ] = None,
    versus: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="What speaks for the target rather than for this label."),
    ] = None,
    raw: Annotated[str, typer.Option(help="The form of the raw values: npy or safetensors.")] = "npy",
    preferred: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="LABEL",
            help="Instead of explaining pictures, make one that the model would most readily call so; several labels "
            "by comma; or all.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where in a picture the model saw what it says."""
    from kunstkammer.errors import DataError
    from kunstkammer.verbs.explain import explain as verb
    from kunstkammer.verbs.preferred import preferred as make

    if (preferred is None) == (not paths):
        raise DataError("Name the pictures to explain, or --preferred LABEL to have one made; not both, not neither.")
    if preferred is not None:
        show(make(run, preferred, versus=versus, out=out), json)
        return
    show(verb(run, paths or [], method=method, target=target, versus=versus, out=out, raw=raw), json)


@app.command("fit-patterns", rich_help_panel=USE)
@answers
def fit_patterns(
    run: Run,
    data: Data,
    pictures: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Use so many of the training pictures, drawn at random. [default: all]"),
    ] = None,
    estimator: Annotated[
        str, typer.Option(help="two-component (for networks with rectifiers), linear, or negative.")
    ] = "two-component",
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    json: Json = False,
) -> None:
    """Find what each layer of a model is about, for the methods pattern-net and pattern-attribution."""
    from kunstkammer.verbs.fit_patterns import fit_patterns as verb

    found = verb(
        run,
        data,
        pictures=pictures,
        estimator=estimator,
        label_column=label_column,
        label_separator=label_separator,
    )
    show(found, json)


@app.command(rich_help_panel=USE)
@answers
def export(
    run: Run,
    out: Annotated[Optional[Path], typer.Option(help="The folder to make. [default: RUN-onnx]")] = None,  # noqa: UP045
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX, the one form there is.")] = True,
    json: Json = False,
) -> None:
    """Write a model so that it answers without torch: as ONNX, with all that `serve` on a small host needs."""
    from kunstkammer.verbs.export import export as verb

    show(verb(run, out=out), json)


@app.command("explain-quality", rich_help_panel=USE)
@answers
def explain_quality(
    run: Run,
    data: Data,
    out: Annotated[Optional[Path], typer.Option(help="Where the report goes. [default: RUN/quality]")] = None,  # noqa: UP045
    method: Annotated[
        str, typer.Option(help="One or more of `kunstkammer list explainers`, by comma; or all.")
    ] = "all",
    pictures: Annotated[int, typer.Option(min=3, help="Measure on so many, drawn at random.")] = 100,
    patch: Annotated[int, typer.Option(min=1, help="Side of a patch in pixels of the model's input.")] = 9,
    steps: Annotated[int, typer.Option(min=1, help="Replace so many patches, at most.")] = 100,
    points: Annotated[int, typer.Option(min=2, help="Ask the model so many times along a curve, at most.")] = 26,
    fill: Annotated[str, typer.Option(help="What replaces a patch: mean, blur or inpaint.")] = "mean",
    relevance: Annotated[
        str, typer.Option(help="Of a patch: the sum of its map (signed) or of its amounts (absolute).")
    ] = "signed",
    signals: Annotated[int, typer.Option(min=0, help="Pictures for rho, layer by layer; 0: do not measure it.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same figures.")] = 0,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    json: Json = False,
) -> None:
    """Say which methods of explanation can be trusted on a model: do they find what it uses, do they depend on it?"""
    from kunstkammer.verbs.quality import explain_quality as verb

    found = verb(
        run,
        data,
        out=out,
        method=method,
        pictures=pictures,
        patch=patch,
        steps=steps,
        points=points,
        fill=fill,
        relevance=relevance,
        signals=signals,
        seed=seed,
        label_column=label_column,
        label_separator=label_separator,
    )
    show(found, json)


@app.command(rich_help_panel=MAKE)
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
    from kunstkammer.verbs.cartoonify import cartoonify as verb

    show(verb(paths, out=out, preset=preset, strength=strength, like=like, size=size, seed=seed), json)


app.command("fit-neighbours", rich_help_panel=USE)(fit_neighbours)
app.command(rich_help_panel=USE)(serve)
app.add_typer(corrections, rich_help_panel=USE)
