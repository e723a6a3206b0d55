"""What can go wrong between the parts of the web room; `api/problems.py` gives each its HTTP status."""

from __future__ import annotations

from collections.abc import Iterable

from kunstkammer.errors import KunstkammerError, ModelError, ResourceError, UnknownNameError, unknown_name


class NotThere(KunstkammerError):  # noqa: N818 (a state of affairs, not a fault)
    """There is no such picture, correction or token, or it is another visitor's (404)."""


class FileMissing(ResourceError):  # noqa: N818
    """A file that the database names is not where files are kept."""


class StorageFull(ResourceError):  # noqa: N818
    """The disk or the database takes no more; nothing was kept (507)."""


class QuotaFull(KunstkammerError):  # noqa: N818
    """This visitor may keep no more; nothing was kept (413)."""


class TooManyJobs(KunstkammerError):  # noqa: N818
    """This visitor has as many unfinished jobs as anybody may have (429)."""


class JobLost(KunstkammerError):  # noqa: N818
    """A job is not this worker's any more: it was removed, or another one took it over; nothing was kept."""


class NoModel(UnknownNameError):  # noqa: N818
    """No model is served by that name (404); the message carries the nearest one.

    >>> str(NoModel.named("comix", ["comics"]))
    "There is no model 'comix'. Did you mean 'comics'? Known: comics."
    """

    @classmethod
    def named(cls, name: str, known: Iterable[str]) -> NoModel:
        """Build it for the name that was asked for."""
        return cls(str(unknown_name("model", name, known)))


class ModelBroken(ModelError):  # noqa: N818
    """A model that is there but could not be opened, or fails when asked (503)."""


class Unfit(KunstkammerError):  # noqa: N818
    """What was asked does not fit the model: an explainer or label it does not have, no neighbours (422)."""


class Busy(KunstkammerError):  # noqa: N818
    """Too much is waiting already, or the server is stopping (503).

    Attributes:
        retry_after: seconds after which asking again makes sense.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
