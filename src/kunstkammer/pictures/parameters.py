"""Named sets of parameters as recipes write them, `{name: ..., parameter: value}`, and what is said of a mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from kunstkammer import registry
from kunstkammer.errors import RecipeError, guess


def parse_named(kind: str, spec: Mapping[str, Any]) -> Any:
    """Return the member of a registry kind that `{"name": ..., parameter: value, ...}` describes, checked.

    Raises:
        UnknownNameError: there is no member of that name.
        RecipeError: no name, an unknown parameter, a wrong type, a value out of range; all mistakes on one line.
    """
    called = registry.SINGULAR[kind]
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        known = ", ".join(registry.names(kind))
        article = "An" if called[0] in "aeiou" else "A"
        raise RecipeError(
            f"{article} {called} is written as {{name: ..., parameter: value}}, not {spec!r}. Known: {known}."
        )
    member = registry.get(kind, spec["name"])
    values = {str(key): value for key, value in spec.items() if key != "name"}
    return built(member, values, f"{called.capitalize()} '{spec['name']}'")


def built(model: type[BaseModel], values: Mapping[str, Any], what: str) -> Any:
    """Return the model of these values; `RecipeError` says what is wrong with `what`, and the nearest guess."""
    try:
        return model(**values)
    except ValidationError as error:
        raise RecipeError(in_one_line(what, list(model.model_fields), error)) from error


def in_one_line(what: str, known: Sequence[str], error: ValidationError) -> str:
    """Say every mistake of one set of parameters on one line."""
    mistakes: dict[str, list[str]] = {}
    for problem in error.errors():
        field = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            said = f"no parameter '{field}'.{guess(field, known)} Known: {', '.join(known)}"
        elif problem["type"] in ("tuple_type", "too_long", "too_short", "missing") and field:
            said = "give a number or two numbers [low, high]"
        else:
            said = problem["msg"].removeprefix("Value error, ")
        mistakes.setdefault(field, [])
        # A field that takes one of several types reports each of them.
        if mistakes[field]:
            mistakes[field].append(said)
        else:
            shown = "" if not field or problem["type"] == "extra_forbidden" else f"{field} = {problem['input']!r}: "
            mistakes[field].append(shown + said)
    parts = [", or: ".join(dict.fromkeys(said)) for said in mistakes.values()]
    return f"{what}: {'; '.join(parts)}."
