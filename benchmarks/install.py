"""Time and size of a fresh virtual environment, its ten largest packages (only when named: it needs a network)."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import Found, Measure, Options
from kunstkammer.errors import KunstkammerError

JOB = "install"
ROOT = Path(__file__).resolve().parents[1]
LARGEST = 10


def measure(options: Options) -> Iterator[Found]:
    """Install the checkout as `make install` does, not editable; the time depends on the network and pip's cache."""
    environment = options.scratch / "environment"
    start = time.perf_counter()
    _run([sys.executable, "-m", "venv", str(environment)])
    python = _python(environment)
    _run([python, "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(ROOT)])
    yield Measure(JOB, "a fresh virtual environment", "s", time.perf_counter() - start)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    sizes = {entry.name: size(entry) / 1e6 for entry in packages.iterdir() if entry.name != "__pycache__"}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
    note = "largest: " + ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in largest)
    yield Measure(JOB, "site-packages", "MB", sum(sizes.values()), rounds={n: [mb] for n, mb in largest}, note=note)


def size(entry: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; links are not followed."""
    if entry.is_symlink() or entry.is_file():
        return entry.lstat().st_size
    return sum(file.lstat().st_size for file in entry.rglob("*") if file.is_symlink() or file.is_file())


def _python(environment: Path) -> str:
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    return str(environment / scripts / "python")


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise KunstkammerError(f"{' '.join(command[:4])} failed: {last}") from error
