"""A criterion against the number of components: knows arrays and names, and nothing of models."""

import math
from collections.abc import Sequence
from typing import Any

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito's, told apart by all eyes
_DASHES = ("-", "--", ":", "-.")


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
    """The figure.

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
    matplotlib Figure

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install matplotlib") from error
    if ax is None:
        figure = Figure(figsize=(8.0, 5.0), layout="constrained")
        ax = figure.add_subplot()
    names = list(dict.fromkeys(lines))
    for i, name in enumerate(names):
        points = [
            (sizes[j] or 0, values[j], marked[j]) for j, line in enumerate(lines) if line == name and not math.isnan(values[j])
        ]
        points.sort()
        look = {"color": _COLOURS[i % len(_COLOURS)], "linestyle": _DASHES[i // len(_COLOURS) % len(_DASHES)]}
        ax.plot([p[0] for p in points], [p[1] for p in points], label=name or None, linewidth=1.2, **look)
        for hollow in (False, True):
            some = [p for p in points if p[2] == hollow]
            face = "white" if hollow else look["color"]
            ax.scatter([p[0] for p in some], [p[1] for p in some], s=18, color=face, edgecolor=look["color"], zorder=3)
    if best is not None and not math.isnan(values[best]):
        label = f"chosen: {lines[best]}, {sizes[best]}" if lines[best] else f"chosen: {sizes[best]}"
        ax.scatter([sizes[best] or 0], [values[best]], s=160, facecolor="none", edgecolor="black", zorder=4, label=label)
    _focus(ax, values, higher)
    ax.set_xlabel(size_name)
    ax.set_ylabel(value_name)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        ax.legend(fontsize="small", ncols=1 + len(handles) // 18, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return ax.figure


def _focus(ax: Any, values: Sequence[float], higher: bool) -> None:
    """Leave out what is so much worse than the best that nothing could be told apart: five times as far as half of all is."""
    known = sorted((-value if higher else value) for value in values if math.isfinite(value))
    if len(known) < 4 or known[0] == known[len(known) // 2]:
        return
    best, reach = known[0], 5.0 * (known[len(known) // 2] - known[0])
    if known[-1] > best + reach:
        ends = best - 0.08 * reach, best + reach
        ax.set_ylim(*((-ends[1], -ends[0]) if higher else ends))
