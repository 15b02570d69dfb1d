"""A criterion against the number of components."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from emkit.core.errors import ParameterError
from emkit.plots.style import DASHES, PALETTE, PLAIN, ink, legend, one_axes, short, tidy

_COLOURS = (*PALETTE, "#000000")


@dataclass(frozen=True)
class Compared:
    """Candidates of a search: sizes, values of a criterion, names of lines, ... as ``plot_criteria`` takes them."""

    sizes: Sequence[int | None]
    values: Sequence[float]
    lines: Sequence[str]
    marked: Sequence[bool]
    best: int | None
    size_name: str
    value_name: str
    higher: bool


@runtime_checkable
class Comparing(Protocol):
    """Searches that have compared candidates."""

    def _compared(self, by: str | None) -> Compared:
        """The candidates by a criterion; None: the one that chose."""


def criteria(search: Any, by: str | None = None, *, ax: Any = None) -> Any:
    """A criterion against the number of components, a line for whatever else differs between candidates.

    Hollow points are optima that are not to be believed in, a circle is about the chosen one. What is far worse than the rest is
    cut off.

    Parameters
    ----------
    search : Selection
        What ``emkit.select`` returns.
    by : str, optional
        The criterion, such as "bic" or "icl"; default: the one that chose.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For a criterion that was not computed, and for what is no search.
    """
    if not isinstance(search, Comparing) or isinstance(search, type):
        raise ParameterError("search: give what emkit.select returns", parameter="search")
    found = search._compared(by)
    return plot_criteria(
        found.sizes, found.values, found.lines, found.marked, found.best, found.size_name, found.value_name, ax, higher=found.higher
    )


def plot_criteria(
    sizes: Sequence[int | None],
    values: Sequence[float],
    lines: Sequence[str],
    marked: Sequence[bool],
    best: int | None,
    size_name: str,
    value_name: str,
    ax: Any = None,
    *,
    higher: bool = False,
) -> Any:
    """The picture, from arrays and names.

    Parameters
    ----------
    sizes, values, lines, marked : sequences of one length
        Number of components, criterion (NaN: no fit), name of the line, and whether the optimum is not to be believed in: shown
        hollow.
    best : int or None
        The one that was chosen.
    ax : matplotlib Axes, optional
        Default: a figure of its own.
    higher : bool
        Whether higher is better. What is far worse than the rest is cut off.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    ax = one_axes(ax, 8.0, 5.0)
    from matplotlib.ticker import MaxNLocator

    handles, shown = _lines(ax, sizes, values, lines, marked)
    if best is not None and not math.isnan(values[best]):
        circle = ax.scatter([sizes[best] or 0], [values[best]], s=160, facecolor="none", edgecolor=ink(), zorder=4)
        handles.append(circle)
        shown.append(f"chosen: {short(lines[best], 40)}, {sizes[best]}" if lines[best] else f"chosen: {sizes[best]}")
    _focus(ax, values, higher)
    ax.set_xlabel(size_name, **PLAIN)
    ax.set_ylabel(value_name, **PLAIN)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(ax)
    if handles:
        legend(ax, handles, shown, ncols=1 + len(handles) // 18, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def _lines(
    ax: Any, sizes: Sequence[int | None], values: Sequence[float], lines: Sequence[str], marked: Sequence[bool]
) -> tuple[list[Any], list[str]]:
    """Draws them; those that have a name, and their names."""
    handles, shown = [], []
    for i, name in enumerate(dict.fromkeys(lines)):
        points = [
            (sizes[j] or 0, values[j], marked[j]) for j, line in enumerate(lines) if line == name and not math.isnan(values[j])
        ]
        points.sort()
        look = {"color": _COLOURS[i % len(_COLOURS)], "linestyle": DASHES[i // len(_COLOURS) % len(DASHES)]}
        (line,) = ax.plot([p[0] for p in points], [p[1] for p in points], label=name or None, linewidth=1.2, **look)
        if name:
            handles.append(line)
            shown.append(short(name, 40))
        for hollow in (False, True):
            some = [p for p in points if p[2] == hollow]
            face = "white" if hollow else look["color"]
            ax.scatter([p[0] for p in some], [p[1] for p in some], s=18, color=face, edgecolor=look["color"], zorder=3)
    return handles, shown


def _focus(ax: Any, values: Sequence[float], higher: bool) -> None:
    """Leave out what is so much worse than the best that nothing could be told apart: five times as far as half of all is."""
    known = sorted((-value if higher else value) for value in values if math.isfinite(value))
    if len(known) < 4 or known[0] == known[len(known) // 2]:
        return
    best, reach = known[0], 5.0 * (known[len(known) // 2] - known[0])
    if known[-1] > best + reach:
        ends = best - 0.08 * reach, best + reach
        ax.set_ylim(*((-ends[1], -ends[0]) if higher else ends))
