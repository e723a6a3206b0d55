"""The registry: one name, one thing, and what others need to know of it stands there and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kunstkammer import registry
from kunstkammer.errors import KunstkammerError, UnknownNameError
from kunstkammer.explanation.facts import UNKNOWN, ExplainerFacts, facts_of, methods_with
from kunstkammer.explanation.interface import option_names
from kunstkammer.explanation.order import in_order
from kunstkammer.web.inference import gradient_free
from kunstkammer.workflows.listing import list as list_verb
from tests.architecture.imports import modules


@pytest.fixture
def shelf() -> Iterator[dict[str, registry.Entry]]:
    """The explainers, put back as they were."""
    registry.names("explainers")
    own = registry._entries["explainers"]
    before = dict(own)
    yield own
    own.clear()
    own.update(before)


def test_registering_one_name_twice_is_an_error(shelf):
    registry.register("explainers", "my-own", "something")(print)
    with pytest.raises(KunstkammerError, match="explainer 'my-own' is registered twice"):
        registry.register("explainers", "my-own", "something")(print)


def test_registering_under_an_unknown_kind_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'explainers'"):
        registry.register("explainer", "my-own", "something")


def test_methods_without_facts_are_shown_last_and_count_as_unknown(shelf):
    registry.register("explainers", "a-my-own", "something")(len)
    assert facts_of("a-my-own") is UNKNOWN
    assert in_order(["a-my-own", "attention-lrp", "gradient"]) == ["gradient", "attention-lrp", "a-my-own"]
    assert methods_with(lambda facts: True)[-1] == "a-my-own"


@pytest.mark.parametrize("entry", registry.entries("explainers"), ids=lambda entry: entry.name)
def test_every_explainer_says_its_family_its_cost_and_what_it_needs(entry):
    facts = entry.facts
    assert isinstance(facts, ExplainerFacts)
    assert facts.patterns == ("patterns" in option_names(entry.thing))
    assert (facts.cheaper is not None) == (facts.cost == "many")
    if facts.boxes:
        assert {"low", "high"} <= set(option_names(entry.thing))
    if facts.cheaper is not None:
        assert set(facts.cheaper((28, 28)).options) <= set(option_names(entry.thing))
    if facts.twin:
        assert facts_of(facts.twin).family != facts.family


def test_a_list_shows_family_and_cost():
    found = list_verb("explainers")
    rows = {row["name"]: row for row in found.to_json()["explainers"]}
    assert rows["occlusion"] | {"family": "windows", "cost": "many", "gradients": False} == rows["occlusion"]
    assert rows["pattern-net"]["patterns"] is True
    line = next(line for line in found.to_text().splitlines() if line.split()[:1] == ["occlusion"])
    assert "family windows" in line
    assert "cost many" in line
    assert all(row["pretrained"] is False for row in list_verb("models").to_json()["models"])


def test_what_explains_an_exported_model_says_what_the_registry_says():
    for method in (gradient_free.GRAD_CAM, gradient_free.OCCLUSION):
        facts = facts_of(method.name)
        assert (method.family, method.slow) == (facts.family, facts.cost == "many")


def explainers_named_in(node: ast.AST, known: set[str]) -> list[str]:
    """Return the explainers that one literal list, tuple, set or dict (by its keys or its values) names."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        items: list[ast.expr | None] = list(node.elts)
    elif isinstance(node, ast.Dict):
        items = [*node.keys, *node.values]
    else:
        return []
    values = [item.value for item in items if isinstance(item, ast.Constant)]
    return [value for value in values if isinstance(value, str) and value in known]


def test_no_module_lists_explainers_by_hand():
    known = set(registry.names("explainers"))
    homes = set(registry.HOMES["explainers"])
    found = []
    for name, path in modules().items():
        if name in homes:
            continue
        for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
            named = explainers_named_in(node, known)
            if len(set(named)) > 1:
                found.append(f"{name}:{node.lineno} lists {', '.join(named)}")  # type: ignore[attr-defined]
    assert not found, "\n".join(["Let each explainer carry what is needed (ExplainerFacts):", *found])


def test_a_list_by_hand_would_be_found():
    known = {"gradient", "occlusion"}
    for text in ("('gradient', 'occlusion')", "{'gradient': 1, 'occlusion': 2}", "{1: 'gradient', 2: 'occlusion'}"):
        assert len(explainers_named_in(ast.parse(text, mode="eval").body, known)) == 2
