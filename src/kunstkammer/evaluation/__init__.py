"""How good it is: predictions, metrics, intervals, collapse, the report.

May import: `models`, `metrics`, `data`, `pictures`, `files`, `progress`, `registry`, `errors`.
Public: `predictions`, `evaluate`, `part`, `domain_gap`, `stability`, `report`.
"""
