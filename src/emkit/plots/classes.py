"""Classifiers over one input or two: probabilities of the classes."""

from typing import Any

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.plots.asking import CURVE, GRID, Asked, centres, foot
from emkit.plots.style import FEW, PLAIN, colours, drawn, legend, marker, note, short, some_rows, tidy

_POINTS = 5000


def classes_over(ax: Any, shown: Asked, y: Any) -> Any:
    """Probabilities over one input, regions over two; returns the axes. See ``emkit.plots.prediction``."""
    if not callable(getattr(shown.estimator, "predict_proba", None)):
        raise ParameterError("estimator: a classifier is drawn by predict_proba, which this one has not", parameter="estimator")
    names = np.asarray(shown.estimator.classes_).tolist()
    labels = _labels(y, len(shown.inputs), names)
    return _curves(ax, shown, names, labels) if len(shown.chosen) == 1 else _regions(ax, shown, names, labels)


def _labels(y: Any, n: int, names: list[Any]) -> np.ndarray | None:
    """The number of each row's class; -1 of one that the classifier does not know."""
    if y is None:
        return None
    given = np.asarray(y)
    if given.shape != (n,):
        raise DataError(f"X has {n} rows, y has the shape {given.shape}: give one class for each row")
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(value, -1) for value in given.tolist()])


def _curves(ax: Any, shown: Asked, names: list[Any], labels: np.ndarray | None) -> Any:
    """A line for each class; rows are ticks at the top."""
    j = shown.chosen[0]
    grid = shown.span(j, CURVE)
    rows = shown.rows_at(grid)
    each, shades = shown.ask_each("predict_proba", rows), colours(len(names))
    lines = [line for c, shade in enumerate(shades) for line in ax.plot(grid, each[:, c], color=shade, linewidth=2.0)]
    ax.set_ylim(-0.02, 1.1)
    if labels is not None:
        some = some_rows(len(labels), _POINTS)
        for c, shade in enumerate(shades):
            mine = some[labels[some] == c]
            ax.scatter(shown.inputs[mine, j], np.full(len(mine), 1.06), marker="|", s=40, color=shade, linewidths=0.8, alpha=0.6)
        note(ax, drawn(len(some), len(labels)))
    ax.set_xlabel(short(shown.columns[j].name), **PLAIN)
    ax.set_ylabel("probability of the class")
    tidy(ax)
    if shown.units is not None:
        foot(ax, shown.units, rows, grid)
    legend(ax, lines[:FEW], [short(name) for name in names[:FEW]], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


def _regions(ax: Any, shown: Asked, names: list[Any], labels: np.ndarray | None) -> Any:
    """The most probable class, paler the less probable it is."""
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    i, j = shown.chosen
    across, up = shown.span(i, GRID), shown.span(j, GRID)
    each = shown.ask_each("predict_proba", shown.rows_at(*(part.ravel() for part in np.meshgrid(across, up))))
    shades, best = np.array([to_rgb(shade) for shade in colours(len(names))]), each.argmax(axis=1)
    sure = (each.max(axis=1) - 1.0 / len(names)) / (1.0 - 1.0 / len(names)) if len(names) > 1 else np.ones(len(each))
    image = 1.0 - 0.55 * sure[:, None] * (1.0 - shades[best])
    half = (across[1] - across[0]) / 2, (up[1] - up[0]) / 2
    extent = (across[0] - half[0], across[-1] + half[0], up[0] - half[1], up[-1] + half[1])
    ax.imshow(image.reshape(GRID, GRID, 3), origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    if labels is not None:
        some = some_rows(len(labels), _POINTS)
        for c, shade in enumerate(shades):
            mine = some[labels[some] == c]
            look = {"color": [shade], "edgecolors": "white", "linewidths": 0.4, "label": str(names[c])}
            ax.scatter(shown.inputs[mine, i], shown.inputs[mine, j], s=20, marker=marker(c), **look)
        note(ax, drawn(len(some), len(labels)))
    if shown.units is not None:
        centres(ax, shown.units, i, j)
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    ax.set_xlabel(short(shown.columns[i].name), **PLAIN)
    ax.set_ylabel(short(shown.columns[j].name), **PLAIN)
    handles = [Line2D([], [], color=shade, marker=marker(c), linestyle="") for c, shade in enumerate(shades[:FEW])]
    legend(ax, handles, [short(name) for name in names[:FEW]], loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax
