"""How quickly pictures are answered, measured while there is a queue: what a visitor is told who comes too late."""

from __future__ import annotations

import time

MEMORY = 0.9
"""Weight of what was known before, for each picture that is answered."""


class Pace:
    """Counts what waits and what is done. Used from one thread (the event loop)."""

    def __init__(self, most: int, *, seconds: float = 0.05) -> None:
        """`most` may wait; `seconds` a picture stand in until some were measured."""
        self.most, self.waiting, self._seconds = most, 0, seconds
        self._since = 0.0

    def full(self) -> bool:
        """Say whether no more may wait."""
        return self.waiting >= self.most

    def come(self) -> None:
        """Count one that waits from now on."""
        if not self.waiting:
            self._since = time.monotonic()
        self.waiting += 1

    def gone(self, answered: bool) -> None:
        """Count one that does not wait any more."""
        self.waiting -= 1
        if answered:  # the time since the one before, as there was always one waiting in between
            now = time.monotonic()
            self._seconds = MEMORY * self._seconds + (1 - MEMORY) * (now - self._since)
            self._since = now

    def retry_after(self) -> float:
        """Return the seconds after which half of what waits is answered, from 1 to 60.

        >>> pace = Pace(4, seconds=0.5)
        >>> for _ in range(32):
        ...     pace.come()
        >>> pace.full(), pace.retry_after()
        (True, 8.0)
        """
        return min(60.0, max(1.0, self.waiting * self._seconds / 2))
