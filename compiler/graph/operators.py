"""The operators of ONNX as methods: `op.Add(x, y)`. Their signatures are in operators.pyi, written from the schemas.

`python -m netc.compiler.graph.stub` writes that file anew (`make docs` does); with it a type checker knows every operator,
its attributes and how many tensors it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Operators:
    """A method for each operator, by its name in the standard."""

    def node(
        self,
        operator: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any],
        num_outputs: int = 1,
        type: Any = None,
    ) -> Any:
        """Appends a node; one value, or a tuple of several."""
        raise NotImplementedError

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[0].isupper():
            raise AttributeError(operator)

        def emit(*inputs: Any, num_outputs: int = 1, type: Any = None, **attributes: Any) -> Any:
            if operator == "Split":
                attributes["num_outputs"] = num_outputs
            return self.node(operator, inputs, attributes, num_outputs, type)

        self.__dict__[operator] = emit  # found at once the next time
        return emit
