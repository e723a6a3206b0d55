"""What a command prints: its result on stdout, everything else on stderr, and one line for what went wrong."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol

import typer

from kunstkammer.errors import KunstkammerError
from kunstkammer.progress import say

P = ParamSpec("P")

FAILED, STOPPED = 1, 130

LEFT_OUT = ("torch", "transformers", "datasets", "sklearn", "scipy", "matplotlib", "kornia", "faiss", "accelerate")
"""What the distribution without torch leaves out."""


class Result(Protocol):
    """What every workflow returns."""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        ...

    def to_text(self) -> str:
        """Return what a person reads on the terminal."""
        ...


def show(result: Result, as_json: bool) -> None:
    """Print a result as text, or as one JSON object. Infinities and NaN, which JSON lacks, become null."""
    text = json.dumps(_finite(result.to_json()), ensure_ascii=False) if as_json else result.to_text()
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value


def answers(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command end in a status and at most one line: 0 done, 1 could not do it, 130 stopped by the user."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KunstkammerError as error:
            say(f"Error: {error}")
        except KeyboardInterrupt:
            say("Stopped. A training goes on from its last state with --resume.")
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            # The reader of our output has gone (`| head`), no error of ours; Python would complain once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        except MemoryError:
            say("Error: not enough memory; use a smaller training.batch_size or picture.size.")
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if os.environ.get("KUNSTKAMMER_TRACEBACK"):
                raise
            say(_unforeseen(error))
        else:
            return
        raise typer.Exit(FAILED)

    return wrapped


def _unforeseen(error: Exception) -> str:
    """Say in one line what no workflow expected."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in LEFT_OUT:
        return f"Error: this needs {error.name}, which is not installed (kunstkammer-slim only serves exported models)."
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("kunstkammer."):
        return f"Error: this needs {error.name}, which is not part of this installation; install kunstkammer whole."
    cause = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return f"Error inside Kunstkammer: {cause} (KUNSTKAMMER_TRACEBACK=1 shows where; please report it.)"
