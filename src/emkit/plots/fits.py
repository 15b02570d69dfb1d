"""How a fit went: the objective by iteration, and the optima that its starts reached."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.result import Result, StopReason
from emkit.plots.style import DASHES, GREY, PALETTE, PLAIN, ink, key, legend, note, one_axes, short, tidy


@runtime_checkable
class WithResult(Protocol):
    """Estimators that have a Result."""

    def _current(self) -> Result:
        """What counts now."""


_WITHOUT_TRACE = {
    StopReason.SET_BY_HAND: "nothing was fitted: the parameters were set by hand",
    StopReason.STREAM: (
        "partial_fit learnt from a stream, which has neither iterations nor starts; keep score(X) after each partial_fit, or fit(X)"
    ),
}


def result_of(fit: Any) -> Result:
    """The result of an estimator, or itself. Raises ParameterError where there is no course of a fit to draw, and says why."""
    if isinstance(fit, Result):
        found = fit
    elif isinstance(fit, WithResult) and not isinstance(fit, type):
        found = fit._current()
    else:
        raise ParameterError("give a fitted estimator of emkit's that is fitted by EM, or its result_", parameter="estimator")
    if not found.trace:
        why = _WITHOUT_TRACE.get(found.reason, f"the fit kept no objective by iteration: {found.reason.value}")
        raise ParameterError(why, parameter="estimator")
    return found


def trace(fit: Any, *, gap: bool = False, ax: Any = None) -> Any:
    """The objective at each iteration, log-likelihood plus log prior.

    A line for each start that was carried on over all the data, that of the best one in front. Several fits, such as those with
    ``n_init=1`` from several seeds, are a line each.

    Parameters
    ----------
    fit : fitted estimator, Result, or sequence or mapping of them
        A mapping names its lines.
    gap : bool
        Whether the objective still to come is drawn, on a logarithmic scale, instead of the objective: straight lines are linear
        convergence.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For what has no result, for parameters that were set by hand, and after ``partial_fit``.
    NotFittedError
    """
    several = isinstance(fit, Mapping) or (isinstance(fit, Sequence) and not isinstance(fit, Result))
    names = list(fit) if isinstance(fit, Mapping) else [f"fit {i}" for i in range(len(fit))] if several else ["best start"]
    results = [result_of(one) for one in (fit.values() if isinstance(fit, Mapping) else fit if several else [fit])]
    if not results:
        raise ParameterError("there is no fit to draw", parameter="estimator")
    best = max(max(one.trace) for one in results)
    others = [] if several else _others(results[0])
    ax = one_axes(ax)

    def line(values: Sequence[float], ahead: float, **look: Any) -> None:
        drawn = np.asarray(values, dtype=np.float64)
        if gap:
            drawn = best + ahead - drawn
            drawn = np.where(drawn > 0, drawn, np.nan)
        ax.plot(np.arange(len(drawn)), drawn, **look)

    for i, (name, result) in enumerate(zip(names, results, strict=True)):
        ahead = max(result.remaining, 0.0) if np.isfinite(result.remaining) else 0.0
        look = {"color": PALETTE[i % len(PALETTE)], "linestyle": DASHES[i // len(PALETTE) % len(DASHES)]}
        line(result.trace, ahead, linewidth=1.6, marker="o", markersize=2.5, label=str(name), zorder=3, **look)
        for other in others:
            line(other, ahead, linewidth=0.9, color=GREY, label="other starts", zorder=2)
            ax.scatter([len(other) - 1], ax.get_lines()[-1].get_ydata()[-1:], color=GREY, s=14, zorder=2)
    if others:
        note(ax, f"grey: {len(others)} other start{'s' * (len(others) > 1)} carried on over all the data")
    if gap:
        ax.set_yscale("log")
    else:
        ax.ticklabel_format(axis="y", useOffset=False)
    ax.set(xlabel="iteration", ylabel="objective still to come (nats)" if gap else "objective (nats)")
    ax.xaxis.get_major_locator().set_params(integer=True)
    tidy(ax)
    if several:
        legend(ax, ax.get_lines(), [short(name) for name in names], loc="best")
    return ax


def _others(result: Result) -> list[tuple[float, ...]]:
    """Objectives of the other starts that were carried on, iteration by iteration; where only their ends are known, nothing."""
    done = [start.trace for start in result.starts if start.trace]
    if result.trace in done:
        done.remove(result.trace)
    return done


def starts(fit: Any, *, ax: Any = None) -> Any:
    """A dot for each start: the objective that it reached, in a row for each kind of start.

    Starts that were carried on to the end are full, at their optima; the others hollow, at what they had after their short run.
    Dots that would lie on each other are stacked. The dashed line is the optimum that was kept.

    Parameters
    ----------
    fit : fitted estimator, or Result
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        If nothing was fitted.
    NotFittedError
    """
    from matplotlib.lines import Line2D

    result = result_of(fit)
    kinds = list(dict.fromkeys(start.kind for start in result.starts))
    ax = one_axes(ax, 6.4, 1.6 + 0.55 * max(len(kinds), 1))
    full = [(kinds.index(s.kind), s.objective) for s in result.starts if s.objective is not None]
    # A short run on a subsample has an objective of another size: it is drawn only where runs were on all rows.
    reached = [value for _, value in full]
    floor = min(reached) - 3.0 * (max(reached) - min(reached) + 0.02 * abs(max(reached)) + 1.0) if reached else -np.inf
    others = [(kinds.index(s.kind), s.short_objective) for s in result.starts if s.objective is None]
    hollow = [
        (row, value)
        for row, value in others
        if np.isfinite(value) and floor <= value <= max(reached, default=np.inf) + 1e-6 * abs(floor)
    ]
    for dots, look in ((hollow, {"facecolors": "none", "edgecolors": GREY}), (full, {"color": PALETTE[0], "linewidths": 0})):
        at = _stacked(dots, full + hollow)
        ax.scatter([x for x, _ in at], [y for _, y in at], s=34, zorder=3, **look)
    ax.axvline(result.objective, color=ink(), linewidth=1.0, linestyle="--", zorder=1)
    ax.set_yticks(range(len(kinds)), [short(kind) for kind in kinds], **PLAIN)
    ax.set_ylim(len(kinds) - 0.4, -0.7)
    ax.set_xlabel("objective (nats)")
    ax.ticklabel_format(axis="x", useOffset=False)
    ax.locator_params(axis="x", nbins=4)  # optima may differ in the eighth digit, which makes labels long
    left_out = len(others) - len(hollow)
    note(ax, f"{left_out} short runs are far below, or on other rows" if left_out else "")
    tidy(ax)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=PALETTE[0]),
        Line2D([], [], marker="o", linestyle="", markerfacecolor="none", color=GREY),
    ]
    words = ["carried on to the end", "short run only"]
    kept = [i for i, dots in enumerate((full, hollow)) if dots]
    key(ax, [""], [handles[i] for i in kept], [words[i] for i in kept], loc="upper left")
    return ax


def _stacked(dots: Sequence[tuple[int, float]], every: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    """Places of dots: those of one row within a hundredth of the whole range lie above each other."""
    values = [value for _, value in every]
    step = (max(values) - min(values)) / 100 if values else 1.0
    taken: dict[tuple[int, int], int] = {}
    out = []
    for row, value in dots:
        place = (row, round(value / step) if step > 0 else 0)
        taken[place] = taken.get(place, -1) + 1
        out.append((value, row - min(0.11 * taken[place], 0.55)))
    return out
