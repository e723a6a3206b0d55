"""The model card: `README.md` of a run, as model hubs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from kunstkammer.evaluation.evaluate import Evaluation
    from kunstkammer.models.run import Run
    from kunstkammer.training.recipe import Recipe

INTENDED = """\
Sorting and searching a collection like the one it learnt from: as a first guess that a person looks over. It knows the
labels above and nothing else: a picture of something else gets one of these labels all the same. Its probabilities are
measured in the report; on pictures of another origin they are worth less than there."""

TEXT = """\
It also reads the text in a picture (`text.json` says how). The pipeline above hands it the picture alone; with a table
of pictures and their text: `kunstkammer predict THIS-FOLDER TABLE.csv`.
"""


def model_card(*, name: str, recipe: Recipe, run: Run, facts: dict[str, Any], evaluation: Evaluation, part: str) -> str:
    """Return the card: what the model is for, what it learnt from, how good it is, and how to use it."""
    from kunstkammer.models.processors import OWN

    labels = run.label_names
    own_processor = run.geometry.to_processor()["image_processor_type"] == OWN
    front = {
        "library_name": "transformers",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "kunstkammer", recipe.name],
        "metrics": ["accuracy", "f1"],
    }
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {name}",
        "",
        f"Says which of {len(labels)} labels a picture shows: {', '.join(labels)}.",
        f"Made with Kunstkammer {facts['versions']['kunstkammer']}, recipe `{recipe.name}` "
        f"(`{recipe.model.name}`, seed {recipe.seed}).",
        "",
        "## What it is for",
        "",
        INTENDED,
        "",
        "## What it learnt from",
        "",
        *_data_lines(facts),
        "",
        "## How good it is",
        "",
        f"Measured on the {part} part, {evaluation.n} pictures, with 95 % intervals. ZeroR always says the most",
        "frequent label of the training part.",
        "",
        *_metric_table(evaluation),
        "",
        *_warnings(facts, evaluation),
        "## How to use it",
        "",
        "```python",
        "from transformers import pipeline",
        *(
            ["import kunstkammer  # makes its network or image processor known to transformers"]
            if recipe.model.name == "sketchnet" or recipe.text is not None or own_processor
            else []
        ),
        "",
        'classify = pipeline("image-classification", model="PATH/TO/THIS/FOLDER")',
        'classify("picture.jpg")',
        "```",
        "",
        *_answers(run),
        *(TEXT.splitlines() if recipe.text is not None else []),
    ]
    return "\n".join(lines)


def _answers(run: Run) -> list[str]:
    """Return what must be known of its probabilities."""
    lines = []
    if run.calibration is not None:
        lines.append(
            f"Its probabilities are calibrated on {run.calibration.pictures} pictures of the validation part: a "
            f"temperature of {run.calibration.temperature:.3g} is part of its weights."
        )
    if run.multi_label:
        which = "0.5" if run.thresholds is None else "`label_thresholds` in config.json, one for each label,"
        lines.append(
            f"A label is predicted where its probability is above {which}. `transformers` returns probabilities and "
            "ignores thresholds; Kunstkammer applies them on every path."
        )
    return [*lines, ""] if lines else []


def _data_lines(facts: dict[str, Any]) -> list[str]:
    data = facts["data"]
    parts = ", ".join(f"{count} for {part}" for part, count in data["parts"].items() if count)
    lines = [f'The collection "{data["name"]}", {data["pictures"]} pictures: {parts}.']
    classes = ", ".join(f"{label} {count}" for label, count in data["classes"].items())
    lines.append(f"Pictures a label: {classes}.")
    if data.get("licences"):
        lines.append("Licences of the pictures: " + ", ".join(f"{k} ({n})" for k, n in data["licences"].items()) + ".")
    else:
        lines.append("The collection names no licences of its pictures.")
    lines += [f"- {note}" for note in data.get("notes", [])]
    return lines


def _metric_table(evaluation: Evaluation) -> list[str]:
    lines = ["| metric | value | 95 % interval | ZeroR |", "| --- | --- | --- | --- |"]
    for name, interval in evaluation.metrics.items():
        zero = evaluation.zero_r.get(name)
        cells = [name.replace("_", " "), f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}"]
        lines.append(f"| {' | '.join(cells)} | {'' if zero is None else f'{zero:.3f}'} |")
    return lines


def _warnings(facts: dict[str, Any], evaluation: Evaluation) -> list[str]:
    warnings = list(facts.get("warnings", []))
    if evaluation.collapse.collapsed:
        warnings.insert(0, f"**Collapsed:** {evaluation.collapse.sentence}")
    return ["## What to know", "", *[f"- {warning}" for warning in warnings], ""] if warnings else []
