"""How good it is: predictions, metrics with intervals, collapse, the report."""
