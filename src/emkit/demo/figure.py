"""The picture of the demo: the values with what EM found in them, and the means on their way there."""

import os
from typing import Any

import numpy as np

from emkit.demo.problem import DemoRun

# Okabe and Ito's colours, told apart by every kind of colour vision; blue to orange through grey for responsibilities.
_FIRST, _SECOND, _INK, _FAINT = "#0072B2", "#D55E00", "#222222", "#8a8a8a"
_BINS = 60


def draw_demo(run: DemoRun, path: str | os.PathLike[str], *, dpi: int = 150) -> None:
    """Write the picture as PNG. Needs matplotlib; opens no window and leaves its settings alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 4.9), dpi=dpi, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    _draw_values(left, run)
    _draw_means(right, run)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=9)
    figure.savefig(path, format="png")


def _draw_values(axes: Any, run: DemoRun) -> None:
    """Histogram coloured by responsibility, both fitted densities and their sum."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.ticker import MultipleLocator

    colours = LinearSegmentedColormap.from_list("responsibility", [_FIRST, "#d9d9d9", _SECOND])
    heights, edges = np.histogram(run.values, bins=_BINS, density=True)
    centres, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    where = np.clip(np.digitize(run.values, edges) - 1, 0, len(centres) - 1)
    counts = np.bincount(where, minlength=len(centres))
    second = np.bincount(where, weights=run.responsibilities[:, 1], minlength=len(centres))
    share = np.divide(second, counts, out=np.zeros_like(second), where=counts > 0)
    axes.bar(centres, heights, width=width, color=colours(share), edgecolor="white", linewidth=0.4, alpha=0.5)

    x = np.linspace(edges[0] - 1.0, edges[-1] + 1.0, 400)
    z = (x[:, None] - run.means[-1]) / run.sigma
    parts = run.weights * np.exp(-0.5 * z**2) / (run.sigma * np.sqrt(2 * np.pi))
    for j, colour in enumerate((_FIRST, _SECOND)):
        axes.plot(x, parts[:, j], color=colour, linewidth=2.6, label=f"component {j}, mean {run.means[-1, j]:.3f}")
    axes.plot(x, parts.sum(axis=1), color=_INK, linewidth=1.6, linestyle=(0, (4, 2.5)), label="sum of both")
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(0, max(heights.max(), parts.sum(axis=1).max()) * 1.36)
    axes.xaxis.set_major_locator(MultipleLocator(5))
    axes.yaxis.set_major_locator(MultipleLocator(0.02))
    axes.set_title(f"{len(run.values):,} values and the mixture found in them", fontsize=12, color=_INK, loc="left", pad=10)
    axes.set_xlabel("value", color=_INK)
    axes.set_ylabel("density", color=_INK)
    axes.legend(loc="upper center", ncols=3, fontsize=8.5, frameon=False, handlelength=2.2, columnspacing=1.4)
    # The key to the colours, in the headroom between the legend and the bars.
    key = axes.inset_axes((0.33, 0.835, 0.34, 0.022))
    bar = axes.figure.colorbar(ScalarMappable(Normalize(0, 1), colours), cax=key, orientation="horizontal", ticks=[0, 1], alpha=0.5)
    bar.outline.set_visible(False)
    key.set_xticks([])
    key.set_title("bars are coloured by responsibility", fontsize=8.5, color=_INK, pad=3)
    for at, side, text in ((-0.02, "right", "component 0"), (1.02, "left", "component 1")):
        key.text(at, 0.5, text, transform=key.transAxes, ha=side, va="center", fontsize=8.5, color=_INK)


def _draw_means(axes: Any, run: DemoRun) -> None:
    """Each mean after each iteration: emkit's, the document's formula faintly, the truth dashed."""
    last = len(run.means) - 1
    iterations = np.arange(last + 1)
    # The document's two means change places at every iteration; sorted, their lines can be followed.
    document = np.sort(run.document_means, axis=1)
    for j, colour in enumerate((_FIRST, _SECOND)):
        axes.axhline(
            run.true_means[j], color=_INK, linewidth=1.2, linestyle=(0, (6, 4)), zorder=1, label="true means" if j == 0 else None
        )
        axes.plot(
            iterations, document[:, j], color=_FAINT, linewidth=1.4, marker="s", markersize=3, alpha=0.7, zorder=2,
            label="the document's formula (means sorted)" if j == 0 else None,
        )  # fmt: skip
        axes.plot(
            iterations, run.means[:, j], color=colour, linewidth=2.2, marker="o", markersize=4.2, zorder=3, label=f"emkit, mean {j}"
        )
    every = np.concatenate([run.means.ravel(), run.document_means.ravel(), run.true_means])
    low, high = every.min(), every.max()
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    axes.set_xlim(-0.03 * max(last, 1), last + 0.03 * max(last, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("The means, iteration by iteration", fontsize=12, color=_INK, loc="left", pad=10)
    axes.set_xlabel("iteration", color=_INK)
    axes.set_ylabel("mean", color=_INK)
    axes.legend(loc="center right", fontsize=9, frameon=False, handlelength=2.6, labelspacing=0.7, reverse=True)
