"""Which functions of torch the rules know, and of what kind each is.

The kind decides who answers for a function (see `engine.Propagation`). What stands in no list is refused by name.
Names are without the underscores of operators and of what works in place.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ROUTING = _names(
    """
    adaptive_max_pool1d adaptive_max_pool1d_with_indices adaptive_max_pool2d adaptive_max_pool2d_with_indices
    adaptive_max_pool3d adaptive_max_pool3d_with_indices amax amin as_strided atleast_1d atleast_2d atleast_3d bfloat16
    broadcast_tensors broadcast_to cat channel_shuffle chunk clone column_stack concat concatenate contiguous copy cpu
    cuda diagonal double dsplit dstack expand expand_as flatten flip fliplr flipud float gather get getitem half hsplit
    hstack index_copy index_select masked_fill masked_scatter masked_select max max_pool1d max_pool1d_with_indices
    max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices maximum meshgrid min minimum moveaxis movedim
    narrow native_channel_shuffle pad permute pixel_shuffle pixel_unshuffle ravel repeat repeat_interleave
    requires_grad reshape reshape_as roll rot90 scatter select setitem split split_with_sizes squeeze stack swapaxes
    swapdims t take take_along_dim tensor_split tile to transpose tril triu type type_as unbind unflatten unfold
    unsqueeze view view_as vsplit vstack where
    """
)
"""Values only change their place, or some are chosen: the ordinary gradient moves relevance back where it came from."""

ACTIVATIONS = _names(
    """
    abs absolute alpha_dropout atan celu clamp clamp_max clamp_min clip cos dropout dropout1d dropout2d dropout3d elu
    erf exp expm1 feature_alpha_dropout gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu log log1p log2
    logsigmoid mish nan_to_num neg negative positive pow prelu reciprocal relu relu6 rpow rrelu rsqrt selu sigmoid silu
    sin softplus softshrink softsign sqrt square tan tanh tanhshrink threshold
    """
)
"""One value in, one value out."""

RECTIFIERS = _names(
    "celu elu gelu hardswish leaky_relu mish prelu relu relu6 rrelu selu silu softplus threshold",
)
"""Activations that let positive values pass and hold negative ones back, sharply or softly."""

LIMITS = _names("clamp clamp_min clip hardtanh")
"""Rectifiers where their lower limit is zero or more: ReLU6 is written so."""

GATES = _names("sigmoid hardsigmoid tanh")
"""What a product's second factor comes from where it opens or closes the first."""

JOINS = _names("add sub subtract rsub")

SCALINGS = _names("mul multiply div divide true_divide rdiv")

KERNELS = _names(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear addmm matmul rmatmul mm"
)

PRODUCTS = _names("baddbmm bilinear bmm dot einsum inner mv outer tensordot")

AVERAGES = _names("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d mean")

LINEAR = _names("fold grid_sample interpolate sum upsample")

NORMALISATIONS = _names("batch_norm group_norm instance_norm layer_norm local_response_norm normalize rms_norm")

WEIGHTS = _names("linalg_norm linalg_vector_norm log_softmax norm softmax softmin std std_mean var var_mean")
"""What weighs other values: shares and statistics, which relevance does not go through."""

ATTENTION = _names("scaled_dot_product_attention")

OPENED = _names("multi_head_attention_forward")
"""Functions of torch written in Python out of others: these are seen one by one."""

ROUTING_NODES = _names(
    """
    AdaptiveMaxPool2D AdaptiveMaxPool3D Alias Amax Amin AsStrided Cat Clone ConstantPadNd Contiguous CopyBackwards
    CopySlices Diagonal Expand Flip Gather Im2Col Index IndexCopy IndexPut IndexSelect MaskedFill MaskedScatter
    MaskedSelect Max MaxPool2DWithIndices MaxPool3DWithIndices Maximum Min Minimum Narrow NativeChannelShuffle
    Permute PixelShuffle PixelUnshuffle ReflectionPad1D ReflectionPad2D ReflectionPad3D Repeat ReplicationPad1D
    ReplicationPad2D ReplicationPad3D Reshape ReshapeAlias Roll Rot90 Scatter Select Slice Split SplitWithSizes
    Squeeze Stack Swapaxes T Take ToCopy Transpose Tril Triu Unbind Unflatten Unfold UnsafeSplit UnsafeView
    Unsqueeze View Where
    """
)
"""Nodes of autograd's graph that routing functions leave behind."""

RECTIFIER_NODES = _names(
    "Celu Clamp ClampMin Elu Gelu Hardswish Hardtanh LeakyRelu Mish PreluKernel Relu Relu6 Selu Silu Softplus Threshold"
)
"""Nodes of autograd's graph that rectifiers leave behind."""

KINDS: dict[str, str] = {
    name: kind
    for kind, names in {
        "routing": ROUTING,
        "activation": ACTIVATIONS,
        "join": JOINS,
        "scaling": SCALINGS,
        "kernel": KERNELS,
        "product": PRODUCTS,
        "average": AVERAGES,
        "linear": LINEAR,
        "normalisation": NORMALISATIONS,
        "weights": WEIGHTS,
        "attention": ATTENTION,
    }.items()
    for name in names
}
"""Name of a function -> its kind."""
