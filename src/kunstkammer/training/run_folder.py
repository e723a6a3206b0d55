"""The run folder: what stands in it beside the checkpoint, and how a stopped run is found again."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from kunstkammer.errors import KunstkammerError, RecipeError
from kunstkammer.files import write_json, write_text
from kunstkammer.models.digest import weight_files
from kunstkammer.models.run_files import FACTS_FILE, SPLIT_FILE, SplitRow, read_facts, write_split
from kunstkammer.training.recipe import Recipe
from kunstkammer.version import __version__

RECIPE_FILE = "recipe.yaml"
TEXT_FILES = ("text.json", "text.safetensors", "text-encoder")
VERSIONS_OF = ("torch", "transformers", "datasets", "kornia", "numpy", "pillow", "scikit-learn")


def start_run(run: Path, recipe: Recipe, rows: Sequence[SplitRow], facts: dict[str, Any]) -> None:
    """Make the run folder and write what is settled before the first step. `config.json` comes last of all."""
    write_text(run / RECIPE_FILE, recipe.to_yaml())
    write_split(run / SPLIT_FILE, rows)
    write_facts(run, recipe, {"status": "training", **facts})


def require_new(run: Path) -> None:
    """Raise where `run` exists already and is not an empty folder, so that nothing is overwritten."""
    if run.is_file():
        raise KunstkammerError(f"{run} is a file; name a folder that does not exist yet.")
    if run.is_dir() and any(run.iterdir()):
        what = "go on with --resume, or " if _holds_a_run(run) else ""
        if not what and {entry.name for entry in run.iterdir()} <= {RECIPE_FILE, SPLIT_FILE, *TEXT_FILES}:
            what = "it holds what a training that was stopped at once left and can be deleted; or "
        raise KunstkammerError(f"{run} exists already and is not empty; {what}name another folder.")


def _holds_a_run(run: Path) -> bool:
    """Say whether all that `start_run` writes is there; a kill in the middle of it leaves nothing worth resuming."""
    return all((run / name).is_file() for name in (RECIPE_FILE, SPLIT_FILE, FACTS_FILE))


def require_resumable(run: Path) -> None:
    """Raise where there is no stopped run in `run`."""
    if not _holds_a_run(run):
        raise KunstkammerError(f"There is no run to resume in {run}; train into a new folder without --resume.")
    facts = read_facts(run)
    if facts.get("status") == "finished":
        raise KunstkammerError(f"The run in {run} is finished; there is nothing to resume. Train into another folder.")


def holds_checkpoint(run: Path) -> bool:
    """Say whether a whole checkpoint stands in `run`: its config comes last, after the weights."""
    return (run / "config.json").is_file() and bool(weight_files(run))


def is_trained(run: Path) -> bool:
    """Say whether the training of a stopped run is done, so that only measuring is left."""
    facts = read_facts(run)
    return facts.get("status") == "trained" and "training" in facts and holds_checkpoint(run)


def resumed_recipe(run: Path, asked: Recipe | None) -> Recipe:
    """Return the recipe of a stopped run; raise `RecipeError` where another one is asked for now."""
    kept = Recipe.load(run / RECIPE_FILE)
    if asked is not None and asked != kept:
        key = _first_difference(asked.model_dump(), kept.model_dump())
        raise RecipeError(
            f"The run in {run} was started with another {key}; resume without --set and --recipe, or name a new folder."
        )
    return kept


def _first_difference(one: dict[str, Any], two: dict[str, Any]) -> str:
    for key, value in one.items():
        if value != two.get(key):
            inner = isinstance(value, dict) and isinstance(two.get(key), dict)
            return f"{key}.{_first_difference(value, two[key])}" if inner else key
    return "recipe"


def write_facts(run: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Write `run.json`: what was done, with what, and what is known of the data; no path of the user's machine."""
    versions = {name: metadata.version(name) for name in VERSIONS_OF}
    environment = {"kunstkammer": __version__, "python": platform.python_version(), **versions}
    write_json(run / FACTS_FILE, {**facts, "versions": environment, "recipe": recipe.model_dump(mode="json")})
