"""How good it is: predictions, metrics, intervals, collapse, the report."""
