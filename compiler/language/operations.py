"""What the typed net applies to tensors: the one record of a word, whatever kind of word it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netc.compiler.graph import cost
from netc.compiler.graph.dimensions import Dim, Shape
from netc.compiler.graph.types import BASE_OPSET, F32, BroadcastError, DType, TensorType
from netc.compiler.language.doubts import Doubt, Seen
from netc.compiler.language.lowering import Context, Emitter, Lowered, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.shapes import fitting
from netc.compiler.language.slots import Slot, gives_several, setting_slots, tensor_slots
from netc.compiler.language.variables import Variable

Settings = Mapping[str, Any]
TINY = 1e-7  # of a sum of weights; less than that counts as none
Accumulated = dict[str, tuple[str, Value]]  # what a batch adds: "sum" or "concat", and the value


@dataclass
class Operation:
    """What the typed net applies to tensors.

    Its traits, so that nobody asks for its name: `mode`, which direction of a metric is better; `user`, whether specs
    write it by name; `differentiable`, None where only the derivative itself tells; `draws`, whether it takes random
    numbers; `pattern`, whether it takes a pattern of parameters in place of a tensor; `watched`, whether its units are
    looked at for dead ones; `derives`, whether it is the derivative of its first tensor by its second; `gives`, what its
    values are where other words have to know (doubts.py); `static`, its meaning for plain numbers.
    """

    name: str
    group: str
    doc: str = ""
    mode: str = ""
    user: bool = True
    differentiable: bool | None = True
    draws: bool = False
    pattern: bool = False
    watched: bool = False
    derives: bool = False
    gives: str = ""
    static: Callable[..., Any] | None = None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its signature: tensors, then settings."""
        return ()

    @property
    def opset(self) -> int:
        """The lowest opset that a program needs for it."""
        return BASE_OPSET

    @property
    def nodes(self) -> int:
        """How many operations it counts for in the size of a net."""
        return 1

    @property
    def multiple(self) -> bool:
        """Whether the result is a tuple even when it has one part."""
        return False

    @property
    def accumulates(self) -> bool:
        """Whether it knows what a batch adds, and the score of everything added."""
        return False

    @property
    def fits(self) -> bool:
        """Whether its variables are statistics of the training rows, known before training."""
        return False

    @property
    def label(self) -> str:
        """Its name as a part of a path: `batch_norm`."""
        return lower_case(self.name)

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        """Types of the outputs. Raises Refused."""
        raise NotImplementedError

    def variables(self, inputs: Sequence[TensorType], settings: Settings) -> dict[str, Variable]:
        """The variables made for these inputs, without their names. Raises Refused."""
        return {}

    def turns(self, settings: Settings) -> Sequence[int] | None:
        """The whole numbers that a repeat can take from it one by one."""
        return None

    def doubt(self, inputs: Sequence[Seen], settings: Settings) -> Doubt | None:
        """What is hardly meant about these inputs."""
        return None

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        """Emits the nodes that compute this operation."""
        raise NotImplementedError

    def fit(self, op: Emitter, x: Value, settings: Settings, variables: Mapping[str, Value]) -> dict[str, Value]:
        """Emits the next value of each statistic, after a batch."""
        raise NotImplementedError

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        """Emits what one batch adds to each accumulator."""
        raise NotImplementedError

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        """Emits the exact value over everything accumulated."""
        raise NotImplementedError

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        """Floating-point operations: one for each element of the result, none where elements only move."""
        operator = "Reshape" if self.group == "shape" else "Add"
        return cost.operations(operator, [x.shape for x in inputs], outputs[0].shape)


@dataclass
class Word(Operation):
    """An operation that is declared as a class."""

    cls: type[Any] = object

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return tensor_slots(self.cls.type) + setting_slots(self.cls)

    @cached_property
    def multiple(self) -> bool:
        return gives_several(self.cls.type)

    @property
    def accumulates(self) -> bool:
        return hasattr(self.cls, "accumulate")

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        try:
            found = self.cls(**settings).type(*inputs)
        except BroadcastError as e:
            shown = " and ".join(f"`{t}`" for t in inputs)
            raise Refused(
                "shape-mismatch", f"{shown} do not combine in `{self.name}`: {e}", None, fitting(*inputs[-2:])
            ) from None
        return found if isinstance(found, tuple) else (found,)

    def turns(self, settings: Settings) -> Sequence[int] | None:
        found: Sequence[int] | None = self.cls(**settings).turns() if hasattr(self.cls, "turns") else None
        return found

    def doubt(self, inputs: Sequence[Seen], settings: Settings) -> Doubt | None:
        found: Doubt | None = self.cls(**settings).doubt(*inputs) if hasattr(self.cls, "doubt") else None
        return found

    @property
    def label(self) -> str:
        return lower_case(self.cls.__name__)  # `power` for `^`

    @cached_property
    def asks(self) -> bool:
        """Whether the lowering wants to know its context."""
        return "context" in inspect.signature(self.cls.lower).parameters

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        told = {"context": context} if self.asks else {}
        made = self.cls(**settings).lower(op, *inputs, **variables, **told)
        if isinstance(made, tuple):
            return Lowered((made[0],), made[1]) if isinstance(made[-1], dict) else Lowered(made)
        return Lowered((made,))

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        made: Accumulated = self.cls(**settings).accumulate(op, *inputs)
        return made

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        made: Value = self.cls(**settings).score(op, accumulated)
        return made

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        if not hasattr(self.cls, "flops"):
            return super().flops(inputs, outputs, settings)
        found: Dim = self.cls(**settings).flops(*inputs)
        return found


class Function(Word):
    """A word without parameters."""


class Loss(Function):
    """The mean over all positions of what `each` gives, or, with `weight`, the weighted mean; over many batches, exactly that.

    Positions are the elements of the first tensor, but for the axis that a class with `over` takes together.
    """

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return (*super().slots, Slot("weight", "tensor", None))

    @cached_property
    def count(self) -> int:
        """How many tensors it takes besides the weight."""
        return len(tensor_slots(self.cls.type))

    @property
    def accumulates(self) -> bool:
        return True

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        found = super().infer(inputs[: self.count], settings)
        for weight in inputs[self.count :]:
            positions = self.positions(inputs[0], settings)
            if weight.dtype != inputs[0].dtype or positions[: weight.rank] != weight.shape:
                wanted = inputs[0].with_shape(positions[:1])
                full = f" or `{inputs[0].with_shape(positions)}`" if len(positions) > 1 else ""
                message = f"`weight` has a number for each row or position, `{wanted}`{full}, this is `{weight}`"
                help = "numbers of the classes are looked up by the target: `gather([1, 5, 2], {1})`"
                raise Refused("shape-mismatch", message, "weight", help if inputs[1].dtype.is_integer else "")
        return found

    def doubt(self, inputs: Sequence[Seen], settings: Settings) -> Doubt | None:
        return super().doubt(inputs[: self.count], settings)

    def positions(self, x: TensorType, settings: Settings) -> Shape:
        axis = getattr(self.cls, "over", None) and settings["axis"] % x.rank
        return tuple(d for i, d in enumerate(x.shape) if i != axis)

    def sums(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> tuple[Value, Value]:
        """The sum of the weighted values, and that of the weights."""
        values = self.cls(**settings).each(op, *inputs[: self.count])
        if len(inputs) == self.count:
            count = op.cast(op.element_count(values, None), values.dtype)
            return op.reduce("ReduceSum", values, None, False), count
        shape = op.shape(values)
        weight = inputs[self.count]
        aligned = op.reshape(weight, (*op.shape(weight), *(1 for _ in shape[len(op.shape(weight)) :])))
        spread = op.expand(aligned, shape)
        return op.reduce("ReduceSum", op.Mul(values, spread), None, False), op.reduce("ReduceSum", spread, None, False)

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        if len(inputs) == self.count:
            return Lowered((op.reduce("ReduceMean", self.cls(**settings).each(op, *inputs), None, False),))
        return Lowered((_quotient(op, *self.sums(op, inputs, settings)),))

    def accumulate(self, op: Emitter, inputs: Sequence[Value], settings: Settings) -> Accumulated:
        total, count = self.sums(op, inputs, settings)
        return {"sum": ("sum", total), "count": ("sum", count)}

    def score(self, op: Emitter, accumulated: Mapping[str, Value], settings: Settings) -> Value:
        return _quotient(op, accumulated["sum"], accumulated["count"])

    def flops(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType], settings: Settings) -> Dim:
        return cost.operations("ReduceMean", [inputs[0].shape], ())


def _quotient(op: Emitter, total: Value, weights: Value) -> Value:
    """The weighted mean; 0 where every weight is 0."""
    return op.Div(total, op.Max(weights, op.constant(TINY, total.dtype)))


class Layer(Word):
    """A word that makes variables each time it is written."""

    def variables(self, inputs: Sequence[TensorType], settings: Settings) -> dict[str, Variable]:
        made: dict[str, Variable] = self.cls(**settings).variables(*inputs)
        return made


class Fitted(Layer):
    """A layer without parameters: its buffers are statistics of the training rows, which no step changes."""

    @property
    def fits(self) -> bool:
        return True

    def variables(self, inputs: Sequence[TensorType], settings: Settings) -> dict[str, Variable]:
        made = super().variables(inputs, settings)
        for variable in made.values():
            variable.trained = False
        return made

    def fit(self, op: Emitter, x: Value, settings: Settings, variables: Mapping[str, Value]) -> dict[str, Value]:
        made: dict[str, Value] = self.cls(**settings).fit(op, x, **variables)
        return made


@dataclass
class Patterned(Operation):
    """A function of a tensor applied to every parameter that a pattern matches, summed, as `dtype`; 0 outside training."""

    function: Function | None = None
    dtype: DType = F32

    @classmethod
    def of(cls, function: Function, dtype: DType) -> Patterned:
        """What `l2("*.weight")` applies."""
        return cls(function.name, function.group, doc=function.doc, function=function, dtype=dtype)

    def infer(self, inputs: Sequence[TensorType], settings: Settings) -> tuple[TensorType, ...]:
        return (TensorType(self.dtype, ()),)

    def lower(
        self, op: Emitter, inputs: Sequence[Value], settings: Settings, variables: Mapping[str, Value], context: Context
    ) -> Lowered:
        assert self.function is not None
        weights = context.matching(settings["pattern"]) if context.training else []
        terms = [op.cast(self.function.lower(op, [w], {}, {}, context).outputs[0], self.dtype) for w in weights]
        if not terms:
            return Lowered((op.constant(0.0, self.dtype),))
        return Lowered((terms[0] if len(terms) == 1 else op.Sum(*terms),))


def lower_case(name: str) -> str:
    """`LeakyRelu` as a word: `leaky_relu`; capitals in a row stay together: `prelu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", name).lower()
