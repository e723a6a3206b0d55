"""The bench of a transfer experiment: two collections, one split of each, and a network for each condition and seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError, ResourceError
from kunstkammer.files import atomic_folder, write_json
from kunstkammer.progress import say
from kunstkammer.training.conditions import FITTED, Condition

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.evaluation.transfer import Result, Row
    from kunstkammer.models.geometry import PictureGeometry
    from kunstkammer.models.run import Run
    from kunstkammer.training.parts import Parts
    from kunstkammer.training.recipe import Recipe

FILES = ("on-a.csv", "on-b.csv")
"""A run's predictions on the test parts of A and of B; the second is written last of all."""

SHIFT_FILE = "shift.json"
"""How well a run's features tell A from B."""

FITTED_ON = 100
"""So many pictures of either side a cartoon is fitted on."""

EXAMPLES = 6


@dataclass
class Bench:
    """All that the conditions share.

    Attributes:
        a, b: the collections; seen_a, seen_b: their surveys; parts_a: which picture of A is for what.
        recipe: what every network learns by; folder: where everything goes; geometry: of the pictures.
        adapting, testing: which pictures of B lend what needs no labels, and which measure; groups_b: their groups.
        notes: what a reader must know; preparations: what has been fitted; device: where networks run.
    """

    a: Collection
    b: Collection
    recipe: Recipe
    folder: Path
    geometry: PictureGeometry
    seen_a: Survey
    seen_b: Survey
    parts_a: Parts
    adapting: np.ndarray
    testing: np.ndarray
    groups_b: np.ndarray
    notes: list[str] = field(default_factory=list)
    preparations: dict[str, tuple[list[dict[str, Any]] | None, str]] = field(default_factory=dict)
    device: str | None = None

    @classmethod
    def set_up(cls, a: Any, b: Any, recipe: Recipe, folder: Path, device: str | None = None) -> Bench:
        """Read both collections, look them over, and settle which pictures adapt and which measure."""
        from kunstkammer.data.copies import duplicate_groups
        from kunstkammer.data.groups import join_groups
        from kunstkammer.data.readers import read
        from kunstkammer.data.survey import survey
        from kunstkammer.data.trainable import require_trainable
        from kunstkammer.training.fit import recipe_model
        from kunstkammer.training.parts import plan_parts

        options = {"label_column": recipe.data.label_column, "label_separator": recipe.data.label_separator}
        first, second = (read(data, labels=recipe.data.labels, **options) for data in (a, b))
        require_trainable(first)
        common = set(first.label_names) & set(second.label_names)
        if len(common) < 2:
            raise DataError(
                f"{first.name} and {second.name} have {len(common)} labels in common ({', '.join(sorted(common))}); "
                "two or more are needed to measure a transfer."
            )
        _, geometry = recipe_model(recipe, first.label_names, first.multi_label)
        seen_a, seen_b = survey(first, geometry.plate), survey(second, geometry.plate)
        settled = _split_seed(recipe)
        parts = plan_parts(first, seen_a, recipe.data, settled)
        notes = list(parts.notes)
        learnt = {seen_a.sha256[i] for part in ("train", "validation") for i in parts.indices(part)}
        adapting, testing = _parts_of_b(second, seen_b, set(first.label_names), learnt, settled, notes)
        named = [second.column(name) for name in recipe.data.groups if name in second.column_names]
        groups = join_groups(duplicate_groups(seen_b), *named)
        bench = cls(first, second, recipe, folder, geometry, seen_a, seen_b, parts, adapting, testing, groups, notes)
        bench.device = device
        missing = sorted(set(first.label_names) ^ set(second.label_names))
        if missing:
            bench.notes.append(
                f"Labels that only one of the two has, and that are not measured on B: {', '.join(missing)}."
            )
        return bench

    @property
    def names(self) -> tuple[str, str]:
        """What A and B are called."""
        return (self.a.name, self.b.name) if self.a.name != self.b.name else (f"{self.a.name} A", f"{self.b.name} B")

    @property
    def counts(self) -> tuple[int, int]:
        """How many test pictures A and B have."""
        return len(self.parts_a.indices("test")), len(self.testing)

    def measure(self, condition: Condition, seeds: Sequence[int]) -> Result | None:
        """Train (or adapt) and measure a condition for every seed; None where there is nothing to train."""
        from kunstkammer.evaluation.transfer import Result

        if condition.mixing and self.recipe.model.train == "frozen":
            self.notes.append(f"{condition.name}: nothing to mix, the network is frozen; left out.")
            return None
        found, note = self.preparation(condition)
        if found is None:
            self.notes.append(f"{condition.name}: {note}")
            return None
        on_a: list[Predictions] = []
        on_b: list[Predictions] = []
        runs, shifts = [], []
        for seed in seeds:
            run = self.folder / "runs" / condition.name / f"seed-{seed}"
            if not all((run / name).is_file() for name in FILES):
                say(f"Condition {condition.name}, seed {seed}")
                self._make(condition, seed, found, run)
            checkpoint = _open(run, self.device)
            for part, name, predictions in zip("ab", FILES, (on_a, on_b), strict=True):
                predictions.append(self._predictions(checkpoint, part, run / name))
            shifts.append(self._shift(checkpoint, seed, run / SHIFT_FILE))
            runs.append(str(run))
        return Result(condition.name, on_a, on_b, runs, _mean(shifts), note)

    def preparation(self, condition: Condition) -> tuple[list[dict[str, Any]] | None, str]:
        """Return `picture.preparation` of a condition and a sentence on it; None where fitting found nothing better."""
        name = condition.preparation
        if name is None:
            return list(self.recipe.picture.preparation), ""
        if name != FITTED:
            return [{"name": "cartoonify", "preset": name}], ""
        if FITTED not in self.preparations:
            self.preparations[FITTED] = self._fit_preparation()
        return self.preparations[FITTED]

    def _fit_preparation(self) -> tuple[list[dict[str, Any]] | None, str]:
        from kunstkammer.pictures.cartoon import fit_cartoon
        from kunstkammer.registry import names

        say("Fitting a cartoon to the second collection's pictures, without their labels")
        random = np.random.default_rng((self.recipe.seed, 6))
        sources, targets = self.parts_a.indices("train"), self.adapting
        photographs, drawings = (
            list(_plates(seen)[np.sort(random.permutation(rows)[:FITTED_ON])])
            for seen, rows in ((self.seen_a, sources), (self.seen_b, targets))
        )
        tried = [fit_cartoon(photographs, drawings, preset, seed=self.recipe.seed) for preset in names("cartoons")]
        best = min(tried, key=lambda fitted: fitted.distance_after if fitted.strength else fitted.distance_before)
        if not best.strength:
            return None, "no preset brings the pictures of A nearer to those of B, so none was trained on."
        return [best.spec], best.sentence

    def _make(self, condition: Condition, seed: int, preparation: list[dict[str, Any]], run: Path) -> None:
        """Train the network of a condition without adaptation, or adapt the network of the one that it starts from."""
        if condition.adaptation is None:
            self._train(condition, seed, preparation, run)
            return
        base = self.folder / "runs" / condition.trained.name / f"seed-{seed}"
        if not all((base / name).is_file() for name in FILES):
            self._make(condition.trained, seed, preparation, base)
        self._adapt(condition, base, run)

    def _train(self, condition: Condition, seed: int, preparation: list[dict[str, Any]], run: Path) -> None:
        from kunstkammer.models.run_files import read_facts
        from kunstkammer.training.recipe import Recipe
        from kunstkammer.workflows.train import train_collection

        settings: dict[str, Any] = {
            "seed": seed,
            "data.split.seed": _split_seed(self.recipe),
            "picture.preparation": preparation,
            "evaluation": {"resamples": 100, "pictures": 0, "explainer": None, "stability": 0},
        }
        if condition.mixing and self.recipe.classification.style_mixing is None:
            settings["learning.style_mixing"] = {}
        recipe = Recipe.load(self.recipe, settings)
        status = read_facts(run).get("status")
        if status != "finished":
            style = self.b.select(self.adapting) if condition.mixing else None
            train_collection(self.a, recipe, run, resume=status is not None, others=style, device=self.device)
        checkpoint = _open(run, self.device)
        for part, name in zip("ab", FILES, strict=True):
            self._predictions(checkpoint, part, run / name)

    def _adapt(self, condition: Condition, base: Path, run: Path) -> None:
        from kunstkammer.models.run_files import FACTS_FILE, read_facts
        from kunstkammer.registry import get
        from kunstkammer.training.adaptations import Adaptable
        from kunstkammer.training.fit import write_checkpoint
        from kunstkammer.training.prepared import material
        from kunstkammer.training.recipe import Recipe
        from kunstkammer.training.run_folder import RECIPE_FILE

        checkpoint = _open(base, self.device)
        recipe = Recipe.load(base / RECIPE_FILE)
        known = material(self.a, self.seen_a, self.parts_a, recipe)
        groups = np.array([self.parts_a.rows[i].group for i in known.rows])
        plates = _plates(self.seen_b).select(self.adapting)
        get("adaptations", str(condition.adaptation))(
            Adaptable(checkpoint.model, checkpoint.geometry, recipe, known, groups, plates)
        )
        facts = {
            **read_facts(base),
            "adapted": {"by": condition.adaptation, "to": self.b.name, "pictures": len(plates)},
        }
        with atomic_folder(run) as partial:
            (partial / RECIPE_FILE).write_text(recipe.to_yaml(), encoding="utf-8")
            write_json(partial / FACTS_FILE, facts)
            write_checkpoint(partial, checkpoint.model.eval(), checkpoint.geometry)
            for part, name in zip("ab", FILES, strict=True):
                self._predictions(checkpoint, part, partial / name)

    def _part(self, which: str) -> tuple[Collection, Survey, np.ndarray]:
        if which == "a":
            return self.a, self.seen_a, self.parts_a.indices("test")
        return self.b, self.seen_b, self.testing

    def _predictions(self, checkpoint: Run, which: str, file: Path) -> Predictions:
        """Return the predictions on the test part of A or B, from their file where it is there."""
        from kunstkammer.data.plates import make_plates
        from kunstkammer.evaluation.predictions import Predictions, align_targets, predict_collection

        collection, seen, rows = self._part(which)
        chosen = collection.select(rows)
        if file.is_file():
            found = Predictions.load(file, multi_label=self.a.multi_label)
            found.targets = align_targets(chosen, found.label_names, self.a.multi_label)
            return found
        plates = _plates(seen).select(rows)
        if plates.settings != checkpoint.plate_settings:  # the network learned from grey, and answers from colours
            plates = make_plates(chosen, checkpoint.plate_settings, show_progress=False)
        found, _ = predict_collection(checkpoint, chosen, plates=plates, show_progress=False)
        found.save(file)
        return found

    def _shift(self, checkpoint: Run, seed: int, file: Path) -> float | None:
        """Return the AUC of a classifier that tells A's test pictures from B's by the network's features.

        None where there are too few pictures for such a classifier. It is kept in `file` and read from there again.
        """
        from kunstkammer.evaluation.domain_shift import FEWEST, domain_auc
        from kunstkammer.models.features import collect_features

        if min(self.counts) < FEWEST:
            return None
        if file.is_file():
            return float(json.loads(file.read_text(encoding="utf-8"))["auc"])
        features = []
        for which in "ab":
            _, seen, rows = self._part(which)
            features.append(collect_features(checkpoint.model, checkpoint.geometry, _plates(seen), rows=rows))
        auc = domain_auc(*features, seed=seed).value
        write_json(file, {"auc": auc})
        return auc

    def rows(self, results: Sequence[Result]) -> list[Row]:
        """Return a row for each result, compared with the first."""
        from kunstkammer.evaluation.transfer import compare_conditions

        groups_a = np.array([row.group for row in self.parts_a.rows])[self.parts_a.indices("test")]
        return compare_conditions(results, groups_a, self.groups_b[self.testing])

    def zero_r(self) -> tuple[float, float]:
        """Return the error on A and on B of always saying A's most frequent label."""
        from kunstkammer.evaluation.evaluate import zero_r_probabilities
        from kunstkammer.evaluation.predictions import Predictions, align_targets
        from kunstkammer.evaluation.transfer import picture_errors
        from kunstkammer.workflows.train import label_prior

        prior = label_prior(self.a, self.parts_a)
        found = []
        for which in "ab":
            collection, _, rows = self._part(which)
            chosen = collection.select(rows)
            said = zero_r_probabilities(prior, len(rows), multi_label=self.a.multi_label, decides=True)
            targets = align_targets(chosen, self.a.label_names, self.a.multi_label)
            predictions = Predictions(chosen.files, self.a.label_names, said, targets, self.a.multi_label)
            found.append(float(picture_errors([predictions]).mean()))
        return found[0], found[1]

    def examples(self) -> list[tuple[str, list[Image.Image]]]:
        """Return a few pictures of A, plain and under each preparation that was tried, and of B."""
        from kunstkammer.pictures.preparation import build_preparation
        from kunstkammer.pictures.scale import to_image
        from kunstkammer.registry import names

        rows = self.parts_a.indices("train")
        few = rows[np.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).astype(int)]
        plain: Tensor = _plates(self.seen_a)[few]
        tried = (
            sorted(path.name for path in (self.folder / "runs").iterdir()) if (self.folder / "runs").is_dir() else []
        )
        shown = [(self.names[0], [to_image(pixels) for pixels in plain])]
        for name in [*names("cartoons"), FITTED]:
            specs = self.preparation(Condition(name))[0] if name in tried else None
            preparation = build_preparation(specs) if specs else None
            if preparation is not None:
                shown.append((name, [to_image(pixels) for pixels in preparation(plain)]))
        others = self.testing[np.linspace(0, len(self.testing) - 1, min(EXAMPLES, len(self.testing))).astype(int)]
        shown.append((self.names[1], [to_image(pixels) for pixels in _plates(self.seen_b)[others]]))
        return shown


def _split_seed(recipe: Recipe) -> int:
    return recipe.seed if recipe.data.split.seed is None else recipe.data.split.seed


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _open(run: Path, device: str | None) -> Run:
    from kunstkammer.models.run import open_run

    return open_run(run, device)


def _plates(seen: Survey) -> Any:
    if seen.plates is None:
        raise ResourceError("The plates could not be made.")
    return seen.plates


def _parts_of_b(
    collection: Collection, seen: Survey, labels: set[str], learnt: set[str], seed: int, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pictures of B lend what needs no labels, and which measure.

    B's own test part measures and its training part adapts, where it has both; otherwise B is halved, copies kept
    together. A picture that A learnt from never measures.
    """
    from kunstkammer.data.copies import duplicate_groups
    from kunstkammer.data.split import split_collection

    readable = np.ones(len(collection), dtype=bool)
    readable[list(seen.errors)] = False
    usable = np.flatnonzero(readable)
    parts = np.array(collection.splits)
    if not {"train", "test"} <= set(parts[usable]):
        halves = split_collection(
            collection.select(usable), (0.5, 0.0, 0.5), groups=duplicate_groups(seen)[usable], seed=seed
        )
        parts = np.full(len(collection), "", dtype=object)
        parts[usable] = halves
        notes.append(
            f"{collection.name} has no parts of its own: half of it adapts, without labels, and half measures."
        )
    known = np.array([bool(set(names) & labels) for names in collection.labels])
    fresh = np.array([content not in learnt for content in seen.sha256])
    dropped = int((readable & (parts == "test") & known & ~fresh).sum())
    if dropped:
        notes.append(
            f"{dropped} test pictures of {collection.name} are ones that were learnt from; they do not measure."
        )
    testing = np.flatnonzero(readable & (parts == "test") & known & fresh)
    if not len(testing):
        raise DataError(f"{collection.name} has no picture to measure on that A has not learnt from.")
    return np.flatnonzero(readable & (parts == "train")), testing
