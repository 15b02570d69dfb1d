"""EM at work as a moving picture: responsibilities and means, and the lower bound that touches the log-likelihood."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from emkit.demo.ways import Way, document_way, faithful_way

FORMATS = (".gif", ".mp4")
_FIRST, _SECOND, _BOUND, _INK = "#0072B2", "#D55E00", "#009E73", "#222222"
_STILL, _MOVES = 2, 4  # pictures of an E-step, and of an M-step
_PER_SECOND = 7
_BINS = 50


def frames_of(iterations: int) -> list[tuple[int, float]]:
    """What each picture shows: the iteration t whose responsibilities hold, and the hypothesis s between t and t + 1."""
    found = []
    for t in range(iterations):
        found += [(t, float(t))] * _STILL
        found += [(t, t + (i + 1) / _MOVES) for i in range(_MOVES)]
    return found + [(iterations, float(iterations))] * (4 * _STILL)


def can_write(kind: str) -> bool:
    """Whether a moving picture with this suffix can be made here: an mp4 needs ffmpeg."""
    from matplotlib import animation

    return kind == ".gif" or (kind == ".mp4" and bool(animation.writers.is_available("ffmpeg")))


def draw_animation(path: str | os.PathLike[str], kind: str, *, seed: int = 0, iterations: int = 20, dpi: int = 75) -> None:
    """Write it to ``path``; ``kind`` is ".gif" or ".mp4". Needs matplotlib, and for mp4 ffmpeg; opens no window."""
    scene = Scene(document_way(seed, iterations).shortened(), faithful_way(iterations).shortened())
    named = Path(f"{os.fspath(path)}{kind}")  # writers go by the suffix
    try:
        (_write_gif if kind == ".gif" else _write_mp4)(scene, named, dpi)
        os.replace(named, path)
    finally:
        with suppress(OSError):
            named.unlink()


def _write_gif(scene: "Scene", path: Path, dpi: int) -> None:
    """Each picture is drawn once, where matplotlib's own writers draw it three times."""
    from PIL import Image

    scene.figure.set_dpi(dpi)
    pictures = []
    for frame in frames_of(scene.last):
        scene.show(frame)
        canvas: Any = scene.figure.canvas
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3]))
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=1000 // _PER_SECOND, loop=0)


def _write_mp4(scene: "Scene", path: Path, dpi: int) -> None:
    from matplotlib import animation

    writer = animation.FFMpegWriter(_PER_SECOND)
    with writer.saving(scene.figure, path, dpi):
        for frame in frames_of(scene.last):
            scene.show(frame)
            writer.grab_frame()


class Scene:
    """The picture, of which ``show`` changes what moves."""

    def __init__(self, document: Way, faithful: Way):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.colors import LinearSegmentedColormap
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(9.6, 6.4), layout="constrained", facecolor="white")
        FigureCanvasAgg(self.figure)
        self.colours = LinearSegmentedColormap.from_list("responsibility", [_FIRST, "#d9d9d9", _SECOND])
        axes = self.figure.subplots(2, 2, width_ratios=(1.15, 1.0))
        self.title = self.figure.suptitle(" ", fontsize=12)
        self.parts: list[Any] = [
            Values(axes[0, 0], document, self.colours), Bound(axes[0, 1], document),
            Rows(axes[1, 0], faithful, self.colours), Bound(axes[1, 1], faithful),
        ]  # fmt: skip
        for one in axes.ravel():
            one.spines[["top", "right"]].set_visible(False)
        self.last = max(document.last, faithful.last)
        self.show((0, 0.0))
        self.figure.canvas.draw()  # places are found once, and stay
        self.figure.set_layout_engine("none")

    def show(self, frame: tuple[int, float]) -> list[Any]:
        """The picture of responsibilities at iteration t and the hypothesis s; returns what moves."""
        t, s = frame
        step = "E-step: responsibilities; the bound touches the log-likelihood" if s == t else "M-step: up the bound"
        self.title.set_text(f"{t} iterations" if t == self.last else f"iteration {t}, {step}")
        for part in self.parts:  # one that is at its end stays there
            part.show(min(t, part.way.last), min(s, float(part.way.last)))
        return [self.title]


class Values:
    """One column: a histogram coloured by responsibility, and both densities."""

    def __init__(self, ax: Any, way: Way, colours: Any):
        self.way, self.colours = way, colours
        values = way.x[:, 0]
        heights, self.edges = np.histogram(values, bins=_BINS, density=True)
        self.where = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, _BINS - 1)
        self.bars = ax.bar(self.edges[:-1], heights, np.diff(self.edges), align="edge", alpha=0.6, linewidth=0)
        self.grid = np.linspace(self.edges[0], self.edges[-1], 200)
        self.lines = [ax.plot([], [], color=shade, linewidth=2.2)[0] for shade in (_FIRST, _SECOND)]
        self.means = [ax.axvline(0.0, color=shade, linewidth=1.2, linestyle="--") for shade in (_FIRST, _SECOND)]
        ax.set(xlabel="value", ylabel="density", xlim=(self.edges[0], self.edges[-1]), ylim=(0, 1.25 * heights.max()))
        ax.set_title(f"{len(values):,} values: two means to be found", loc="left", fontsize=10)

    def show(self, t: int, s: float) -> None:
        """Bars by iteration t, densities at s."""
        second = np.bincount(self.where, self.way.responsibilities(t)[:, 1], _BINS)
        share = second / np.maximum(np.bincount(self.where, minlength=_BINS), 1)
        for bar, colour in zip(self.bars, self.colours(share), strict=True):
            bar.set_facecolor(colour)
        params = self.way.at(s)
        densities = params.weights * np.exp(self.way.model.family.log_prob(params.components, self.grid[:, None]))
        for k in range(2):
            self.lines[k].set_data(self.grid, densities[:, k])
            self.means[k].set_xdata([params.components.means[k, 0]] * 2)


class Rows:
    """Two columns: rows coloured by responsibility, and both ellipses, which hold 90 % of each normal distribution."""

    def __init__(self, ax: Any, way: Way, colours: Any):
        self.way, self.colours = way, colours
        self.points = ax.scatter(way.x[:, 0], way.x[:, 1], s=14, linewidths=0)
        self.rings = [ax.plot([], [], color=shade, linewidth=2.0)[0] for shade in (_FIRST, _SECOND)]
        look = {"linestyle": "", "marker": "X", "markersize": 9, "markeredgecolor": "white"}
        self.means = [ax.plot([], [], color=shade, **look)[0] for shade in (_FIRST, _SECOND)]
        angle = np.linspace(0.0, 2.0 * np.pi, 80)
        self.circle = np.sqrt(-2.0 * np.log(0.1)) * np.stack([np.cos(angle), np.sin(angle)])
        ax.set(xlabel="eruption, minutes", ylabel="waiting, minutes", xlim=(0.8, 6.0), ylim=(32, 106))
        ax.set_title("Old Faithful: weights, means and covariances", loc="left", fontsize=10)

    def show(self, t: int, s: float) -> None:
        """Colours by iteration t, ellipses at s."""
        self.points.set_color(self.colours(self.way.responsibilities(t)[:, 1]))
        params = self.way.at(s).components
        for k in range(2):
            ring = params.means[k][:, None] + np.linalg.cholesky(params.covariances[k]) @ self.circle
            self.rings[k].set_data(ring[0], ring[1])
            self.means[k].set_data(params.means[k, :1], params.means[k, 1:])


class Bound:
    """The log-likelihood along the way that EM takes, and the bound of the iteration: close by, since gains shrink fast."""

    def __init__(self, ax: Any, way: Way):
        self.ax, self.way = ax, way
        (self.curve,) = ax.plot([], [], color=_INK, linewidth=1.8, label="log-likelihood")
        (self.line,) = ax.plot([], [], color=_BOUND, linewidth=1.8, label="lower bound")
        (self.touch,) = ax.plot([], [], "o", color=_INK, markersize=6)
        (self.climber,) = ax.plot([], [], "o", color=_BOUND, markersize=8, fillstyle="none", markeredgewidth=2)
        ax.set(xlabel="along EM's way: iterations", ylabel="nats above iteration t")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.yaxis.get_major_locator().set_params(nbins=4)
        ax.legend(loc="upper left", frameon=False, fontsize=9)
        self.value = ax.set_title(" ", loc="left", fontsize=10)

    def show(self, t: int, s: float) -> None:
        """The bound that touches at t, and where on it s is."""
        places, values = self.way.curve
        here = self.way.log_likelihood(float(t))
        near = places[(places >= t - 1.0) & (places <= t + 3.0)]
        self.curve.set_data(places, values - here)
        self.line.set_data(near, [self.way.bound(t, one) - here for one in near])
        self.touch.set_data([t], [0.0])
        self.climber.set_data([s], [self.way.bound(t, s) - here])
        self.value.set_text(f"log-likelihood {here:,.2f}")
        first = min(t, self.way.last - 1)
        gain = self.way.log_likelihood(first + 1.0) - self.way.log_likelihood(float(first))
        self.ax.set(xlim=(t - 1.0, t + 3.0), ylim=(-0.7 * gain, 1.5 * gain))
