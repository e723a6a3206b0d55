"""Methods that go back through a network by rules of their own: one engine, small pieces.

May import: the modules of `explanation` beside it, `registry`, `errors`.
Public: members of the registry kind "explainers"; `engine.propagate` for new ones.

- `functions`: which functions of torch there are, and of what kind each is
- `engine`: `Engine`, which replaces each function's gradient while a network runs; `propagate`, the whole way
- `kernel`: `Kernel`, one convolution or linear layer, batch norm folded in
- `by_gradient`: the gradient, but for rectifiers or kernels: DeConvNet, guided backpropagation
- `relevance`: how relevance passes what has no weights: joins, pooling, normalisation, attention
- `kernel_rules`: how relevance passes a kernel: z, epsilon, gamma, alpha-beta, w-square, flat, z-box
- `lrp`, `composite`, `deep_taylor`: the methods
"""
