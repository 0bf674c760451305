"""Tree -> typed net: names resolved, blocks expanded, every dtype and shape known, every error reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from netc.compiler.check.environment import Binding
from netc.compiler.check.imports import module_loader
from netc.compiler.check.reading import matching
from netc.compiler.check.settings import SettingsReader
from netc.compiler.check.statements import Checker
from netc.compiler.check.values import UNKNOWN
from netc.compiler.graph.dimensions import bind, evaluate
from netc.compiler.library.derivative import UNREACHED
from netc.compiler.training.schedules import Schedule
from netc.compiler.net import Apply, Constant, Input, Parameter, Tensor, TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, NetError, diagnostic, error
from netc.grammar.parser import collector_paused
from netc.grammar.source import Source

MAX_BYTES = 2**40


def check(
    spec: ast.Spec, source: Source, problems: list[Diagnostic] | None = None, folder: Path | None = None
) -> TypedNet:
    """The typed net of a spec. Raises NetError with `problems` (of the parser) and everything wrong with its meaning."""
    with collector_paused():
        return _check(spec, source, list(problems or []), folder or Path(source.name).parent)


def _check(spec: ast.Spec, source: Source, problems: list[Diagnostic], folder: Path) -> TypedNet:
    problems += _parts(spec, source)
    if not spec.nets:
        raise NetError(problems)
    node = spec.nets[0]
    net = TypedNet(node.name.id if node.name else Path(source.name).stem, source)
    checker = Checker(net)
    checker.load_module = module_loader(folder, source.name)
    settings = SettingsReader(net, checker)
    settings.broken = bool(problems)
    try:
        for imported in spec.imports:
            checker.execute([imported])
        for parameter in node.parameters:
            _argument(checker, parameter)
        checker.execute(node.body)
        if not checker.problems:
            checker.assign_names()
            _patterns(net)
            checker.problems += _derivatives(net)
        train = spec.trains[0] if spec.trains else None
        settings.net_is_whole = not checker.problems and not problems
        net.train = settings.train(train)
        net.data = settings.data(spec.datas[0] if spec.datas else None, folder)
        if not problems and not checker.problems:
            _loss(net, checker, node)
            settings.problems += _schedule_length(net, spec)
    except NetError as e:
        checker.report(e)
    except RecursionError:
        checker.report(error("too-deep", "an expression is nested too deep", node.span, help="name its inner parts"))
    problems += checker.problems + settings.problems
    if problems:
        raise NetError(_in_order(problems))
    net.warnings += [*checker.unused_layers(), *_softmax_twice(net)]
    return net


def _parts(spec: ast.Spec, source: Source) -> list[Diagnostic]:
    found = []
    if not spec.nets:
        found.append(
            diagnostic(
                "no-net",
                f"`{source.name}` holds no net",
                help="a spec begins `net name { ... }`; `netc init` writes one",
            )
        )
    for parts, word in ((spec.nets, "net"), (spec.datas, "data"), (spec.trains, "train")):
        if len(parts) > 1:
            found.append(diagnostic("duplicate-part", f"a spec has one `{word}` block", parts[1].span, parts[0].span))
    return found


def _argument(checker: Checker, parameter: ast.Parameter) -> None:
    """A net argument is bound to its default."""
    if parameter.default is None:
        checker.report(
            error("missing-argument", f"the net's argument `{parameter.name.id}` needs a default", parameter.span)
        )
        checker.environment.names[parameter.name.id] = Binding(UNKNOWN, parameter.span)
        return
    try:
        value = checker.evaluate(parameter.default)
        checker.new_name(parameter.name, value)
    except NetError as e:
        checker.report(e)
        checker.environment.names[parameter.name.id] = Binding(UNKNOWN, parameter.span)


def _patterns(net: TypedNet) -> None:
    names = [p.name for p in net.parameters]
    for apply in net.applies:
        if "pattern" in apply.settings and not apply.inputs:
            matching(apply.settings["pattern"], names, apply.span)


def _derivatives(net: TypedNet) -> Iterator[Diagnostic]:
    """`gradient(y, x)` where y does not come from x by operators that have a gradient."""
    for apply in net.applies:
        if apply.operation.name == "gradient" and apply.operation.group == "derivative":
            y, x = apply.inputs
            if x.origin not in _ancestors(y, through=lambda a: a.operation.differentiable):
                yield diagnostic(
                    "no-gradient", UNREACHED, apply.span,
                    help="differentiate with respect to a tensor that it is computed from",
                )  # fmt: skip


def _loss(net: TypedNet, checker: Checker, node: ast.Net) -> None:
    """The loss is a scalar that some trained parameter can change; published values are legal. Raises NetError."""
    binding = checker.environment.names.get("loss")
    at = node.name.span if node.name else node.span
    if binding is None:
        raise error("no-loss", f"the net `{net.name}` has no loss", at, help="bind `loss = ...` to a scalar")
    if binding.value is UNKNOWN:
        return
    loss = binding.value
    if not isinstance(loss, Tensor):
        raise error("argument", "the loss is not a tensor", binding.span)
    if not loss.type.is_scalar:
        raise error("not-scalar", f"the loss is one number, this is `{loss.type}`", loss.span, help="take its `mean`")
    if not loss.type.dtype.is_float:
        raise error("dtype", f"the loss is floating-point, this is `{loss.type}`", loss.span)
    net.loss = loss
    _published(net)
    _trainable(net, at)
    _sizes(net, at)


def _published(net: TypedNet) -> None:
    taken = {i.name: i.span for i in net.inputs} | {p.name: p.span for p in net.parameters}
    for name, span in [*((n, t.span) for n, t in net.outputs.items()), *((m.name, m.span) for m in net.metrics)]:
        if name in taken and not (name in net.outputs and net.outputs[name].origin is _origin(net, name)):
            raise error("duplicate-name", f"`{name}` is published under a name that is taken", span, taken[name])
        taken[name] = span
    for name, tensor in net.outputs.items():
        target = next((o for o in _ancestors(tensor) if isinstance(o, Input) and o.role == "target"), None)
        if target is not None:
            raise error(
                "output-of-target", f"the output `{name}` depends on the target `{target.name}`", tensor.span, target.span,
                help="outputs are what the deployed model computes from inputs alone",
            )  # fmt: skip


def _origin(net: TypedNet, name: str) -> object:
    return next((i for i in net.inputs if i.name == name), None)


def _trainable(net: TypedNet, at: object) -> None:
    """Each trained parameter reaches the loss by operators that have a gradient."""
    assert net.loss is not None
    if not net.trained:
        why = "every parameter is frozen" if net.parameters else "it has no parameters"
        raise error("nothing-to-train", f"nothing to train in `{net.name}`: {why}", net.loss.span)
    reached = _ancestors(net.loss)
    flowing = _ancestors(net.loss, through=lambda a: a.operation.differentiable)
    for parameter in net.trained:
        if parameter in flowing:
            continue
        if parameter in reached:
            stop = _blocking(net.loss, parameter)
            raise error(
                "no-gradient", f"no gradient reaches `{parameter.name}`: `{stop.operation.name}` has none", stop.span,
                parameter.span, help="use a smooth operation, or freeze the parameter with a rule",
            )  # fmt: skip
        parameter.frozen = True
        net.warnings.append(
            diagnostic(
                "unused-parameter", f"the loss does not depend on `{parameter.name}`; it is not trained", parameter.span,
                severity="warning",
            )
        )  # fmt: skip
    if not net.trained:
        raise error("nothing-to-train", "the loss depends on no parameter", net.loss.span)


def _ancestors(tensor: Tensor, through: Callable[[Apply], bool] = lambda _: True) -> set[object]:
    """What a tensor is computed from: applies, inputs and parameters."""
    seen: set[object] = set()
    stack: list[object] = [tensor.origin]
    while stack:
        origin = stack.pop()
        if origin in seen or isinstance(origin, Constant):
            continue
        seen.add(origin)
        if isinstance(origin, Apply) and through(origin):
            stack += [x.origin for x in origin.inputs]
            stack += list(origin.parameters.values())
    return seen


def _blocking(loss: Tensor, parameter: Parameter) -> Apply:
    """The first operation without a gradient between the loss and a parameter."""
    for origin in _ancestors(loss, through=lambda a: a.operation.differentiable):
        if isinstance(origin, Apply) and not origin.operation.differentiable:
            if any(parameter in _ancestors(x) or x.origin is parameter for x in origin.inputs):
                return origin
            if parameter in origin.parameters.values():
                return origin
    raise AssertionError(f"{parameter.name} is blocked by nothing")


def _sizes(net: TypedNet, at: object) -> None:
    """Refuses a net whose parameters or activations need more than a terabyte."""
    batch = net.train.batch if net.train else 1
    total = 0
    largest = net.parameters[0].span
    most = 0
    for parameter in net.parameters:
        size = evaluate(parameter.type.size, {}) * parameter.type.dtype.bytes
        total += 3 * size
        if size > most:
            largest, most = parameter.span, size
    for apply in net.applies:
        for output in apply.outputs:
            size_of = bind(output.type.size, net.batch, batch)
            if isinstance(size_of, int):
                size = size_of * output.type.dtype.bytes
                total += size
                if size > most:
                    largest, most = apply.span, size
    if total > MAX_BYTES:
        raise error(
            "too-large", f"training needs about {total / 2**40:.1f} TiB; the largest tensor is made here", largest,
            help="make the layer narrower or the batch smaller",
        )  # fmt: skip


def _schedule_length(net: TypedNet, spec: ast.Spec) -> list[Diagnostic]:
    """A schedule that needs a length gets one from steps, or from epochs and the rows of the data."""
    train = net.train
    if train is None or train.steps is not None or train.epochs is not None:
        return []
    rate = train.optimizer.rate
    if isinstance(rate, Schedule) and rate.needs_length and rate.fixed_length is None:
        return list(
            error("argument", "the schedule has no length", spec.trains[0].span, help="give `steps`").diagnostics
        )
    return []


def _softmax_twice(net: TypedNet) -> list[Diagnostic]:
    found = []
    for apply in net.applies:
        if apply.operation.name in ("softmax_cross_entropy", "sigmoid_cross_entropy"):
            origin = apply.inputs[0].origin
            inner = apply.operation.name.split("_")[0]
            if isinstance(origin, Apply) and origin.operation.name in (inner, f"log_{inner}"):
                found.append(
                    diagnostic(
                        "softmax-twice", f"`{apply.operation.name}` applies `{inner}` itself; this one comes twice",
                        origin.span, help="give it the logits", severity="warning",
                    )
                )  # fmt: skip
    return found


def _in_order(problems: list[Diagnostic]) -> list[Diagnostic]:
    """By place in the file; what has no place comes first."""
    return sorted(problems, key=lambda d: d.labels[0].span.start if d.labels else -1)
