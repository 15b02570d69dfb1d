"""One decorator for every kernel: compiled without the interpreter lock, cached on disk where that is possible."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba


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


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile with numba; fall back to no cache where no folder is writable.

    Numba caches beside the source, or, when the package is installed read-only, in the user's cache folder
    (``NUMBA_CACHE_DIR`` overrides both). With neither writable it raises while decorating, and a library must still
    import: the kernel is then compiled once per process.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return _stamp(numba.njit(nogil=True, cache=True, error_model="numpy", **options)(function))
        except RuntimeError:
            return numba.njit(nogil=True, error_model="numpy", **options)(function)

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
