"""What a training that failed leaves: a whole checkpoint or a state stays, all else goes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from kunstkammer.errors import KunstkammerError, PictureError
from kunstkammer.progress import say


@contextlib.contextmanager
def nothing_left_behind(run: Path, resume: bool) -> Iterator[None]:
    """Empty `run` again where what happens inside fails before there is anything to go on with.

    A checkpoint that is written already is kept, and the error says so and how to go on.
    """
    existed = run.exists()
    try:
        yield
    except BaseException as error:
        from kunstkammer.training.run_folder import holds_checkpoint
        from kunstkammer.training.state import newest_state

        if holds_checkpoint(run):
            kept = f"The trained model is kept in {run}; measure it with: kunstkammer train DATA --out {run} --resume"
            if isinstance(error, KunstkammerError):
                kind = KunstkammerError if isinstance(error, PictureError) else type(error)
                raise kind(f"{error} {kept}") from error
            say(kept)
            error.add_note(kept)
            raise
        stopped = isinstance(error, KeyboardInterrupt)
        if not resume and not stopped and newest_state(run) is None and run.exists():
            for entry in run.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
            if not existed:
                run.rmdir()
        raise
