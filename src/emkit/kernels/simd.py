"""A SIMD register of eight float64 numbers as a value in compiled code.

LLVM turns plain loops into SIMD code where they are long, but recursions over a handful of states have short loops, each
waiting for the one before. Here the registers are written out: ``load`` and ``store`` move eight numbers, ``+ - * /`` (with a
register or a number) and the functions below work on all of them at once. On processors whose own registers are narrower, LLVM
takes two or four of them.

Nothing is checked: ``load(a, i)`` reads ``a.flat[i : i + 8]`` of a C-contiguous array, whatever lies there.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import NumbaTypeError
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 8

_REGISTER = ir.VectorType(ir.DoubleType(), WIDTH)
_INTEGERS = ir.VectorType(ir.IntType(64), WIDTH)
_I32 = ir.IntType(32)


class Register(types.Type):
    """Numba's name for the type."""

    def __init__(self) -> None:
        super().__init__(name=f"Register({WIDTH})")


register = Register()


@register_model(Register)
class _RegisterModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any):
        super().__init__(manager, numba_type, _REGISTER)


def _splat(builder: Any, x: Any) -> Any:
    nothing = ir.Constant(_REGISTER, ir.Undefined)
    first = builder.insert_element(nothing, x, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_I32, WIDTH), [0] * WIDTH))


def _arithmetic(symbol: Any, instruction: str) -> None:
    @infer_global(symbol)
    class _(ConcreteTemplate):  # type: ignore[misc]
        cases = [  # noqa: RUF012  # numba reads it from the class
            signature(register, register, register),
            signature(register, register, types.float64),
            signature(register, types.float64, register),
        ]

    @lower_builtin(symbol, Register, Register)
    @lower_builtin(symbol, Register, types.float64)
    @lower_builtin(symbol, types.float64, Register)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (x if x.type == _REGISTER else _splat(builder, x) for x in args)
        # 'contract' allows fused multiply-add, nothing else: the order of sums stays as written.
        return getattr(builder, instruction)(a, b, flags=("contract",))


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _arithmetic(_symbol, _instruction)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _REGISTER.as_pointer())


def _check(array: Any, dtype: Any = types.float64) -> None:
    if not (isinstance(array, types.Array) and array.layout == "C" and array.dtype == dtype):
        raise NumbaTypeError(f"a register is loaded from and stored to C-contiguous {dtype} arrays, not {array}")


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _fold(builder: Any, v: Any, combine: Any) -> Any:
    """Halves against each other until one number is left."""
    width = WIDTH
    while width > 1:
        width //= 2
        low, high = (ir.Constant(ir.VectorType(_I32, width), list(range(at, at + width))) for at in (0, width))
        v = combine(builder.shuffle_vector(v, v, low), builder.shuffle_vector(v, v, high))
    return builder.extract_element(v, ir.Constant(_I32, 0))


@intrinsic
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Numbers ``index`` to ``index + WIDTH - 1`` of a C-contiguous array, rows one after the other."""
    _check(array)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = builder.load(_pointer(context, builder, sig.args[0], *args))
        found.align = 8
        return found

    return register(array, types.int64), lower


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """The reverse of ``load``."""
    _check(array)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, sig.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, register), lower


@intrinsic
def splat(typing_context: Any, x: Any) -> Any:
    """``x`` in every lane."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0])

    return register(types.float64), lower


@intrinsic
def larger(typing_context: Any, a: Any, b: Any) -> Any:
    """``a`` where it is larger than ``b``, else ``b``: where one is NaN, ``b``."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _larger(builder, *args)

    return register(register, register), lower


@intrinsic
def lane(typing_context: Any, v: Any, index: Any) -> Any:
    """Number ``index`` of ``v`` in every lane."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, builder.extract_element(*args))

    return register(register, types.int64), lower


@intrinsic
def where_larger(typing_context: Any, a: Any, b: Any, x: Any, y: Any) -> Any:
    """``x`` where ``a`` is larger than ``b``, else ``y``."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[2], args[3])

    return register(register, register, register, register), lower


@intrinsic
def store_bytes(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Whole numbers from 0 to 255, a byte each, into a C-contiguous uint8 array from ``index`` on."""
    _check(array, types.uint8)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        eight = ir.VectorType(ir.IntType(8), WIDTH)
        wide = builder.fptosi(args[2], ir.VectorType(_I32, WIDTH))
        pointer = builder.bitcast(builder.gep(data, [args[1]]), eight.as_pointer())
        builder.store(builder.trunc(wide, eight), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, register), lower


@intrinsic
def transpose(typing_context: Any, rows: Any) -> Any:
    """Eight registers as the rows of a matrix, turned into its columns."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        v = cgutils.unpack_tuple(builder, args[0])
        for distance in (1, 2, 4):  # squares of this size change places across the diagonal
            low = [i + (WIDTH - distance if i & distance else 0) for i in range(WIDTH)]
            low_mask, high_mask = (ir.Constant(ir.VectorType(_I32, WIDTH), [i + add for i in low]) for add in (0, distance))
            for i in range(WIDTH):
                if not i & distance:
                    a, b = v[i], v[i + distance]
                    v[i], v[i + distance] = builder.shuffle_vector(a, b, low_mask), builder.shuffle_vector(a, b, high_mask)
        return context.make_tuple(builder, sig.return_type, v)

    kind = types.UniTuple(register, WIDTH)
    if rows != kind:
        raise NumbaTypeError(f"transpose takes {kind}, not {rows}")
    return kind(rows), lower


@intrinsic
def power_of_two(typing_context: Any, v: Any) -> Any:
    """2 ** n where ``v`` is n + 1.5 * 2**52, whose low bits hold the integer n (see ``emkit.kernels.vmath``)."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.add(builder.bitcast(args[0], _INTEGERS), ir.Constant(_INTEGERS, [1023] * WIDTH))
        return builder.bitcast(builder.shl(bits, ir.Constant(_INTEGERS, [52] * WIDTH)), _REGISTER)

    return register(register), lower


@intrinsic
def position(typing_context: Any, v: Any, x: Any) -> Any:
    """The first lane of ``v`` that equals the number ``x``; WIDTH if none does."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        equal = builder.fcmp_ordered("==", args[0], _splat(builder, args[1]))
        bits = builder.zext(builder.bitcast(equal, ir.IntType(WIDTH)), ir.IntType(64))
        sentinel = builder.or_(bits, ir.Constant(ir.IntType(64), 1 << WIDTH))
        return builder.cttz(sentinel, ir.Constant(ir.IntType(1), 1))

    return types.int64(register, types.float64), lower


@intrinsic
def total(typing_context: Any, v: Any) -> Any:
    """Sum of the lanes."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fold(builder, args[0], builder.fadd)

    return types.float64(register), lower


@intrinsic
def largest(typing_context: Any, v: Any) -> Any:
    """Largest of the lanes."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fold(builder, args[0], lambda a, b: _larger(builder, a, b))

    return types.float64(register), lower
