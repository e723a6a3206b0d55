"""The experiments that tell methods apart, on one model and many pictures, in bounded memory.

May import: the modules of `explanation` beside it, `pictures`, `files`, `registry`, `errors`.
Public: `plan.Plan`, `walk`, `cascades`, `figures`.

- `plan`: what is done to every picture, and how slow methods are made cheaper
- `walk`: a few pictures at a time: maps, curves, sums, boxes, another class
- `cascades`: do maps change with the model?
- `store`: what is done already, for a walk that was stopped
- `figures`: curves and checks as pictures
"""
