"""Reverse-mode differentiation, ONNX -> ONNX. Importing this registers every rule."""

from netc.compiler.autodiff import rules  # noqa: F401
from netc.compiler.autodiff.engine import NoGradientError, backpropagate

__all__ = ["NoGradientError", "backpropagate"]
