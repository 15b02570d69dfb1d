"""Branch-free ``exp`` and ``log`` that LLVM can run in SIMD lanes.

Numba's own ``np.exp`` is a scalar library call without Intel's SVML. These are plain polynomials: about 1 ns an element,
relative error about 2e-16 (float64) and 1e-7 (float32). Domain: what an E-step needs. ``exp`` takes x <= 0 and returns exactly 0
below -300 (float64) or -80 (float32), which keeps subnormal numbers, twenty times slower, out of every sum. ``log`` takes
normal positive numbers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from emkit.kernels.simd import larger, power_of_two, register, splat, where_larger

# No numba-level inlining here: it would hand these functions the flags of their caller. LLVM inlines them anyway.
EXACT = {"contract"}  # 'reassoc' would fold the rounding trick in `exp` away


@intrinsic
def _bits_to_float64(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@intrinsic
def _float64_to_bits(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _bits_to_float32(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


_LOG2E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ROUND64 = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_F = [1.0 / float(np.prod(np.arange(1, i + 1, dtype=float))) for i in range(14)]  # 1 / i!
_F2, _F3, _F4, _F5, _F6, _F7 = _F[2:8]
_F8, _F9, _F10, _F11, _F12, _F13 = _F[8:14]


@njit(fastmath=EXACT, error_model="numpy")
def _series(r):  # type: ignore[no-untyped-def]
    """exp(r) for |r| < 0.35, a number or a register: Taylor polynomial of degree 13."""
    p = r * _F13 + _F12
    p = p * r + _F11
    p = p * r + _F10
    p = p * r + _F9
    p = p * r + _F8
    p = p * r + _F7
    p = p * r + _F6
    p = p * r + _F5
    p = p * r + _F4
    p = p * r + _F3
    p = p * r + _F2
    p = p * r + 1.0
    return p * r + 1.0


@njit(fastmath=EXACT, error_model="numpy")
def _exp64(x: float) -> float:
    """Range reduction by multiples of ln 2 (two-part constant), then the series."""
    clipped = max(x, -300.0)
    shifted = clipped * _LOG2E + _ROUND64
    n = shifted - _ROUND64
    r = (clipped - n * _LN2_HIGH) - n * _LN2_LOW
    # The low bits of `shifted` hold n: moved into the exponent field they are 2**n, with no float-to-int conversion.
    scale = _bits_to_float64((_float64_to_bits(shifted) + 1023) << 52)
    return _series(r) * scale if x > -300.0 else 0.0


@njit(fastmath=EXACT, error_model="numpy")
def _exp_register(x):  # type: ignore[no-untyped-def]
    """``_exp64`` of eight numbers at once."""
    clipped = larger(x, splat(-300.0))
    shifted = clipped * _LOG2E + _ROUND64
    n = shifted - _ROUND64
    r = (clipped - n * _LN2_HIGH) - n * _LN2_LOW
    return where_larger(x, splat(-300.0), _series(r) * power_of_two(shifted), splat(0.0))


_F32 = np.float32
_LOG2E_32 = _F32(_LOG2E)
_LN2_HIGH_32 = _F32(0.693359375)
_LN2_LOW_32 = _F32(-2.12194440e-4)
_ROUND32 = _F32(12582912.0)
_ONE_32, _FLOOR_32, _ZERO_32 = _F32(1.0), _F32(-80.0), _F32(0.0)
_G2, _G3, _G4, _G5, _G6 = (_F32(f) for f in _F[2:7])


@njit(fastmath=EXACT, error_model="numpy")
def _exp32(x: float) -> float:
    clipped = max(x, _FLOOR_32)
    n = (clipped * _LOG2E_32 + _ROUND32) - _ROUND32
    r = (clipped - n * _LN2_HIGH_32) - n * _LN2_LOW_32
    p = _G6
    p = p * r + _G5
    p = p * r + _G4
    p = p * r + _G3
    p = p * r + _G2
    p = p * r + _ONE_32
    p = p * r + _ONE_32
    scale = _bits_to_float32((np.int32(n) + np.int32(127)) << np.int32(23))
    return p * scale if x > _FLOOR_32 else _ZERO_32


def exp(x: float) -> float:
    """exp(x) for x <= 0, in the width of x, which may be a SIMD register (NaN then gives 0). Compiled code only."""
    return float(np.exp(x))


@overload(exp, jit_options={"fastmath": EXACT})
def _exp_overload(x):  # type: ignore[no-untyped-def]  # numba compares the signatures, annotations included
    width = {types.float32: _exp32, register: _exp_register}.get(x, _exp64)

    def implementation(x):  # type: ignore[no-untyped-def]
        return width(x)

    return implementation


_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@njit(fastmath=EXACT, error_model="numpy")
def log(x: float) -> float:
    """log(x) of a normal positive float64: x = 2**e m with m in [sqrt(1/2), sqrt(2)), then the series of atanh."""
    bits = _float64_to_bits(x)
    shifted = bits - _SQRT_HALF_BITS
    e = shifted >> 52
    m = _bits_to_float64(bits - (e << 52))
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 1.0 / 21.0
    p = p * z + 1.0 / 19.0
    p = p * z + 1.0 / 17.0
    p = p * z + 1.0 / 15.0
    p = p * z + 1.0 / 13.0
    p = p * z + 1.0 / 11.0
    p = p * z + 1.0 / 9.0
    p = p * z + 1.0 / 7.0
    p = p * z + 1.0 / 5.0
    p = p * z + 1.0 / 3.0
    tail = s * z * p
    return e * _LN2_HIGH + (2.0 * s + (2.0 * tail + e * _LN2_LOW))
