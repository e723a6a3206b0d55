"""Patterns: which direction of its input a layer's output is about (Kindermans et al. 2017, PatternNet).

May import: the modules of `explanation` beside it, `models`, `files`, `progress`, `registry`, `errors`.
Public: `fit.fit_patterns`, `store.Patterns`, `statistics.PatternStatistics`.

- `layers`: the linear maps inside a network, whatever module or function they come from
- `recorder`: a forward pass that shows every layer with its input, its output and where it is active
- `statistics`: the running sums, one pass, mergeable; `winograd`: those of 3 x 3 convolutions, with a quarter of the
  multiplications; `fit`: over batches, with a bar
- `store`: `Patterns`, one tensor a weight, saved beside the checkpoint and bound to its weights
- `methods`: `pattern-net` and `pattern-attribution`
"""
