"""Many pictures in one request, each with its own fate."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from fastapi import Request

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.api.schemas import UploadProblem
from kunstkammer.web.doors.uploads import Budget, Upload, uploads
from kunstkammer.web.house import House
from kunstkammer.web.problems import ProblemError, problem_of

T = TypeVar("T")
log = logging.getLogger("kunstkammer.web")


@dataclass
class Receipt(Generic[T]):
    """What became of one file: a result or a problem."""

    index: int
    name: str
    result: T | None = None
    problem: ProblemError | None = None

    def trouble(self) -> UploadProblem:
        """Return the problem with the file's place and name."""
        assert self.problem is not None
        return UploadProblem(index=self.index, name=self.name, **self.problem.document())


async def receive(request: Request, house: House, handle: Callable[[Upload], Awaitable[T]]) -> list[Receipt[T]]:
    """Give each file of a request to `handle` while the next ones arrive; returns the receipts in their order.

    As many files of one request are handled at once as there are processes that read pictures. Raises `ProblemError`
    where none was good: with the status of all their problems, 422 where these differ.
    """
    receipts: list[Receipt[T]] = []
    places = anyio.Semaphore(house.settings.decoders)
    budget: Budget = request.app.state.budget

    async def take(upload: Upload, receipt: Receipt[T]) -> None:
        try:
            receipt.result = await handle(upload)
        except KunstkammerError as error:
            receipt.problem = problem_of(error)
        finally:
            budget.give(len(upload.data))
            places.release()

    try:
        async with anyio.create_task_group() as group:
            async for upload in uploads(request, house.settings, budget):
                receipt: Receipt[T] = Receipt(upload.index, upload.name, problem=upload.problem)
                receipts.append(receipt)
                if upload.problem is None:
                    await places.acquire()
                    budget.take(len(upload.data))
                    group.start_soon(take, upload, receipt)
    except BaseExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    for receipt in receipts:
        request.app.state.metrics.uploads.labels(receipt.problem.kind if receipt.problem else "good").inc()
    _require_one(receipts)
    return receipts


def _require_one(receipts: list[Receipt[T]]) -> None:
    problems = [receipt.problem for receipt in receipts if receipt.problem]
    if not receipts:
        raise ProblemError("bad-request", "The form has no file in it; send each picture in a part with a file name.")
    if len(problems) == len(receipts):
        kinds = {problem.kind for problem in problems}
        kind = kinds.pop() if len(kinds) == 1 else "picture"
        headers = {name: value for problem in problems for name, value in (problem.headers or {}).items()}
        detail = problems[0].detail if len(problems) == 1 else f"None of the {len(problems)} pictures could be taken."
        troubles = [receipt.trouble().model_dump() for receipt in receipts]
        raise ProblemError(kind, detail, headers=headers, members={"problems": troubles})
