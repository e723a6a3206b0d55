"""Run the benchmarks, print a table, write JSON: python -m benchmarks.run DATA [--only NAME ...] [--out FILE]."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contest import Found, Measure, Options, Skipped

JOBS = (
    "startup",
    "plates",
    "predict",
    "desk",
    "features",
    "training",
    "loops",
    "accuracy_precision",
    "memory",
    "cartoonify",
    "patterns",
    "serve",
    "rules",
    "degradation",
    "exported",
    "install",
)
ON_REQUEST = ("install",)
"""Benchmarks that only run when they are named: they need a network."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; return 0, or 1 where a benchmark cannot be carried out. A missed target is no error."""
    args = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        # Neither used nor filled: what earlier runs left in the user's cache would be a head start.
        os.environ["KUNSTKAMMER_CACHE"] = str(Path(scratch) / "cache")
        found, failed = _all(args, Path(scratch))
    print_table(found)
    return 1 if failed else 0


def _all(args: argparse.Namespace, scratch: Path) -> tuple[list[Found], bool]:
    """Run one benchmark after the other; return what they found, and whether one of them could not be carried out."""
    from benchmarks import machine
    from kunstkammer.errors import KunstkammerError
    from kunstkammer.files import write_json

    head: dict[str, Any] = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine.facts()}
    head["collection"] = args.data.resolve().name
    found: list[Found] = []
    failed = False

    def note(one: Found) -> None:
        print(one.to_text(), flush=True)
        found.append(one)
        if args.out:  # after each, so that nothing is lost when a later one is stopped
            write_json(args.out, {**head, **_as_json(found), "load_after": machine.load()})

    for name in chosen(args.only):
        folder = scratch / name
        folder.mkdir()
        try:
            for one in _job(name, _options(args, folder)):
                note(one)
        except KunstkammerError as error:
            print(f"Error: {name}: {error}", file=sys.stderr, flush=True)
            note(Skipped(name, "what is missing above", "it failed"))
            failed = True
        shutil.rmtree(folder)
    return found, failed


def chosen(only: Sequence[str] | None) -> list[str]:
    """Return the benchmarks to run, in the order of `JOBS`; all but those on request where none is named.

    >>> chosen(["training", "startup"])
    ['startup', 'training']
    """
    return [name for name in JOBS if (name in only if only else name not in ON_REQUEST)]


def _job(name: str, options: Options) -> Iterator[Found]:
    return importlib.import_module(f"benchmarks.{name}").measure(options)


def _as_json(found: Sequence[Found]) -> dict[str, Any]:
    return {
        "measures": [one.to_json() for one in found if isinstance(one, Measure)],
        "skipped": [vars(one) for one in found if isinstance(one, Skipped)],
    }


def print_table(found: Sequence[Found]) -> None:
    """Print the measures, and below them what was not measured and why, and how many targets were met."""
    from rich.console import Console
    from rich.table import Table

    table = Table("measure", "ours", "peer", "ratio", "target", "", title="Benchmarks", caption_justify="left")
    for one in found:
        if isinstance(one, Measure):
            peer = "" if one.peer is None else f"{one.peer:.4g}  {one.peer_name}"
            ratio = "" if one.ratio is None else f"{one.ratio:.3f}"
            target = "" if one.target is None else str(one.target)
            table.add_row(f"{one.job}: {one.name}", f"{one.ours:.4g} {one.unit}", peer, ratio, target, one.verdict)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(table)
    for one in found:
        if isinstance(one, Skipped):
            console.print(one.to_text())
    judged = [one for one in found if isinstance(one, Measure) and one.met is not None]
    console.print(f"{sum(1 for one in judged if one.met)} of {len(judged)} targets met.")


def summary(name: str) -> str:
    """Return the first line of a benchmark's description without importing it.

    >>> summary("loops")[:44]
    'What layout, precision and `transformers.Tra'
    """
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.run",
        description="Time Kunstkammer side by side with what a person would use instead, in the same run.",
        epilog="The benchmarks:\n" + "\n".join(f"  {name:<20}{summary(name)}" for name in JOBS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder of class folders, one label a picture")
    parser.add_argument("--only", nargs="+", choices=JOBS, metavar="NAME", help="run these alone")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    parser.add_argument("--keras-python", type=Path, help="a Python interpreter that has Keras (tensorflow-cpu)")
    parser.add_argument("--repeats", type=_positive, help="rounds of each contest (default: the benchmark's own)")
    parser.add_argument("--pictures", type=_positive, help="use only so many pictures of DATA (default: all)")
    parser.add_argument(
        "--epochs", type=_positive, default=Options.epochs, help="epochs of a timed training (%(default)s)"
    )
    parser.add_argument(
        "--counts", nargs=2, type=_positive, default=Options.counts, metavar=("FEW", "MANY"), help="sizes for memory"
    )
    parser.add_argument(
        "--drawn", type=_positive, default=Options.drawn, help="pages for accuracy_precision (%(default)s)"
    )
    parser.add_argument("--seeds", type=_positive, default=Options.seeds, help="seeds for it (%(default)s)")
    parser.add_argument("--compiled", action="store_true", help="let loops try torch.compile too")
    parser.add_argument(
        "--visitors", type=_positive, default=Options.visitors, help="who ask the server at once (%(default)s)"
    )
    parser.add_argument(
        "--load-seconds", type=float, default=Options.load_seconds, help="and for how long (%(default)s)"
    )
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _options(args: argparse.Namespace, scratch: Path) -> Options:
    return Options(
        data=args.data,
        scratch=scratch,
        repeats=args.repeats,
        pictures=args.pictures,
        epochs=args.epochs,
        keras_python=args.keras_python,
        counts=tuple(args.counts),
        drawn=args.drawn,
        seeds=args.seeds,
        compiled=args.compiled,
        visitors=args.visitors,
        load_seconds=args.load_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
