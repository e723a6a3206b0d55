"""`kunstkammer --help` and `import kunstkammer`, each in a fresh process, against the bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.contest import Contestant, Found, Options, Target, compare, contest, seconds

JOB = "startup"
HELP, IMPORT, BARE = "kunstkammer --help", "import kunstkammer", "bare interpreter"
TARGET = Target("value", "<", 0.3)


def measure(options: Options) -> Iterator[Found]:
    """Time processes from start to end."""
    commands = {
        HELP: [*kunstkammer_command(), "--help"],
        IMPORT: [sys.executable, "-c", "import kunstkammer"],
        BARE: [sys.executable, "-c", "pass"],
    }
    for command in commands.values():  # compiles what is not compiled yet
        _run(command)
    rounds = contest({name: _timed(name, command) for name, command in commands.items()}, options.rounds(10))
    yield compare(JOB, HELP, "s", rounds, ours=HELP, peer=BARE, target=TARGET)
    yield compare(JOB, IMPORT, "s", rounds, ours=IMPORT, peer=BARE)


def kunstkammer_command() -> list[str]:
    """Return the installed command beside this interpreter, else the same through the module."""
    for name in ("kunstkammer", "kunstkammer.exe"):
        installed = Path(sys.executable).with_name(name)
        if installed.is_file():
            return [str(installed)]
    return [sys.executable, "-c", "from kunstkammer.cli import main; main()"]


def _timed(name: str, command: Sequence[str]) -> Contestant:
    return lambda: {name: seconds(lambda: _run(command))}


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
