"""What a person asks for: one file for each command, a walk through the packages below.

May import: anything below `workflows`.
Public: one function for each command, by its name: `train`, `evaluate`, `predict`, `explain` and so on.
"""
