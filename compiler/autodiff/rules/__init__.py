"""Gradient rules by family; importing this registers them all."""

from netc.compiler.autodiff.rules import (  # noqa: F401
    activations,
    constant,
    control,
    convolution,
    elementwise,
    fourier,
    indexing,
    matrix,
    normalization,
    pooling,
    recurrent,
    reductions,
    regions,
    sampling,
    shape,
)
