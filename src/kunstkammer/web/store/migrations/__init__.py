"""The steps from an empty database to today's, one file a step in `versions/`; Alembic runs them when a store opens.

May import: nothing of the package; Alembic and SQLAlchemy alone.
Public: `versions`.
"""
