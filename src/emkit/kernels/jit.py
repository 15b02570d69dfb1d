"""One decorator for every kernel: compiled without the interpreter lock, cached on disk where that is possible."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
import numpy as np


@lru_cache(maxsize=1)
def _sources() -> str:
    """A digest of all kernels' source."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamp(compiled: Any) -> Any:
    """Make cached code stale when any kernel changes: numba watches a kernel's own file only, not those of the helpers in it."""
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None and hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _sources())
    return compiled


class _Memory:
    """The memory of a read-only array, as NumPy may see it as an array of the ordinary kind."""

    def __init__(self, array: np.ndarray):
        self.__array_interface__ = {**array.__array_interface__, "data": (array.__array_interface__["data"][0], False)}
        self.array = array  # must live as long as the view does


def _as_compiled(value: Any) -> Any:
    """An argument as numba knows its type already: read-only arrays, and those in tuples, as ordinary ones of the same memory."""
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else np.asarray(_Memory(value))
    if isinstance(value, tuple):
        items = [_as_compiled(item) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def _one_signature(compiled: Any) -> Any:
    """Let compiled code for ordinary arrays serve read-only ones (Arrow, memory maps, Dask, Ray), which to numba are another type.

    Compiling once more takes seconds, and up to a quarter of a minute. Numba asks for code only where it has none for the types of
    a call, so that calls with ordinary arrays cost nothing more. A kernel never writes to an input: see the conformance kit's law
    that rows are not changed in place, and the tests on memory that the system protects.
    """
    compile_for = compiled._compile_for_args

    def asked(*args: Any, **kwargs: Any) -> Any:
        plain = tuple(map(_as_compiled, args)), {name: _as_compiled(value) for name, value in kwargs.items()}
        same = all(new is old for new, old in zip(plain[0], args, strict=True))
        if same and all(new is kwargs[name] for name, new in plain[1].items()):
            return compile_for(*args, **kwargs)
        return lambda *_, **__: compiled(*plain[0], **plain[1])

    compiled._compile_for_args = asked
    return compiled


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile with numba; fall back to no cache where no folder is writable.

    Numba caches beside the source, or, when the package is installed read-only, in the user's cache folder
    (``NUMBA_CACHE_DIR`` overrides both). With neither writable it raises while decorating, and a library must still
    import: the kernel is then compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return _one_signature(_stamp(numba.njit(nogil=True, cache=True, error_model="numpy", **options)(function)))
        except RuntimeError:
            return _one_signature(numba.njit(nogil=True, error_model="numpy", **options)(function))

    return decorate


# The flags that let LLVM turn a sum into SIMD lanes. 'nnan' and 'ninf' stay off: missing cells are NaN and empty
# components have log weight -inf.
SUMS = {"fastmath": {"reassoc", "contract", "nsz"}}
# Fused multiply-add only: for code whose order of operations is the point (exp's rounding trick, two-part means).
EXACT = {"fastmath": {"contract"}}
# Helpers only ever called from compiled code: skipping their Python and C entry points saves a third of the compile time.
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# Helpers of a few nanoseconds, called at every step. Left to itself LLVM calls the larger ones, and numba counts references to
# their arrays, atomically: 50 ns a call. Such a helper takes arrays from its caller and makes none.
INLINED = {**INNER, "forceinline": True, "_nrt": False}
