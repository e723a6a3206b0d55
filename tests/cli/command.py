"""Runs the command in this process, as a person would type it, and returns what came out."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """Exit status and what was printed."""

    status: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Return stdout as JSON; it must hold nothing else."""
        return json.loads(self.stdout)


def run(*words: str) -> Done:
    """Run `kunstkammer WORDS`."""
    from kunstkammer.cli.app import app

    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(list(words), prog_name="kunstkammer")
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    return Done(status, out.getvalue(), err.getvalue())
