"""Operators whose results have no gradient: whole numbers, truth values, text, and piecewise constants."""

from netc.compiler.autodiff.registry import no_gradient

no_gradient(
    "And", "ArgMax", "ArgMin", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Ceil", "Constant",
    "ConstantOfShape", "Equal", "EyeLike", "Floor", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less",
    "LessOrEqual", "NonZero", "Not", "OneHot", "Or", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike", "Range", "Round", "Shape", "Sign", "Size", "Xor",
)  # fmt: skip
