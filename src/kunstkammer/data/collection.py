"""`Collection`: many pictures with their labels, over one Hugging Face `datasets` table that decodes none of them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pyarrow as pa

from kunstkammer.data.objects import (
    OBJECTS,
    cell_of,
    detections_of,
    holds_boxes,
    objects_array,
    tidy_objects,
    without_categories,
)
from kunstkammer.data.texts import CAPTION_COLUMNS, caption_column, captions_of
from kunstkammer.errors import DataError, PictureError, guess
from kunstkammer.pictures.detections import Detections
from kunstkammer.pictures.read import read_picture

if TYPE_CHECKING:
    from PIL import Image

SPLITS = ("train", "validation", "test")
OWN_COLUMNS = ("file", "image", "labels", "split")
IMAGE_TYPE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])

# Above this size rows are selected by an index over the table; below it they are copied, which is faster to read.
_COPY_BYTES = 1 << 30


@dataclass(frozen=True, repr=False)
class Collection:
    """Many pictures, their labels and their splits. Immutable: every change gives a new collection.

    Attributes:
        table: columns `file` (str, unique, POSIX, relative to the collection where it lies in one), `image`
            (`datasets.Image(decode=False)`: path or bytes), `labels` (list[str], sorted), `split` ("train",
            "validation", "test" or ""), and any others as they came; `objects` holds the boxes (see `detections`).
        name: what to call it in a report.
        multi_label: whether a picture may carry several labels (or none of them).
        label_names: the labels that count; the index of a label is its place here. Sorted, unless `with_label_names`
            gave another order.
        root: the folder that `file` is relative to; None for a table in memory.
        empty_classes: class folders in which there is no picture, as paths below `root`.
        ignored: (file, reason) of what lay between the pictures and was passed over.
        notes: sentences on how the data was understood where it could be understood in another way.
    """

    table: datasets.Dataset
    name: str
    multi_label: bool
    label_names: tuple[str, ...]
    root: Path | None = None
    empty_classes: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = field(default=())
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        kind = "labels" if self.multi_label else "classes"
        parts = ", ".join(f"{n} {split}" for split, n in Counter(self.splits).items() if split)
        extra = f", {parts}" if parts else ""
        return f"Collection({self.name!r}, {len(self)} pictures, {len(self.label_names)} {kind}{extra})"

    @cached_property
    def files(self) -> list[str]:
        """The name of each picture, unique in the collection."""
        return self.column("file")

    @cached_property
    def splits(self) -> list[str]:
        """The split of each picture: "train", "validation", "test", or "" where the data says nothing."""
        return self.column("split")

    @cached_property
    def labels(self) -> list[list[str]]:
        """The labels of each picture, sorted; an empty list where there is none."""
        return self.column("labels")

    @property
    def labelled(self) -> bool:
        """Whether any picture carries a label."""
        return any(self.labels)

    @property
    def column_names(self) -> list[str]:
        """The names of all columns of the table."""
        return list(self.table.column_names)

    @cached_property
    def paths(self) -> list[str | None]:
        """The path of each picture that is a file; None where the table holds its bytes."""
        return [path for chunk in self._arrow(["image"]).column("image").chunks for path in _paths_of(chunk)]

    def source(self, i: int) -> Path | bytes:
        """Return what `read_picture` takes for picture `i`: the path of its file, or its encoded bytes.

        Raises `PictureError` for a row that holds neither.
        """
        path = self.paths[i]
        if path is not None:
            return Path(path)
        cell = self.table.with_format(None)[range(len(self))[i]]["image"]
        held: bytes | None = cell and cell["bytes"]
        if held is None:
            raise PictureError(self.files[i], "neither a path nor bytes in the table")
        return held

    def open(self, i: int, **options: Any) -> Image.Image:
        """Read picture `i`; `options` go to `read_picture`. Raises `PictureError` under the name in `files`."""
        return read_picture(self.source(i), name=self.files[i], **options)

    @cached_property
    def _objects(self) -> list[Any] | None:
        """The cells of the column of boxes; None where there is no such column, or none that holds boxes."""
        cells = self.column(OBJECTS) if OBJECTS in self.column_names else []
        return cells if holds_boxes(cells) else None

    def detections(self, i: int) -> Detections:
        """Return the boxes of picture `i` in its pixels; none where there are none. Its size is not looked up."""
        return Detections() if self._objects is None else detections_of(self._objects[i], self.files[i])

    @cached_property
    def has_boxes(self) -> bool:
        """Whether any picture has a box."""
        return any(cell and len(cell["bbox"]) for cell in self._objects or ())

    @cached_property
    def box_labels(self) -> tuple[str, ...]:
        """The labels of all boxes, sorted; "" for boxes without one is left out."""
        cells = [cell for cell in self._objects or () if cell]
        return tuple(sorted({name for cell in cells for name in cell.get("category") or () if name}))

    @cached_property
    def _captions(self) -> list[tuple[str, ...]]:
        column = caption_column(self.column_names)
        return [()] * len(self) if column is None else [captions_of(cell) for cell in self.column(column)]

    def captions(self, i: int) -> tuple[str, ...]:
        """Return the captions of picture `i`, from the column `captions`, else `caption`, else `text`."""
        return self._captions[i]

    @property
    def has_captions(self) -> bool:
        """Whether any picture has a caption."""
        return any(self._captions)

    def targets(self) -> np.ndarray:
        """Return the labels as numbers.

        One label a picture: int64 (N,), the index into `label_names`, -1 where there is none (or none of these names).
        Several: float32 (N, K) multi-hot; a row of zeros is a picture that carries none of the labels.
        """
        place = {label: k for k, label in enumerate(self.label_names)}
        if not self.multi_label:
            firsts = (place.get(labels[0], -1) if labels else -1 for labels in self.labels)
            return np.fromiter(firsts, dtype=np.int64, count=len(self))
        hot = np.zeros((len(self), len(place)), dtype=np.float32)
        for i, labels in enumerate(self.labels):
            for label in labels:
                if label in place:
                    hot[i, place[label]] = 1.0
        return hot

    def counts(self) -> dict[str, int]:
        """Return how many pictures carry each label, in the order of `label_names`; 0 for one that none carries."""
        found = Counter(label for labels in self.labels for label in labels)
        return {label: found[label] for label in self.label_names}

    def column(self, name: str) -> list[Any]:
        """Return a column as a Python list. Raises `DataError` for an unknown one, with the nearest guess."""
        if name not in self.table.column_names:
            known = ", ".join(self.table.column_names)
            raise DataError(
                f"'{self.name}' has no column '{name}'.{guess(name, self.table.column_names)} Known: {known}."
            )
        values: list[Any] = self._arrow([name]).column(name).to_pylist()
        return values

    def select(self, indices: Sequence[int] | np.ndarray) -> Collection:
        """Return the pictures at `indices`, in that order, with the same `label_names`. Out of range is an error."""
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise DataError(f"'{self.name}' has pictures 0 to {len(self) - 1}; {int(wanted.max())} is not among them.")
        if self.table.data.nbytes > _COPY_BYTES:
            return replace(self, table=self.table.select(wanted))
        return replace(self, table=dataset_of(self._arrow().take(pa.array(wanted)), self.table.features))

    def part(self, split: str) -> Collection:
        """Return the pictures of one split ("train", "validation", "test" or ""); it may have none."""
        if split not in (*SPLITS, ""):
            raise DataError(f"There is no split '{split}'.{guess(split, SPLITS)} Known: {', '.join(SPLITS)}.")
        return self.select([i for i, own in enumerate(self.splits) if own == split])

    def with_column(self, name: str, values: Sequence[Any] | np.ndarray) -> Collection:
        """Return the collection with a column added, or replaced where it is there already.

        `file` and `image` say which picture is which and cannot be replaced. New values of `labels` leave `label_names`
        as they are. Values of `objects` are checked, as they are when a collection is read.
        """
        if name in ("file", "image"):
            raise DataError(f"The column '{name}' says which picture is which and cannot be replaced.")
        values = values.tolist() if isinstance(values, np.ndarray) else list(values)
        if len(values) != len(self):
            raise DataError(f"The column '{name}' has {len(values)} values for {len(self)} pictures.")
        if name == OBJECTS:
            values, _ = tidy_objects(values, self.files)
        features = datasets.Features({n: f for n, f in self.table.features.items() if n != name})
        array = column_array(name, values)
        features[name] = datasets.features.features.generate_from_arrow_type(array.type)
        table = self._arrow([n for n in self.column_names if n != name])
        return replace(self, table=dataset_of(table.append_column(name, array), features))

    def with_detections(self, found: Sequence[Detections]) -> Collection:
        """Return the collection with these boxes for its pictures, one `Detections` each, in pixels of the original.

        Kept as COCO boxes, so to within the rounding of `Detections.to_coco`.
        """
        return self.with_column(OBJECTS, [cell_of(own) for own in found])

    def with_label_names(self, names: Iterable[str]) -> Collection:
        """Return the collection with exactly these labels, in this order.

        Other labels are taken off the pictures; a picture that loses all it had is dropped, one that never had any
        stays. A name that no picture carries is allowed: a model may know more than this collection shows. Boxes of a
        label that is taken off go with it; those of what is no label here (panels on pages of comic and manga) stay.
        """
        names = tuple(names)
        if len(set(names)) != len(names):
            twice = next(name for name, n in Counter(names).items() if n > 1)
            raise DataError(f"The label '{twice}' is named twice; name each label once.")
        wanted = set(names)
        kept = [[label for label in labels if label in wanted] for labels in self.labels]
        stay = [i for i, (old, new) in enumerate(zip(self.labels, kept, strict=True)) if new or not old]
        changed = self if kept == self.labels else self.with_column("labels", kept)
        gone = {*self.label_names, *(label for labels in self.labels for label in labels)} - wanted
        if self._objects is not None and gone:
            changed = changed.with_column(OBJECTS, [without_categories(cell, gone) for cell in self._objects])
        chosen = changed if len(stay) == len(self) else changed.select(stay)
        return replace(chosen, label_names=names)

    def save(self, folder: str | Path, *, embed: bool = False) -> None:
        """Write `collection.parquet` and `collection.json` into `folder`; `read(folder)` gives the collection again.

        Pictures below `folder` are kept as relative paths, so that the folder may be moved; others as absolute ones,
        or, with `embed`, as their bytes. Raises `ResourceError` when the disk refuses, `DataError` for a picture to
        embed that is not there.
        """
        from kunstkammer.data.saving import save_collection

        save_collection(self, Path(folder), embed=embed)

    def _arrow(self, columns: list[str] | None = None) -> pa.Table:
        table = self.table if columns is None else self.table.select_columns(columns)
        return table.with_format("arrow")[:]


def make_collection(
    *,
    name: str,
    files: Sequence[str],
    sources: Sequence[str | bytes],
    labels: Sequence[Sequence[str]],
    splits: Sequence[str] | None = None,
    multi_label: bool = False,
    columns: Mapping[str, Sequence[Any]] | None = None,
    **facts: Any,
) -> Collection:
    """Build a `Collection` from columns of equal length; `facts` are the further attributes of `Collection`.

    `sources` are paths or encoded bytes. Labels are sorted and each kept once; `label_names` are those that occur.

    >>> files = ["a.png", "b.png"]
    >>> made = make_collection(name="pets", files=files, sources=files, labels=[["dog"], ["cat"]])
    >>> made.label_names, made.targets().tolist()
    (('cat', 'dog'), [1, 0])
    """
    tidy = [sorted(set(own)) for own in labels]
    paths = [None if isinstance(source, bytes) else str(source) for source in sources]
    held = [source if isinstance(source, bytes) else None for source in sources]
    arrays: dict[str, pa.Array] = {
        "file": pa.array(files, pa.string()),
        "image": pa.StructArray.from_arrays(
            [pa.array(held, pa.binary()), pa.array(paths, pa.string())], ["bytes", "path"]
        ),
        "labels": pa.array(tidy, pa.list_(pa.string())),
        "split": pa.array(splits if splits is not None else [""] * len(files), pa.string()),
    }
    for column, values in (columns or {}).items():
        if column not in OWN_COLUMNS:
            cells = tidy_objects(list(values), files)[0] if column == OBJECTS else list(values)
            arrays[column] = column_array(column, cells)
    features = datasets.Features(
        {
            n: datasets.Image(decode=False)
            if n == "image"
            else datasets.features.features.generate_from_arrow_type(a.type)
            for n, a in arrays.items()
        }
    )
    label_names = facts.pop("label_names", None) or tuple(sorted({label for own in tidy for label in own}))
    table = dataset_of(pa.table(arrays), features)
    return Collection(table=table, name=name, multi_label=multi_label, label_names=tuple(label_names), **facts)


def _paths_of(images: pa.StructArray) -> list[str | None]:
    # flatten(), for the parts of a row that is null are not null themselves
    held, paths = images.cast(IMAGE_TYPE).flatten()
    inside = held.is_valid().to_pylist()
    return [None if own else path or None for path, own in zip(paths.to_pylist(), inside, strict=True)]


def column_array(name: str, values: list[Any]) -> pa.Array:
    """Make an Arrow array; a column of mixed types becomes text rather than an error."""
    if name == "labels":
        return pa.array([sorted(own) for own in values], pa.list_(pa.string()))
    if name == "split":
        return pa.array(values, pa.string())
    if name == OBJECTS and holds_boxes(values):
        return objects_array(values, column_array)
    if name.lower() in CAPTION_COLUMNS and any(isinstance(value, list | tuple) for value in values):
        return pa.array([list(captions_of(value)) for value in values], pa.list_(pa.string()))
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array([None if value is None else str(value) for value in values], pa.string())
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def dataset_of(table: pa.Table, features: datasets.Features) -> datasets.Dataset:
    """Wrap an Arrow table; the fingerprint is given, for computing it would hash every byte of the table."""
    ordered = datasets.Features({name: features[name] for name in table.column_names})
    table = table.replace_schema_metadata(ordered.arrow_schema.metadata)
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=ordered), fingerprint=uuid.uuid4().hex)
