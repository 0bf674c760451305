"""Gradient rules by family; importing this registers them all."""

from netc.compiler.autodiff.rules import (  # noqa: F401
    activations,
    constant,
    convolution,
    elementwise,
    fourier,
    indexing,
    matrix,
    normalization,
    pooling,
    reductions,
    sampling,
    shape,
)
