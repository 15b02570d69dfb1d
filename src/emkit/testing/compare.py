"""Running laws, comparing numbers, and slopes by finite differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emkit.testing.cases import Law


def check(laws: Sequence[Law], case: Any) -> list[str]:
    """Check the laws in order; names of those that applied. What is raised names the law."""
    checked = []
    for law in laws:
        name = law.__name__
        try:
            applied = law(case)
        except AssertionError as error:
            what = (law.__doc__ or "").split("\n")[0]
            raise AssertionError(f"{type(case.subject).__name__} breaks the law {name} ({what}): {error}") from error
        except Exception as error:
            error.add_note(f"while checking the law {name} of {type(case.subject).__name__}")
            raise
        if applied is not False:
            checked.append(name)
    return checked


def require(condition: bool, message: str) -> None:
    """Assert that Python's -O cannot switch off."""
    if not condition:
        raise AssertionError(message)


def close(what: str, found: Any, expected: Any, scale: Any = 1.0, rtol: float = 1e-9) -> None:
    """|found - expected| <= rtol * scale for every entry. Equal infinities are equal."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    require(found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}")
    allowed = np.broadcast_to(rtol * np.asarray(scale, dtype=np.float64), found.shape)
    with np.errstate(invalid="ignore"):
        off = np.where(found == expected, 0.0, np.abs(found - expected))
    bad = ~(off <= allowed)
    if bad.any():
        at = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off - allowed))), found.shape)
        raise AssertionError(
            f"{what}: entry {tuple(int(i) for i in at)} is {found[at]:.17g}, expected {expected[at]:.17g} "
            f"(they differ by {off[at]:.3g}, allowed {allowed[at]:.3g}; {int(bad.sum())} of {bad.size} entries differ)"
        )


def same_bits(what: str, found: Any, expected: Any) -> None:
    """Two records of arrays (Params or Stats) agree bit for bit."""
    a, b = found.flatten(), expected.flatten()
    require(a.keys() == b.keys(), f"{what}: holds {sorted(a)}, expected {sorted(b)}")
    for name, value in b.items():
        if not np.array_equal(a[name], value, equal_nan=value.dtype.kind == "f"):
            close(f"{what}: {name}", a[name], value, rtol=0.0)


def like(what: str, found: Any, expected: Any, rtol: float = 1e-8) -> None:
    """Two Params agree up to rounding, relative to each entry (or a millionth of the largest in its array)."""
    a, b = found.flatten(), expected.flatten()
    require(a.keys() == b.keys(), f"{what}: holds {sorted(a)}, expected {sorted(b)}")
    for name, value in b.items():
        close(f"{what}: {name}", a[name], value, np.abs(value).astype(np.float64) + 1e-6 * np.abs(value).max(initial=0.0), rtol)


_MOST_SLOPES = 24


def slopes(*functions: Callable[[np.ndarray], float], at: np.ndarray) -> tuple[np.ndarray, ...]:
    """Central differences of several functions along each coordinate (of many, along some), in the same natural units.

    The unit of a coordinate is the step over which the most curved of the functions bends by about 0.01, so that a slope is
    "nats per unit" whatever the parameter's scale. Two step lengths are combined (Richardson), so that errors are of fourth
    order: about 1e-9. Returns an array of slopes times unit for each function.
    """
    along = np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST_SLOPES)).astype(int))
    out = np.zeros((len(functions), len(along)))
    middle = [f(at) for f in functions]
    for n, i in enumerate(along):
        most = 1e-2 * (1.0 + abs(at[i]))
        step = most
        for _ in range(60):
            ends = [(f(_moved(at, i, step)), f(_moved(at, i, -step))) for f in functions]
            with np.errstate(all="ignore"):
                bend = max(abs(up - 2.0 * m + down) for (up, down), m in zip(ends, middle, strict=True))
            if not np.isfinite(bend):
                step *= 1e-2
            elif 2e-3 <= bend <= 2e-2 or (bend < 2e-3 and step >= most):
                break
            else:
                step = min(most, step * min(max(np.sqrt(1e-2 / max(bend, 1e-300)), 1e-12), 10.0))
        for j, (f, (up, down)) in enumerate(zip(functions, ends, strict=True)):
            near = f(_moved(at, i, step / 2)) - f(_moved(at, i, -step / 2))
            out[j, n] = (8.0 * near - (up - down)) / 6.0
    return tuple(out)


def _moved(v: np.ndarray, i: int, by: float) -> np.ndarray:
    out = v.copy()
    out[i] += by
    return out


def plain_difference(a: Any, b: Any) -> float:
    """Largest absolute difference between two Params, relative to the size of each array."""
    x, y = a.flatten(), b.flatten()
    return max(
        (float(np.max(np.abs(x[name] - y[name]) / (np.abs(y[name]).max() + 1e-300), initial=0.0)) for name in y if y[name].size),
        default=0.0,
    )


def gradients_agree(log_likelihood: Callable[[Any], float], q: Callable[[Any], Any], subject: Any, params: Any) -> None:
    """Fisher's identity at ``params``, along every free coordinate. The log prior would add the same to both, and is left out."""
    vector = subject.pack(params)
    if not np.isfinite(vector).all() or np.abs(vector).max(initial=0.0) > 600:
        return
    found, expected = slopes(
        lambda v: log_likelihood(subject.unpack(v, params)), lambda v: float(q(subject.unpack(v, params))), at=vector
    )
    close("gradient of the log-likelihood (by differences, beside that of q)", found, expected, 1.0 + np.abs(expected), 1e-5)


def prior_mode(subject: Any, m_step: Callable[[Any, Any], Any], stats: Any, params: Any, *, stay: bool) -> None:
    """M-steps from no counts at all reach a stationary point of the log prior. ``stay``: without a prior they change nothing."""
    nothing = stats * 0.0
    before = float(subject.log_prior(params))
    new = params
    for _ in range(200):
        last, new = new, m_step(nothing, new)
        if all(np.array_equal(a, b) for a, b in zip(new.flatten().values(), last.flatten().values(), strict=True)):
            break
    after = float(subject.log_prior(new))
    require(after >= before - 1e-12 * abs(before), f"the log prior was {before:.12g} and is {after:.12g} after the M-step")
    vector = subject.pack(new)
    if not len(vector) or not np.isfinite(vector).all() or np.abs(vector).max() > 600:
        return

    def log_prior(v: np.ndarray) -> float:
        return float(subject.log_prior(subject.unpack(v, new)))

    (slope,) = slopes(log_prior, at=vector)
    close("slope of the log prior at what the M-step made of no counts", slope, np.zeros_like(slope), 1.0, 1e-6)
    old = subject.pack(params)
    if stay and np.isfinite(old).all() and not slopes(log_prior, at=old)[0].any():
        same_bits("parameters, without data or prior", new, params)
