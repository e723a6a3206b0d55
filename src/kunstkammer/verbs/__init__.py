"""What a person asks for: one verb a file, each a walk through the rooms below.

May import: anything below `verbs`.
Public: one function for each command, by its name: `train`, `evaluate`, `predict`, `explain` and so on.
"""
