"""A pandas DataFrame with a column of files and a column of labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kunstkammer.data.collection import Collection
from kunstkammer.data.readers.labelled import ReadOptions, pictures_of_table
from kunstkammer.data.readers.tables import Table
from kunstkammer.errors import DataError

if TYPE_CHECKING:
    import pandas


def read_frame(frame: pandas.DataFrame, wish: ReadOptions, name: str) -> Collection:
    """Read a DataFrame; its file names are relative to the current folder. Columns are found as in a CSV.

    Messages count its rows from 0, as `iloc` does. Raises `DataError` as for any other table.
    """
    columns = [str(column) for column in frame.columns]
    twice = [column for column in columns if columns.count(column) > 1]
    if twice:
        raise DataError(f"The DataFrame has two columns named '{twice[0]}'; rename one.")
    if frame.empty:
        raise DataError("The DataFrame has no rows; give one row for each picture.")
    plain = frame.astype(object).where(frame.notna(), None)
    rows = [dict(zip(columns, row, strict=True)) for row in plain.itertuples(index=False, name=None)]
    table = Table(Path("DataFrame"), columns, rows, list(range(len(rows))))
    here = Path.cwd()
    return pictures_of_table(table, here, wish).collection(name, here)
