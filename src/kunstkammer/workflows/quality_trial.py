"""The walk of `explain_quality` through its experiments: what is asked of the rooms below, in which order."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.errors import KunstkammerError, ModelError
from kunstkammer.progress import progress, say
from kunstkammer.workflows.quality_parts import FEWEST_FOR_SIGNALS, FEWEST_TO_FIT, Loader, Parts

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey
    from kunstkammer.evaluation.map_quality import Raw
    from kunstkammer.explanation.patterns.store import Patterns
    from kunstkammer.explanation.quality.plan import Plan, Subject
    from kunstkammer.explanation.quality.store import Arrays, Store
    from kunstkammer.explanation.signal import SignalQuality
    from kunstkammer.models.run import Run
    from kunstkammer.workflows.quality_found import Quality

SHOWN = 6
"""So many pictures stand in the figure of all methods."""
CASCADE_FITTING = 32
"""On so many pictures the patterns of a changed model are fitted."""
PER_INPUT = 3.0
"""rho is measured in layers with this many samples an input, or more."""


class Trial:
    """Walks through the experiments, and hands what they found to those who judge and draw."""

    def __init__(
        self,
        checkpoint: Run,
        collection: Collection,
        seen: Survey,
        parts: Parts,
        plan: Plan,
        patterns: Patterns | None,
        signals: int,
        out: Path,
    ) -> None:
        assert seen.plates is not None
        self.checkpoint, self.collection, self.seen, self.parts, self.plan = checkpoint, collection, seen, parts, plan
        self.patterns, self.signals, self.out = patterns, signals, out
        self.load = Loader(checkpoint, seen.plates)
        self.left_out: dict[str, str] = {}
        self.notes, self.facts = list(parts.notes), list[str]()
        if checkpoint.text is not None:
            self.notes.append("This is a scene model: it is tried on the pictures alone, without their text.")

    def run(self) -> Quality:
        """Do everything, write everything, and return what was found."""
        from kunstkammer.explanation.degradation import looked_at
        from kunstkammer.workflows.quality_files import write_all

        predicted, others = self._classes()
        subject = self._subject()
        store = self._store(predicted)
        signal, signal_note = self._signal(store)
        arrays, boxes = self._walk(subject, predicted, others, store)
        raws = self._raws(subject, predicted, arrays, store)
        size = self.checkpoint.geometry.input_size
        most = min(self.plan.steps, (size[0] // self.plan.patch) * (size[1] // self.plan.patch))
        found = self._judged(raws, arrays, signal, signal_note, boxes)
        comparison = self._comparison(subject, predicted, [row.name for row in found.methods])
        write_all(found, arrays, looked_at(most, self.plan.points), comparison, self._facts())
        store.clear()
        return found

    def _facts(self) -> dict[str, str]:
        import datetime

        config = self.checkpoint.model.config
        return {"model": str(config.model_type), "created": datetime.date.today().isoformat()}

    def _classes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the predicted class of each measured picture, and another class each (-1 where there is none)."""
        import torch

        from kunstkammer.explanation.task import borrowed, logits_of

        model = self.checkpoint.model
        with borrowed(model), torch.no_grad():
            logits = torch.cat([logits_of(model, batch).cpu() for batch in self.load.batches(self.parts.measured)])
        if not bool(logits.isfinite().all()):
            raise ModelError(f"{self.checkpoint.path} gives logits that are not finite; its weights are damaged.")
        predicted, classes = logits.argmax(dim=1).numpy(), logits.shape[1]
        if classes < 2:
            return predicted, np.full(len(predicted), -1)
        steps = np.random.default_rng(self.plan.seed).integers(1, classes, size=len(predicted))
        return predicted, (predicted + steps) % classes

    def _subject(self) -> Subject:
        """Return the model with its patterns: its own, or fitted here; where neither can be, why is in `left_out`."""
        from kunstkammer.explanation.facts import facts_of
        from kunstkammer.explanation.patterns.fit import fit_patterns
        from kunstkammer.explanation.quality.plan import LAYER, Subject

        asked = [name for name in self.plan.methods if facts_of(name).patterns]
        fitting, patterns = self.parts.fitting, self.patterns
        if asked and patterns is None:
            if len(fitting) < FEWEST_TO_FIT:
                why = (
                    f"There are {len(fitting)} pictures to fit patterns on beside those that are measured, at least "
                    f"{FEWEST_TO_FIT} are needed; fit them on others first: kunstkammer fit-patterns RUN DATA."
                )
                self.left_out.update(dict.fromkeys(asked, why))
            else:
                try:
                    patterns = fit_patterns(self.checkpoint.model, self.load.batches(fitting))
                    self.facts.append(
                        f"The patterns were fitted on {len(fitting)} pictures, none of which is measured."
                    )
                except KunstkammerError as error:
                    self.left_out.update(dict.fromkeys(asked, str(error)))
        elif asked and patterns is not None:
            self.facts.append(f"The patterns are those beside the model, fitted on {patterns.pictures} pictures.")
        some = fitting[:CASCADE_FITTING]
        subject = Subject(self.checkpoint.model, patterns, self.load(some) if len(some) >= FEWEST_TO_FIT else None)
        if patterns is not None:
            subject.scale_where_needed(self.load(self.parts.measured[:4]))
            self.facts += [
                f"{name}: raw values overflow in this network, so each layer hands back as much as it gets "
                f"(normalise='{LAYER}')."
                for name in subject.scaled
            ]
        return subject

    def _store(self, predicted: np.ndarray) -> Store:
        from kunstkammer.explanation.patterns.store import fingerprint
        from kunstkammer.explanation.quality.store import Store

        facts = {
            "weights": fingerprint(self.checkpoint.model),
            "patterns": None if self.patterns is None else self.patterns.pictures,
            "plan": asdict(self.plan),
            "measured": [self.seen.sha256[i] for i in self.parts.measured],
            "fitting": [self.seen.sha256[i] for i in self.parts.fitting],
            "signals": [[self.seen.sha256[i] for i in part] for part in self.parts.signals],
            "predicted": predicted.tolist(),
        }
        return Store(self.out / "unfinished", facts)

    def _signal(self, store: Store) -> tuple[SignalQuality | None, str]:
        """Return rho of every layer, or why it was not measured."""
        from kunstkammer.explanation.signal import SignalQuality, SignalRow, signal_quality

        if not self.signals:
            return None, "It was not asked for (signals 0)."
        if not self.parts.signals:
            count = len(self.collection) - self.parts.unreadable
            return None, (
                f"{count} readable pictures are too few for three separate parts; at least {FEWEST_FOR_SIGNALS} "
                "are needed."
            )

        def make() -> Arrays:
            fit, optimise, evaluate = (self.load.batches(part) for part in self.parts.signals)
            quality = signal_quality(
                self.checkpoint.model, fit, optimise, evaluate, fewest_per_input=PER_INPUT, seed=self.plan.seed
            )
            return {"json": np.array(json.dumps(quality.to_json()))}

        try:
            kept = json.loads(str(store.get("signal", make)["json"]))
        except KunstkammerError as error:
            return None, str(error)
        quality = SignalQuality([SignalRow(**row) for row in kept["rows"]], kept["patches"], kept["left_out"])
        if not quality.rows:
            return None, "No layer could be measured: " + "; ".join(f"{k}: {v}" for k, v in quality.left_out.items())
        return quality, ""

    def _walk(
        self, subject: Subject, predicted: np.ndarray, others: np.ndarray, store: Store
    ) -> tuple[Arrays, tuple[int, float] | None]:
        """Return what was measured on every picture, and how many have boxes and how much those cover."""
        from kunstkammer.explanation.quality.walk import Walk
        from kunstkammer.workflows.quality_parts import boxes_in_input

        measured = self.parts.measured
        boxes = boxes_in_input(self.checkpoint, self.collection, self.seen, measured, predicted)
        walk = Walk(
            subject, self.plan, lambda rows: self.load(measured[rows]), len(measured), predicted, others, boxes,
            len(self.checkpoint.label_names) == 2, dict(self.left_out),
        )  # fmt: skip
        with progress("measuring maps", len(measured) * len(self.plan.methods)) as advance:
            arrays = walk.run(store, advance)
        self.left_out = walk.left_out
        self._leave_out_twins(arrays)
        for name, why in self.left_out.items():
            say(f"Left out: {name}: {why}")
        if len(self.left_out) == len(self.plan.methods):
            store.clear()
            raise ModelError(f"None of the methods can be had; {next(iter(self.left_out.items()))[1]}")
        if boxes is None:
            return arrays, None
        size = self.checkpoint.geometry.input_size
        covered = [float(one.mask(size).mean()) for one in boxes if one]
        return arrays, (len(covered), float(np.mean(covered)))

    def _leave_out_twins(self, arrays: Arrays) -> None:
        """Leave out LRP for attention where there is no attention: it is LRP epsilon then, and would count twice."""
        from kunstkammer.explanation.facts import facts_of

        for name in self.plan.methods:
            twin = facts_of(name).twin
            one, other = arrays.get(f"most/{name}"), arrays.get(f"most/{twin}")
            if one is not None and other is not None and np.allclose(one, other, atol=1e-9):
                self.left_out[name] = f"In this network it is the same as {twin}: there is no attention."

    def _raws(self, subject: Subject, predicted: np.ndarray, arrays: Arrays, store: Store) -> dict[str, Raw]:
        """Return the raw figures by method, the cascade among them."""
        from dataclasses import replace

        from kunstkammer.evaluation.map_quality import Raw
        from kunstkammer.explanation.quality.cascades import run_cascades
        from kunstkammer.explanation.quality.plan import budget_of

        methods = tuple(name for name in self.plan.methods if name not in self.left_out)
        first = self.parts.measured[: self.plan.checked]
        with progress("drawing layers anew", len(methods)) as advance:
            cascades, failed = run_cascades(
                subject, replace(self.plan, methods=methods), self.load(first), predicted[: len(first)], store, advance
            )
        self.notes += [f"{name} could not be tried on a changed model: {why}" for name, why in failed.items()]
        size = self.checkpoint.geometry.input_size
        return {
            name: Raw(
                arrays[f"most/{name}"],
                arrays[f"least/{name}"],
                cascades.get(name, ()),
                **{key: arrays.get(f"{key}/{name}") for key in ("classes", "kept", "points", "energy")},
                note=budget_of(name, size).note,
                seconds=float(arrays[f"seconds/{name}"].mean()),
            )
            for name in methods
        }

    def _judged(
        self,
        raws: dict[str, Raw],
        arrays: Arrays,
        signal: SignalQuality | None,
        signal_note: str,
        boxes: tuple[int, float] | None,
    ) -> Quality:
        from kunstkammer.evaluation.map_quality import check_claims, judge, summarise_signal
        from kunstkammer.explanation.facts import methods_with
        from kunstkammer.explanation.patterns.moments import TARGETS
        from kunstkammer.explanation.signal import SIGNALS
        from kunstkammer.workflows.quality_found import Quality

        summaries = []
        if signal is not None:
            known = {(row.layer, row.estimator, row.target): row.rho for row in signal.rows}
            for target in TARGETS:
                whole = [one for one in signal.layers() if all((one, e, target) in known for e in SIGNALS)]
                rho = {e: [known[layer, e, target] for layer in whole] for e in SIGNALS}
                if whole:
                    summaries.append(summarise_signal(rho, target))
        settings = {k: v for k, v in asdict(self.plan).items() if k != "methods"}
        return Quality(
            run=self.checkpoint.path,
            data=self.collection.name,
            out=self.out,
            report=self.out / "report.html",
            part=self.parts.name,
            pictures=len(self.parts.measured),
            methods=[judge(name, raw, arrays["random"]) for name, raw in raws.items()],
            left_out=self.left_out,
            claims=check_claims(
                {name: raw.most for name, raw in raws.items()},
                methods_with(lambda facts: facts.claim == "claimed"),
                methods_with(lambda facts: facts.claim == "against"),
            ),
            signal=signal,
            signal_note=signal_note,
            summaries=summaries,
            boxes=boxes,
            notes=self.notes,
            facts=self.facts,
            settings=settings,
        )

    def _comparison(self, subject: Subject, predicted: np.ndarray, methods: list[str]) -> Image.Image:
        from kunstkammer.workflows.quality_files import comparison_figure
        from kunstkammer.workflows.quality_parts import pictures_to_show

        rows = self.parts.measured
        labels = self.checkpoint.label_names
        place = {name: k for k, name in enumerate(labels)}
        own = [self.collection.labels[i] for i in rows]
        truths = np.array([place.get(one[0], -1) if len(one) == 1 else -1 for one in own])
        shown = pictures_to_show(predicted, truths, SHOWN)
        return comparison_figure(self.checkpoint, subject, self.collection, rows[shown], predicted[shown], methods,
                                 [labels[truths[i]] if truths[i] >= 0 else None for i in shown])  # fmt: skip
