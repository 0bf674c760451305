"""Reading images between their pixels: Resize, GridSample, and what RoiAlign and DeformConv read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product as every

from netc.compiler.autodiff.registry import GraphNode, attribute, lowered
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError
from netc.compiler.graph.types import INT64

# --- weights ----------------------------------------------------------------------------------------------------------


def hat(op: Emitter, t: Value) -> Value:
    """max(0, 1 - |t|): the weight of a pixel at distance t in linear interpolation."""
    return op.Max(op.Sub(1.0, op.Abs(t)), op.constant(0.0, t.dtype))


def keys(op: Emitter, t: Value, a: float) -> Value:
    """R. Keys' cubic convolution kernel (1981): ((a + 2)|t| - (a + 3)) t^2 + 1 up to 1, a (|t|^3 - 5 t^2 + 8|t| - 4) to 2."""
    t = op.Abs(t)
    near = op.Add(op.Mul(op.Mul(op.Sub(op.Mul(t, a + 2), a + 3), t), t), 1.0)
    far = op.Mul(op.Sub(op.Mul(op.Add(op.Mul(op.Sub(t, 5.0), t), 8.0), t), 4.0), a)
    zero = op.constant(0.0, t.dtype)
    return op.Where(op.LessOrEqual(t, 1.0), near, op.Where(op.Less(t, 2.0), far, zero))


# --- anywhere in an image ---------------------------------------------------------------------------------------------

Outside = Callable[[Emitter, Value, Value], tuple[Value, Value | None]]


def zeros_outside(op: Emitter, at: Value, size: Value) -> tuple[Value, Value | None]:
    """Pixels beyond the border are 0: (a place inside, where it holds)."""
    zero = op.constant(0, INT64)
    inside = op.And(op.GreaterOrEqual(at, zero), op.Less(at, size))
    return op.Where(inside, at, zero), inside


def edge_outside(op: Emitter, at: Value, size: Value) -> tuple[Value, Value | None]:
    """Pixels beyond the border are those at the border."""
    return op.Min(op.Max(at, op.constant(0, INT64)), op.Sub(size, op.constant(1, INT64))), None


def mirrored_outside(align: bool) -> Outside:
    """Pixels beyond the border are those before it: mirrored at the last pixel's centre, or at its edge."""

    def outside(op: Emitter, at: Value, size: Value) -> tuple[Value, Value | None]:
        one, zero = op.constant(1, INT64), op.constant(0, INT64)
        last = op.Sub(size, one)
        if align:
            period = op.Max(op.Add(last, last), one)
            at = op.Mod(at, period)
            return op.Min(at, op.Sub(period, at)), None
        period = op.Add(size, size)
        at = op.Mod(at, period)
        return op.Max(op.Min(at, op.Sub(op.Sub(period, one), at)), zero), None

    return outside


def sampled(op: Emitter, image: Value, places: list[Value], mode: str, outside: Outside) -> Value:
    """The values of an image [B, D1, ..., Dn, C] at n coordinates, each [B, ...] in pixels, which are whole for the nearest one:
    [B, ..., C]."""
    taps = {"nearest": [0], "linear": [0, 1], "cubic": [-1, 0, 1, 2]}[mode]
    axes = []
    for i, x in enumerate(places):
        size = op.Squeeze(op.Shape(image, start=i + 1, end=i + 2), op.vector([0]))
        low = op.Floor(x)
        t = op.Sub(x, low)
        choices = []
        for k in taps:
            weight = None
            if mode != "nearest":
                away = op.Sub(t, float(k))
                weight = hat(op, away) if mode == "linear" else keys(op, away, -0.75)
            at, holds = outside(op, op.Add(op.cast(low, INT64), op.constant(k, INT64)), size)
            if holds is not None:
                mask = op.cast(holds, x.dtype)
                weight = mask if weight is None else op.Mul(weight, mask)
            choices.append((at, weight))
        axes.append(choices)
    last = op.vector([-1])

    def read(corner: Sequence[tuple[Value, Value | None]]) -> Value:
        """The pixels at one corner, times their weights"""
        index = op.Concat(*(op.Unsqueeze(at, last) for at, _ in corner), axis=-1)
        value = op.GatherND(image, index, batch_dims=1)
        for _, weight in corner:
            if weight is not None:
                value = op.Mul(value, op.Unsqueeze(weight, last))
        return value

    first, *others = every(*axes)
    total = read(first)
    for corner in others:
        total = op.Add(total, read(corner))
    return total


@lowered("GridSample")
def grid_sample(op: Emitter, node: GraphNode) -> list[Value]:
    """Y[n, c, p] = X[n, c] read at grid[n, p], whose numbers from -1 to 1 (the last axis of X first) span the image"""
    x, grid = node.inputs
    n = len(op.shape(x)) - 2
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(found := attribute(node, "mode", "linear"), found)
    padding, align = attribute(node, "padding_mode", "zeros"), bool(attribute(node, "align_corners", 0))
    outside = {"zeros": zeros_outside, "border": edge_outside, "reflection": mirrored_outside(align)}[padding]
    places = []
    for axis in range(n):
        size = op.cast(op.Squeeze(op.Shape(x, start=axis + 2, end=axis + 3), op.vector([0])), x.dtype)
        g = op.cast(op.Gather(grid, op.constant(n - 1 - axis, INT64), axis=-1), x.dtype)
        if align:
            place = op.Mul(op.Mul(op.Add(g, 1.0), 0.5), op.Sub(size, 1.0))
        else:
            place = op.Mul(op.Sub(op.Mul(op.Add(g, 1.0), size), 1.0), 0.5)
        if mode == "nearest":
            place = op.Round(place)
        if padding == "border":
            place = limited(op, place, op.constant(0.0, x.dtype), op.Sub(size, 1.0))
        elif padding == "reflection":
            place = _reflected(op, place, size, align)
        places.append(place)
    image = op.Transpose(x, perm=[0, *range(2, n + 2), 1])
    read = sampled(op, image, places, mode, outside)
    return [op.Transpose(read, perm=[0, n + 1, *range(1, n + 1)])]


@lowered("AffineGrid")
def affine_grid(op: Emitter, node: GraphNode) -> list[Value]:
    """grid = theta (x, y, 1)' (or (x, y, z, 1)') at each pixel of an image of the given size, numbers from -1 to 1"""
    theta, size = node.inputs
    n = op.shape(size)[0]
    if not isinstance(n, int):
        raise UnknownError("the number of axes of its image is not known")
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    axes, n = [], n - 2
    sizes = [op.Gather(size, op.constant(axis + 2, INT64), axis=0) for axis in range(n)]
    shape = op.Concat(*(op.Unsqueeze(s, op.vector([0])) for s in sizes), axis=0)
    for axis in reversed(range(n)):  # x first
        number, count = op.cast(op.Range(zero, sizes[axis], one), theta.dtype), op.cast(sizes[axis], theta.dtype)
        if attribute(node, "align_corners", 0):
            place = op.Sub(op.Div(op.Mul(number, 2.0), op.Sub(count, 1.0)), 1.0)
        else:
            place = op.Sub(op.Div(op.Add(op.Mul(number, 2.0), 1.0), count), 1.0)
        others = [a for a in range(n) if a != axis]
        axes.append(op.Expand(op.Unsqueeze(place, op.vector(others)), shape))
    axes.append(op.Expand(op.constant(1.0, theta.dtype), shape))
    pixels = op.Concat(*(op.Unsqueeze(op.Reshape(a, op.vector([-1])), op.vector([1])) for a in axes), axis=1)
    grid = op.MatMul(pixels, op.Transpose(theta, perm=[0, 2, 1]))  # [rows, pixels, n]
    return [op.Reshape(grid, op.Concat(op.vector([0]), shape, op.vector([n]), axis=0))]


def limited(op: Emitter, x: Value, low: Value, high: Value) -> Value:
    return op.Max(op.Min(x, high), low)


def _reflected(op: Emitter, x: Value, size: Value, align: bool) -> Value:
    """x mirrored at the borders until it lies between them: the centres (align) or the edges of the outermost pixels."""
    low = op.constant(0.0 if align else -0.5, x.dtype)
    span = op.Sub(size, 1.0) if align else size
    away = op.Sub(x, low)
    double = op.Mul(span, 2.0)
    within = op.Sub(away, op.Mul(double, op.Floor(op.Div(away, double))))
    return op.Add(op.Min(within, op.Sub(double, within)), low)


# --- Resize -----------------------------------------------------------------------------------------------------------


@lowered("Resize")
def resize(op: Emitter, node: GraphNode) -> list[Value]:
    """Y = X times, along each axis, a matrix of weights [size of Y, size of X]: the filter at each pixel's distance"""
    x, roi, scales = (*node.inputs, None, None)[:3]
    (y,) = node.outputs
    rank = len(op.shape(x))
    axes = [a % rank for a in attribute(node, "axes") or range(rank)]
    given = scales if scales is not None and not (op.has_type(scales) and op.shape(scales) == (0,)) else None
    crop = attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    factors = _factors(op, node, x, given, axes)
    for i, axis in enumerate(axes):
        before, after = op.shape(x)[axis], op.shape(y)[axis]
        if isinstance(before, int) and before == after and not crop:
            continue
        bounds = [op.Gather(roi, op.constant(j, INT64), axis=0) for j in (i, i + len(axes))] if crop else None
        weights = _axis_weights(op, node, extent(op, node.inputs[0], axis), extent(op, y, axis), factors[i], bounds)
        perm = [*(a for a in range(rank) if a != axis), axis]
        moved = op.MatMul(op.Transpose(x, perm=perm), op.Transpose(weights, perm=[1, 0]))
        x = op.Transpose(moved, perm=[perm.index(a) for a in range(rank)])
    return [x if op.has_type(x) else op.like(x, y)]


def extent(op: Emitter, x: Value, axis: int) -> Value:
    """The size of an axis as an int64 scalar."""
    return op.Squeeze(op.Shape(x, start=axis, end=axis + 1), op.vector([0]))


def _factors(op: Emitter, node: GraphNode, x: Value, scales: Value | None, axes: list[int]) -> list[Value]:
    """The scale of each axis as a scalar of x's dtype; without scales there are sizes."""
    if scales is not None:
        return [op.cast(op.Gather(scales, op.constant(i, INT64), axis=0), x.dtype) for i in range(len(axes))]
    sizes = node.inputs[3]
    ratios = [
        op.Div(op.cast(op.Gather(sizes, op.constant(i, INT64), axis=0), x.dtype), op.cast(extent(op, x, a), x.dtype))
        for i, a in enumerate(axes)
    ]
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" or len(ratios) == 1:
        return ratios
    common = (op.Min if policy == "not_larger" else op.Max)(*ratios)
    return [common] * len(ratios)


def _axis_weights(
    op: Emitter, node: GraphNode, before: Value, after: Value, scale: Value, roi: list[Value] | None
) -> Value:
    """The weight [after, before] of each pixel of an axis for each pixel of the resized axis."""
    dtype = scale.dtype
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    size, target = op.cast(before, dtype), op.cast(after, dtype)
    number = op.cast(op.Range(zero, after, one), dtype)
    way = attribute(node, "coordinate_transformation_mode", "half_pixel")
    centred = op.Sub(op.Div(op.Add(number, 0.5), scale), 0.5)
    single = op.Equal(after, one)
    nothing = op.constant(0.0, dtype)
    if way == "half_pixel":
        place = centred
    elif way == "half_pixel_symmetric":
        adjustment = op.Div(target, op.Mul(scale, size))
        place = op.Add(op.Mul(op.Mul(size, 0.5), op.Sub(1.0, adjustment)), centred)
    elif way == "pytorch_half_pixel":
        place = op.Where(single, nothing, centred)
    elif way == "asymmetric":
        place = op.Div(number, scale)
    else:
        steps = op.Where(single, op.constant(1.0, dtype), op.Sub(target, 1.0))
        step = op.Div(op.Sub(size, 1.0), steps)
        place = op.Where(single, nothing, op.Mul(number, step))
        if way == "tf_crop_and_resize" and roi is not None:
            start, end = (op.cast(r, dtype) for r in roi)
            span = op.Mul(op.Sub(end, start), op.Sub(size, 1.0))
            middle = op.Mul(span, 0.5)
            along = op.Mul(op.Div(number, steps), span)
            place = op.Add(op.Where(single, middle, along), op.Mul(start, op.Sub(size, 1.0)))
    weights = _filtered(op, node, place, before, scale)
    if way == "tf_crop_and_resize":
        inside = op.And(op.GreaterOrEqual(place, nothing), op.LessOrEqual(place, op.Sub(size, 1.0)))
        weights = op.Where(op.Unsqueeze(inside, op.vector([1])), weights, nothing)
    return weights


def _filtered(op: Emitter, node: GraphNode, place: Value, before: Value, scale: Value) -> Value:
    """The filter around each place, laid over pixels; pixels beyond the border count as the border or not at all."""
    dtype = scale.dtype
    zero, one = op.constant(0, INT64), op.constant(1, INT64)
    mode = attribute(node, "mode", "nearest")
    row = op.vector([0])
    if mode == "nearest":
        rounding = attribute(node, "nearest_mode", "round_prefer_floor")
        if rounding == "round_prefer_floor":
            near = op.Ceil(op.Sub(place, 0.5))
        elif rounding == "round_prefer_ceil":
            near = op.Floor(op.Add(place, 0.5))
        else:
            near = op.Floor(place) if rounding == "floor" else op.Ceil(place)
        at = op.Min(op.Max(op.cast(near, INT64), zero), op.Sub(before, one))
        pixels = op.Range(zero, before, one)
        return op.cast(op.Equal(op.Unsqueeze(at, op.vector([1])), op.Unsqueeze(pixels, row)), dtype)
    excluded, smooth = attribute(node, "exclude_outside", 0), attribute(node, "antialias", 0)
    # wide enough for every filter: the image with its own size again on both sides, and two pixels
    margin = op.Add(before, op.constant(2, INT64))
    pixels = op.Range(op.Neg(margin), op.Add(before, margin), one)
    away = op.Sub(op.Unsqueeze(op.cast(pixels, dtype), row), op.Unsqueeze(place, op.vector([1])))
    if smooth:
        away = op.Mul(away, op.Min(scale, op.constant(1.0, dtype)))
    weights = hat(op, away) if mode == "linear" else keys(op, away, attribute(node, "cubic_coeff_a", -0.75))
    border = op.Min(op.Max(pixels, zero), op.Sub(before, one))
    if excluded:
        inside = op.Equal(border, pixels)
        weights = op.Mul(weights, op.Unsqueeze(op.cast(inside, dtype), row))
    if excluded or smooth:
        weights = op.Div(weights, op.reduce("ReduceSum", weights, 1, True))
    own = op.Range(zero, before, one)
    fold = op.cast(op.Equal(op.Unsqueeze(border, op.vector([1])), op.Unsqueeze(own, row)), dtype)
    return op.MatMul(weights, fold)
