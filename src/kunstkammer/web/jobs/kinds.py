"""What a kind of job is: one function, in a file of its own, that says which steps there are.

    @kind_of_job("explain", "Explain all your pictures by several methods")
    def explain(order: Order) -> Plan: ...

The function is asked when the job is ordered, where it refuses what cannot be, and again by whoever does it: each time
it must name the same steps for the same order, less those of pictures that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from kunstkammer import registry
from kunstkammer.web.errors import Unfit
from kunstkammer.web.house import StoreLike
from kunstkammer.web.records import Made, ModelCard


class SteadyDesk(Protocol):
    """What a step may ask of the models: `DeskLike.explain`, waiting for the answer however busy they are."""

    def explain(self, model: str, data: bytes, method: str, name: str = "") -> bytes:
        """Return a heat map, as `DeskLike.explain` does. Raises what that raises, but `Busy`."""
        ...


@dataclass(frozen=True)
class Hands:
    """What a step works with."""

    store: StoreLike
    desk: SteadyDesk


@dataclass(frozen=True)
class Order:
    """What was asked for.

    Attributes:
        visitor: who asks; parameters: what, as JSON; before: when: what came later is not in it;
        store: to look up what the visitor has; cards: the models that are served.
    """

    visitor: str
    parameters: Mapping[str, Any]
    before: datetime
    store: StoreLike
    cards: tuple[ModelCard, ...]


@dataclass(frozen=True)
class Step:
    """A part of a job that is kept when it is done.

    Attributes:
        key: unique in the job, and the same each time that the job is planned.
        picture: the id of the picture that it is about, None where it is about none.
        make: does it. Raises a `KunstkammerError` where this one cannot be done; the others are.
    """

    key: str
    picture: str | None
    make: Callable[[Hands], Made]


@dataclass(frozen=True)
class Plan:
    """The steps of a job, and its parameters with all that was left out filled in.

    models: name -> version of the models that it asks, which must stay the same while it runs.
    """

    parameters: Mapping[str, Any]
    steps: Sequence[Step]
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KindOfJob:
    """A member of the registry's kind "jobs".

    Attributes:
        plan: says the steps. Raises `Unfit`, `NoModel`, `DataError` for an order that cannot be.
        repeatable: whether a step that was interrupted may be done again. If not, a job whose worker died has failed.
    """

    plan: Callable[[Order], Plan]
    repeatable: bool


F = TypeVar("F", bound=Callable[[Order], Plan])


def kind_of_job(name: str, summary: str, *, repeatable: bool = True) -> Callable[[F], F]:
    """Return a decorator that files a kind of job in the registry."""

    def claim(plan: F) -> F:
        registry.register("jobs", name, summary)(KindOfJob(plan, repeatable))
        return plan

    return claim


def plan_of(
    kind: str,
    visitor: str,
    parameters: Mapping[str, Any],
    store: StoreLike,
    cards: tuple[ModelCard, ...],
    *,
    most: int,
    before: datetime | None = None,
) -> Plan:
    """Return the plan of an order. Raises `UnknownNameError` for a kind that is not, `Unfit` for one that is too long.

    most: steps that a job may have. before: when it was ordered; now if left out.
    """
    known: KindOfJob = registry.get("jobs", kind)
    plan = known.plan(Order(visitor, parameters, before or datetime.now(UTC), store, cards))
    if len(plan.steps) > most:
        raise Unfit(f"That would be {len(plan.steps):,} steps, and a job may have {most:,}; ask for fewer methods.")
    return plan
