"""The command: nothing but parsing and printing over the workflows.

May import: anything below `cli`; it uses `workflows`, `web.serve`, `errors` and `progress`.
Public: `main`.
"""

from __future__ import annotations


def main() -> None:
    """Run the command. Exit status: 0 done, 1 could not do it (one line on stderr), 2 wrong usage, 130 stopped."""
    from kunstkammer.cli.app import app

    app(prog_name="kunstkammer")
