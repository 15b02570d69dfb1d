"""What all pictures have in common: colours that every eye tells apart, axes, and names shown letter by letter.

matplotlib is imported when a picture is made. Its settings are left alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours that stand out from white: told apart by every kind of colour vision."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.")
FEW = 10
"""Up to so many components have an entry of their own in a legend; more have a scale of colours."""
PLAIN = {"parse_math": False, "usetex": False}
"""For texts with names of the user's in them: ``$`` and ``_`` are letters."""
GREY = "0.55"


def matplotlib() -> Any:
    """The package. Raises ImportError that says how to get it."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("a picture needs matplotlib: pip install matplotlib") from error
    return matplotlib


_BARE: ContextVar[bool] = ContextVar("bare", default=False)


@contextmanager
def bare_figures() -> Iterator[None]:
    """New figures are not pyplot's here: no window, no notebook and no ``plt.show()`` hears of them."""
    before = _BARE.set(True)
    try:
        yield
    finally:
        _BARE.reset(before)


def new_figure(width: float, height: float) -> Any:
    """A figure of so many inches: pyplot's, so that notebooks and ``plt.show()`` show it; without a display a bare one."""
    matplotlib()
    from matplotlib.figure import Figure

    if _BARE.get():
        return Figure(figsize=(width, height), layout="constrained")
    try:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=(width, height), layout="constrained")
    except ImportError:  # a backend with windows was asked for, and there is no display
        return Figure(figsize=(width, height), layout="constrained")


def one_axes(ax: Any, width: float = 6.4, height: float = 4.2) -> Any:
    """The axes that were given, or those of a new figure. Raises ParameterError for anything else."""
    if ax is None:
        return new_figure(width, height).add_subplot()
    return several_axes(ax, 1, 1, width, height)[0, 0]


def several_axes(ax: Any, rows: int, columns: int, width: float, height: float, **kwargs: Any) -> np.ndarray:
    """Axes (rows, columns): those that were given, or those of a new figure; ``kwargs`` go to ``Figure.subplots``.

    Raises ParameterError for what is not axes, or not so many.
    """
    if ax is None:
        return np.asarray(new_figure(width, height).subplots(rows, columns, squeeze=False, **kwargs))
    matplotlib()
    from matplotlib.axes import Axes

    found = np.asarray(ax, dtype=object)
    if not all(isinstance(one, Axes) for one in found.ravel()):
        raise ParameterError("ax is no matplotlib axes; make some with figure.add_subplot() or plt.subplots()", parameter="ax")
    if found.size != rows * columns:
        many = (
            "one" if rows * columns == 1 else f"an array of {rows} x {columns}" if min(rows, columns) > 1 else f"{rows * columns}"
        )
        raise ParameterError(f"ax holds {found.size} axes, this picture needs {many}", parameter="ax")
    return found.reshape(rows, columns)


def colours(k: int) -> list[str]:
    """A colour for each of ``k`` components: the palette, or of many a scale from dark to light that is monotone in grey too."""
    if k <= len(PALETTE):
        return list(PALETTE[:k])
    from matplotlib.colors import to_hex

    scale = matplotlib().colormaps["viridis"]
    return [to_hex(scale(0.93 * i / (k - 1))) for i in range(k)]


def ink() -> Any:
    """The colour of texts and of what is not of one component: black on white, unless settings say otherwise."""
    return matplotlib().rcParams["text.color"]


def marker(i: int) -> str:
    """The marker of a component: colours alone do not tell many apart."""
    return MARKERS[i % len(MARKERS)]


def short(name: Any, most: int = 26) -> str:
    """A name on one line, cut off where it is long."""
    text = " ".join(str(name).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def legend(ax: Any, handles: Sequence[Any], names: Sequence[str], **kwargs: Any) -> Any:
    """A legend whose names are shown letter by letter: matplotlib would drop those that begin with ``_``."""
    found = ax.legend(list(handles), [str(i) for i in range(len(handles))], **{"frameon": False, "fontsize": "small", **kwargs})
    for text, name in zip(found.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_usetex(False)
        text.set_text(name)
    return found


def key(
    ax: Any, names: Sequence[str], handles: Sequence[Any] = (), more: Sequence[str] = (), *, room: bool = True, **kwargs: Any
) -> None:
    """Which colour is whose: a legend beside the axes, of many components a scale of numbers. ``handles`` with ``more`` names
    follow.

    Nothing where there is nothing to tell apart. ``room``: whether the figure makes room for it.
    """
    from matplotlib.lines import Line2D

    k = len(names)
    own = [Line2D([], [], color=c, marker=marker(i), linestyle="-") for i, c in enumerate(colours(k))] if 1 < k <= FEW else []
    shown = list(names) if own else []
    if k > FEW:
        scale_of_numbers(ax, k, names[0].partition(" ")[0], room)
    if own or handles:
        where = {"loc": "upper left", "bbox_to_anchor": (1.01 if k <= FEW else 1.16, 1.0), "borderaxespad": 0.0}
        legend(ax, [*own, *handles], [*shown, *more], **{**where, **kwargs}).set_in_layout(room)


def scale_of_numbers(ax: Any, k: int, word: str, room: bool) -> None:
    """A colour bar beside the axes, in axes of its own that take no room from them."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    place = ax.inset_axes((1.02, 0.0, 0.035, 1.0))
    bar = ax.figure.colorbar(ScalarMappable(Normalize(-0.5, k - 0.5), ListedColormap(colours(k))), cax=place)
    bar.set_label(word)
    place.set_in_layout(room)


def said(n: int, what: str) -> str:
    """As "1 row lacks a value", "3 rows lack a value"; nothing of none. ``what`` begins with a verb in the plural."""
    verb, _, rest = what.partition(" ")
    return "" if not n else f"1 row {verb}s {rest}" if n == 1 else f"{n:,} rows {verb} {rest}"


def drawn(some: int, every: int) -> str:
    """As "5,000 of 12,345 rows drawn"; nothing of all."""
    return f"{some:,} of {every:,} rows drawn" if some < every else ""


def note(ax: Any, text: str) -> None:
    """A remark above the axes, on the right: what is not drawn, and why."""
    if text:
        ax.set_title(text, loc="right", fontsize="small", color=GREY, **PLAIN)


def some_rows(n: int, most: int) -> np.ndarray:
    """Numbers of at most ``most`` of ``n`` rows, evenly spaced: the same ones every time."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(np.int64))


def tidy(ax: Any) -> None:
    """Without the frame's upper and right sides."""
    ax.spines[["top", "right"]].set_visible(False)
