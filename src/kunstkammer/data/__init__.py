"""Many pictures: collections, health, duplicates, splits, plates, drawn collections."""
