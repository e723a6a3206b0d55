"""explain-quality: which methods of explanation can be trusted on this model, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError
from kunstkammer.progress import say
from kunstkammer.workflows.quality_found import Quality

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.explanation.patterns.store import Patterns
    from kunstkammer.models.run import Run


def explain_quality(
    run: str | Path,
    data: Any,
    *,
    out: str | Path | None = None,
    method: str | Sequence[str] = "all",
    pictures: int = 100,
    patch: int = 9,
    steps: int = 100,
    points: int = 26,
    fill: str = "mean",
    relevance: str = "signed",
    signals: int = 1500,
    seed: int = 0,
    label_column: str | None = None,
    label_separator: str | None = None,
    device: str | None = None,
) -> Quality:
    """Try the methods of explanation on a model: which find what it uses, which depend on it, which are better.

    (1) rho of the signal estimators, layer by layer; (2) picture degradation, most and least relevant patches first,
    against a random order; (3) sanity: layers drawn anew, another class, what is kept of the logit, and boxes where the
    collection has them; (4) the same pictures under all methods; (5) the claims of Kindermans et al. 2017, tested.

    A walk that was stopped goes on where it was when it is asked the same again.

    Args:
        run: a run folder, a checkpoint folder or a hub id.
        data: any form of a collection that `kunstkammer.read` knows; labels are not needed. Measured is its test part
            (the run's own for the collection that it learnt from), all of it where it has none.
        out: the folder for report.html, quality.json, CSVs and figures; RUN/quality where not given.
        method: names of registered explainers, as a list or joined by commas; "all" for all that the model can have.
        pictures: measure on so many, at most, drawn at random, of copies one.
        patch, steps, fill: side of a patch, patches to replace, and what replaces them, as for `degradation.degrade`.
        points: look at the probability at so many numbers of patches, evenly spread.
        relevance: of a patch: the sum of its map ("signed", as in the paper) or of its amounts ("absolute").
        signals: use so many pictures for rho, at most; 0: do not measure it.
        seed: of all that is drawn at random.
        label_column, label_separator: as for `kunstkammer.read`.
        device: where the network runs, "auto", "cpu", "cuda" or "mps"; as for `open_run` where not given.

    Patterns are those of RUN/patterns.safetensors, else they are fitted on the training part, or on pictures that are
    not measured where there are no parts.

    Raises:
        UnknownNameError: no such method, fill or relevance.
        DataError: fewer than three pictures to measure on, or the collection cannot be read.
        ModelError: the model cannot be opened, sees pictures smaller than a patch, none of the methods can be had, or
            the patterns beside it belong to other weights.
    """
    from kunstkammer.data.readers import read
    from kunstkammer.explanation.facts import facts_of
    from kunstkammer.explanation.quality.plan import Plan, check_plan, methods_asked
    from kunstkammer.models.run import open_run
    from kunstkammer.workflows.quality_parts import plan_parts, say_unreadable
    from kunstkammer.workflows.quality_trial import Trial

    methods = methods_asked(method)
    by_patterns = any(facts_of(name).patterns for name in methods)
    plan = Plan(methods, patch, steps, points, fill, relevance, seed=seed)
    if pictures < 1 or signals < 0:
        raise DataError(f"pictures is {pictures} and signals {signals}; give at least 1 and 0.")
    checkpoint = open_run(run, device)
    check_plan(plan, checkpoint.geometry.input_size)
    patterns = _own_patterns(checkpoint) if by_patterns else None
    collection = read(data, label_column=label_column, label_separator=label_separator)
    seen = _look(collection, checkpoint)
    say_unreadable(list(seen.errors.values()))
    fits = patterns is None and by_patterns
    parts = plan_parts(checkpoint, collection, seen, pictures=pictures, signals=signals, fits=fits, seed=seed)
    folder = Path(out) if out is not None else (Path(run) if Path(run).is_dir() else Path()) / "quality"
    say(f"Measuring {len(methods)} methods on {len(parts.measured)} pictures ({parts.name}) of {collection.name}.")
    return Trial(checkpoint, collection, seen, parts, plan, patterns, signals, folder).run()


def _own_patterns(checkpoint: Run) -> Patterns | None:
    """Return the patterns beside the model, None where there are none. Raises `ModelError` for those of another."""
    from kunstkammer.explanation.patterns.store import PATTERNS_FILE, Patterns

    file = Path(checkpoint.path) / PATTERNS_FILE
    if not file.is_file():
        return None
    patterns = Patterns.load(file)
    patterns.check(checkpoint.model)
    return patterns


def _look(collection: Collection, checkpoint: Run) -> Survey:
    from kunstkammer.data.survey import survey

    return survey(collection, checkpoint.plate_settings)
