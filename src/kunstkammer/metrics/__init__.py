"""What a figure is, once for all who compute it: metrics, their intervals, and how probabilities become labels.

May import: `data` (`data.groups`), `registry`, `errors`.
Public: `decisions` (NumPy alone), `classification` (registry kind "metrics"), `intervals`.
"""
