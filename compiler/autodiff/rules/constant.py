"""Operators whose results have no gradient, and operators that are refused."""

from netc.compiler.autodiff.registry import no_gradient, refuse

PIECEWISE = (
    "Ceil",
    "Floor",
    "Hardmax",
    "Round",
    "Sign",
)  # floating-point numbers that stay the same around every point
no_gradient(*PIECEWISE)
# whole numbers, truth values, text, and what floating-point numbers do not change
no_gradient(
    "And", "ArgMax", "ArgMin", "Bernoulli", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
    "BitwiseXor", "BlackmanWindow", "Constant", "ConstantOfShape", "ConvInteger", "Equal", "EyeLike",
    "Greater", "GreaterOrEqual", "HammingWindow", "HannWindow", "ImageDecoder", "IsInf", "IsNaN", "Less",
    "LessOrEqual", "MatMulInteger", "MelWeightMatrix", "Multinomial", "NonMaxSuppression", "NonZero", "Not",
    "OptionalHasElement", "Or", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RandomNormal", "RandomNormalLike",
    "RandomUniform", "RandomUniformLike", "RegexFullMatch", "SequenceLength", "Shape", "Size",
    "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer", "Xor",
)  # fmt: skip

refuse(
    "sequences whose elements show only at run time are not differentiated; use Concat, Split or Gather on tensors",
    "ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert",
    "SequenceMap", "SplitToSequence",
)  # fmt: skip
refuse("optional values that come from outside are not differentiated; give the tensor itself", "Optional")
refuse("region pooling by whole-numbered boxes is not differentiated; use RoiAlign", "MaxRoiPool")
refuse("it left the standard; raise the model's opset first", "Scatter", "Upsample")
