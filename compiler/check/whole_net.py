"""What only shows when the whole net has been read: patterns, the loss, what is published, sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.compiler.check.budget import Budget, Exhausted
from netc.compiler.check.environment import Binding
from netc.compiler.check.gradients import train_what_is_reached
from netc.compiler.check.reading import matching
from netc.compiler.check.values import UNKNOWN
from netc.compiler.graph.dimensions import bind
from netc.compiler.net import Input, Tensor, TypedNet, ancestors
from netc.grammar.diagnostics import Diagnostic, NetError, diagnostic, error, nearest
from netc.grammar.source import Span

MAX_BYTES = 2**40


def patterns(net: TypedNet, budget: Budget) -> Iterator[Diagnostic]:
    """`l2("*.weight")` with a pattern that matches no parameter; those that match are counted."""
    names = [p.name for p in net.parameters]
    known: dict[str, int] = {}
    for apply in net.applies:
        if "pattern" in apply.settings and not apply.inputs:
            pattern = apply.settings["pattern"]
            try:
                if pattern not in known:
                    budget.match(apply.span, len(names))
                    known[pattern] = len(matching(pattern, names, apply.span))
                budget.operation(apply.span, "", known[pattern])
            except NetError as e:
                yield from e.diagnostics
                if isinstance(e, Exhausted):
                    return


def fitted(net: TypedNet) -> Iterator[Diagnostic]:
    """`standardize` of what is not the same before and after training, or of random numbers."""
    for apply in net.fitted:
        word, behind = apply.operation.name, ancestors(apply.inputs[0])
        why = help = ""
        for parameter in (p for p in net.parameters if p in behind):
            why, help = (
                f"depends on the parameter `{parameter.name}`",
                "standardise where the input comes in: `x -> standardize`",
            )
            break
        for other in (a for a in net.applies if a in behind and not why):
            if other.operation.fits:
                why, help = "is fitted itself", "standardise once, where the data comes in"
            elif other.operation.draws:
                drawing = other.operation.name
                why, help = f"takes random numbers (`{drawing}`)", f"write `{word}` before `{drawing}`"
        if why:
            message = f"`{word}` is fitted to the training rows before training, and what flows into it {why}"
            yield diagnostic("not-fitted", message, apply.span, help=help)


def loss(net: TypedNet, binding: Binding | None, written: str, names: Iterable[str], at: Span) -> None:
    """The loss is a scalar that some trained parameter can change; published values are legal. `written` is
    what its line says, `names` are those that the net binds. Raises NetError."""
    if binding is None:
        near = nearest("loss", names, limit=1)
        help = f"bind `loss`, not `{near[0]}`" if near else "bind `loss = ...` to a scalar"
        raise error("no-loss", f"the net `{net.name}` has no loss", at, help=help)
    if binding.value is UNKNOWN:
        return
    found = binding.value
    if not isinstance(found, Tensor):
        help = "compute it from the net: `loss = softmax_cross_entropy(logits, t)`"
        if isinstance(found, tuple) and all(isinstance(v, Tensor) for v in found):
            help = "add its terms: `loss = a + b`"
        raise error("argument", "the loss is not a tensor", binding.span, help=help)
    if not found.type.is_scalar:
        raise error(
            "not-scalar",
            f"the loss is one number, this is `{found.type}`",
            found.span,
            help=f"reduce it: `mean({written})`, `sum({written})`",
        )
    if not found.type.dtype.is_float:
        raise error(
            "dtype",
            f"the loss is floating-point, this is `{found.type}`",
            found.span,
            help=f"convert it: `f32({written})`",
        )
    net.loss = found
    _published(net)
    train_what_is_reached(net, found)
    _sizes(net)


def _published(net: TypedNet) -> None:
    taken = {i.name: i.span for i in net.inputs} | {v.name: v.span for v in net.variables}
    inputs = {i.name: i for i in net.inputs}
    for name, span in [*((n, t.span) for n, t in net.outputs.items()), *((m.name, m.span) for m in net.metrics)]:
        if name in taken and not (name in net.outputs and net.outputs[name].origin is inputs.get(name)):
            raise error("duplicate-name", f"`{name}` is published under a name that is taken", span, taken[name],
                        help="choose another name")  # fmt: skip
        taken[name] = span
    targets: dict[object, Input] = {i: i for i in net.inputs if i.role == "target"}
    for apply in net.applies:
        read = next((targets[x.origin] for x in apply.inputs if x.origin in targets), None)
        if read is not None:
            targets[apply] = read
    for name, tensor in net.outputs.items():
        target = targets.get(tensor.origin)
        if target is not None:
            raise error(
                "output-of-target", f"the output `{name}` depends on the target `{target.name}`", tensor.span, target.span,
                help="outputs are what the deployed model computes from inputs alone",
            )  # fmt: skip


def _sizes(net: TypedNet) -> None:
    """Refuses a net whose variables or activations need more than a terabyte."""
    batch = net.train.batch if net.train else 1
    needed: list[tuple[int, Span | None]] = [(v.count * v.type.dtype.bytes, v.span) for v in net.variables]
    total = sum(3 * size for size, _ in needed)  # a value, its next, and an optimizer's
    for apply in net.applies:
        for output in apply.outputs:
            count = bind(output.type.size, net.batch, batch)
            if isinstance(count, int):
                needed.append((count * output.type.dtype.bytes, apply.span))
                total += needed[-1][0]
    if total > MAX_BYTES:
        largest = max(needed, key=lambda n: n[0])[1]
        raise error(
            "too-large", f"training needs about {total / 2**40:.1f} TiB; the largest tensor is made here", largest,
            help="make the layer narrower or the batch smaller",
        )  # fmt: skip
