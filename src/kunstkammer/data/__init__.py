"""Many pictures: collections, health, duplicates, splits, plates, drawn collections.

May import: `pictures`, `files`, `progress`, `registry`, `errors`.
Public: `collection.Collection`, `readers.read`, `survey`, `check`, `split`, `plates`, `copies.duplicate_groups`.
"""
