"""One file a step; a step that was released is never changed.

May import: nothing of the package; Alembic and SQLAlchemy alone.
Public: none; Alembic reads the files.
"""
