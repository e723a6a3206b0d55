"""Files out of a multipart request, one at a time as they arrive: nothing touches the disk, memory has a bound."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from kunstkammer.web.doors.bodies import PART_BYTES
from kunstkammer.web.errors import Busy
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.settings import Settings
from kunstkammer.web.store.names import clean_name

FIELDS, FIELD_BYTES = 20, 2**14


@dataclass
class Upload:
    """One file of a request.

    Attributes:
        index: its place among the files, from 0; name: cleaned; data: its bytes, b"" where there is a problem;
        problem: why it cannot even be looked at.
    """

    index: int
    name: str
    data: bytes = b""
    problem: ProblemError | None = None


class Budget:
    """Bytes of uploads that all requests together may hold in memory at one moment."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    def take(self, size: int) -> None:
        """Count bytes in. `Busy` where they are too many."""
        if self.used + size > self.limit:
            raise Busy("Too many uploads arrive at this moment.", retry_after=5)
        self.used += size

    def give(self, size: int) -> None:
        """Count them out again."""
        self.used -= size


@dataclass
class _Part:
    field: str = ""
    file_name: str | None = None
    data: bytearray = dataclasses.field(default_factory=bytearray)
    size: int = 0


class _Collector:
    """The callbacks of the parser: parts that are whole wait in `done`."""

    def __init__(self, max_bytes: int, budget: Budget) -> None:
        self.max_bytes, self.budget = max_bytes, budget
        self.done: list[_Part] = []
        self.ended = False
        self.held = 0
        self.part = _Part()
        self._name, self._value, self._disposition = b"", b"", b""

    def callbacks(self) -> dict[str, object]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, name) for name in (*names, "headers_finished", "end")}

    def part_begin(self) -> None:
        self.part, self._disposition = _Part(), b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self.part.field = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            self.part.file_name = options[b"filename"].decode("utf-8", "replace")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        part = self.part
        part.size += end - start
        limit = self.max_bytes if part.file_name is not None else FIELD_BYTES
        if part.size > limit:
            self.release(len(part.data))
            part.data.clear()
        else:
            self.budget.take(end - start)
            self.held += end - start
            part.data += data[start:end]

    def part_end(self) -> None:
        self.done.append(self.part)

    def end(self) -> None:
        self.ended = True

    def release(self, size: int) -> None:
        self.budget.give(size)
        self.held -= size


async def uploads(request: Request, settings: Settings, budget: Budget) -> AsyncIterator[Upload]:
    """Yield the files of a multipart request as they arrive; an upload's bytes count until the next one is asked for.

    A file that is too large, the first of too many and an end that comes too soon are uploads with a `problem`; the
    files before them stay good. Raises `ProblemError` 415 where the request is no multipart form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise ProblemError("media-type", "Send the pictures as multipart/form-data, each in a part with a file name.")
    collector = _Collector(settings.max_bytes, budget)
    index, fields, stream = 0, 0, request.stream()
    try:
        parser = MultipartParser(options[b"boundary"], collector.callbacks(), max_header_size=PART_BYTES)  # type: ignore[arg-type]
        async for chunk in stream:
            parser.write(chunk)
            while collector.done:
                part = collector.done.pop(0)
                if part.file_name is None:
                    fields += 1
                    if fields > FIELDS:
                        raise FormParserError("too many fields")
                elif part.size or part.file_name:  # a form's empty file field is no file
                    upload = _upload(index, part, settings)
                    yield upload
                    index += 1
                    if index > settings.max_files:
                        await _drain(stream)
                        return
                collector.release(len(part.data))
        if not collector.ended:
            raise FormParserError("it ends too soon")
    except FormParserError as error:
        problem = ProblemError("bad-request", f"The multipart form cannot be read: {str(error)[:200]}.")
        await _drain(stream)
        yield Upload(index, clean_name(collector.part.file_name or ""), problem=problem)
    finally:
        collector.release(collector.held)


async def _drain(stream: AsyncIterator[bytes]) -> None:
    """Let the rest of a request arrive, so that its sender reads the answer; `bodies` bounds how much, how slowly."""
    with contextlib.suppress(ProblemError):
        async for _ in stream:
            pass


def _upload(index: int, part: _Part, settings: Settings) -> Upload:
    name = clean_name(part.file_name or "")
    if index >= settings.max_files:
        detail = f"A request may bring {settings.max_files} pictures at most; this one and all after it were left out."
        return Upload(index, name, problem=ProblemError("too-large", detail))
    if part.size > settings.max_bytes:
        detail = f"A picture may have {settings.max_bytes:,} bytes at most; this one has {part.size:,}."
        return Upload(index, name, problem=ProblemError("too-large", detail))
    return Upload(index, name, bytes(part.data))
