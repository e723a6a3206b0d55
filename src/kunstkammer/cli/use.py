"""The commands that use a model and say why. Each parses, calls its workflow, and shows what it returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from kunstkammer.cli.options import Data, Device, Json, LabelColumn, LabelSeparator, Paths, Run
from kunstkammer.cli.output import answers, show
from kunstkammer.errors import DataError


@answers
def predict(
    run: Run,
    paths: Paths,
    out: Annotated[Optional[Path], typer.Option(help="Also write the predictions as .csv or .jsonl.")] = None,  # noqa: UP045
    top: Annotated[int, typer.Option(min=1, help="How many labels to show for each picture.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures the model sees at a time.")] = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Say what pictures show."""
    from kunstkammer.workflows.predict import predict as workflow

    show(workflow(run, paths, out=out, top=top, batch_size=batch_size, device=device), json)


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
    device: Device = None,
    json: Json = False,
) -> None:
    """Show where in a picture the model saw what it says."""
    from kunstkammer.workflows.explain import explain as workflow
    from kunstkammer.workflows.preferred import preferred as make

    if (preferred is None) == (not paths):
        raise DataError("Name the pictures to explain, or --preferred LABEL to have one made; not both, not neither.")
    if preferred is not None:
        show(make(run, preferred, versus=versus, out=out, device=device), json)
        return
    show(workflow(run, paths or [], method=method, target=target, versus=versus, out=out, raw=raw, device=device), json)


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
    device: Device = None,
    json: Json = False,
) -> None:
    """Find what each layer of a model is about, for the methods pattern-net and pattern-attribution."""
    from kunstkammer.workflows.fit_patterns import fit_patterns as workflow

    found = workflow(
        run,
        data,
        pictures=pictures,
        estimator=estimator,
        label_column=label_column,
        label_separator=label_separator,
        device=device,
    )
    show(found, json)


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
    device: Device = None,
    json: Json = False,
) -> None:
    """Say which methods of explanation can be trusted on a model: do they find what it uses, do they depend on it?"""
    from kunstkammer.workflows.quality import explain_quality as workflow

    found = workflow(
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
        device=device,
    )
    show(found, json)


@answers
def export(
    run: Run,
    out: Annotated[Optional[Path], typer.Option(help="The folder to make. [default: RUN-onnx]")] = None,  # noqa: UP045
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX, the one form there is.")] = True,
    device: Device = None,
    json: Json = False,
) -> None:
    """Write a model so that it answers without torch: as ONNX, with all that `serve` on a small host needs."""
    from kunstkammer.workflows.export import export as workflow

    show(workflow(run, out=out, device=device), json)


@answers
def fit_neighbours(
    run: Run,
    data: Annotated[str, typer.Argument(help="The collection that it learnt from.")],
    pictures: Annotated[int, typer.Option(min=2, help="Keep so many of the training pictures at most.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing, where there are more.")] = 0,
    label_column: LabelColumn = None,
    label_separator: LabelSeparator = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Keep a model's training pictures beside it: the page then shows the nearest, examples, and what is far off."""
    from kunstkammer.workflows.fit_neighbours import fit_neighbours as workflow

    show(
        workflow(
            run,
            data,
            pictures=pictures,
            seed=seed,
            label_column=label_column,
            label_separator=label_separator,
            device=device,
        ),
        json,
    )
