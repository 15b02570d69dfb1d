"""Pictures of a fit as SVG that stands in a page: drawn by ``emkit.plots``, without a display."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np

from emkit.core.errors import EmkitError
from emkit.plots.style import bare_figures, matplotlib
from emkit.report.subject import Subject, many

_ALIKE = (("components", "parallel", "profiles"), ("uncertainty", "responsibilities"))
"""Pictures that show much the same: the first that can be drawn is enough."""
OF_THE_FIT = ("trace", "starts")
_TITLES = {
    "components": ("{Many} over the rows", "rows with the density or the outline of each {one}"),
    "parallel": ("Columns side by side", "each row as a line over all columns, in the colour of its {one}"),
    "profiles": ("What sets {many} apart", "for each column, the levels or the mean and spread in each {one}"),
    "responsibilities": ("Responsibilities", "how probable each {one} is for each row, sorted"),
    "uncertainty": ("Uncertainty", "which rows could belong to another {one}"),
    "states_over_time": ("States over time", "the series in the colours of its states, and their probabilities"),
    "transitions": ("Transitions", "the probability of each state after each state"),
    "pseudo_residuals": ("Pseudo-residuals", "histogram, normal quantiles and autocorrelations, which should look standard normal"),
    "prediction": ("Prediction", "what is predicted over the inputs, with its interval and units"),
    "network": ("Network", "nodes and edges of the graph"),
    "trace": ("Objective by iteration", "the objective of the best start, which may never fall"),
    "starts": ("Optima of the starts", "the objective that each start reached"),
}
_MANY = 600  # marks of one kind: more are drawn as dots of an image
_FEW = 20  # likewise, in a picture with more than five times as many
_DPI = 120
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LEFT_OUT = (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style")
"""Parts of a file that a page is better without: a style there is one of the whole page, which has its own."""
_REFERS = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Picture:
    """A picture, or why there is none."""

    kind: str
    title: str
    about: str
    svg: str = ""
    width: int = 0
    """Pixels."""
    why_not: str = ""


def pictures(subject: Subject, kinds: Sequence[str] | None = None) -> list[Picture]:
    """Those that suit the fit, of ``kinds`` or of all, the best one first; of what shows much the same there is one."""
    out: list[Picture] = []
    with settings():
        for kind in subject.pictures:
            alike = next((group for group in _ALIKE if kind in group), (kind,))
            if subject.labels is not None and subject.labels.k == 1 and kind in _ALIKE[1]:
                continue
            if (kinds is not None and kind not in kinds) or any(one.kind in alike and one.svg for one in out):
                continue
            out = [one for one in out if one.kind not in alike]
            out.append(picture(subject, kind))
    return out


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's own settings, whatever the user's are; no pyplot; no warnings of its about glyphs and layouts."""
    package = matplotlib()
    with package.rc_context(), bare_figures(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package.rcdefaults()
        package.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "emkit"})  # texts are texts; the same ids every time
        package.rcParams.update({"figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none"})
        yield


def picture(subject: Subject, kind: str) -> Picture:
    """One of them, drawn as it is."""
    one = "component" if subject.labels is None else subject.labels.word
    words = {"one": one, "many": many(one), "Many": many(one).capitalize()}
    title, about = (text.format(**words) for text in _TITLES.get(kind, (kind.replace("_", " ").capitalize(), "")))
    try:
        axes = np.asarray(subject.draw(kind), dtype=object).ravel()
        figure = axes[0].figure
        _thinned(figure)
        text = _text(figure)
    except (EmkitError, ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Picture(kind, title, about, why_not=" ".join(str(error).split()))
    return Picture(kind, title, about, inline(text, kind, f"{title}: {about}"), round(96 * figure.get_figwidth()))


def _thinned(figure: Any) -> None:
    """What has many marks, or a long outline, becomes an image in the picture, so that a page stays small."""
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

    sizes = {marks: _marks(marks) for marks in figure.findobj(Collection)}
    for line in figure.findobj(Line2D):
        points = len(line.get_xdata(orig=False))
        sizes[line] = points if line.get_marker() not in ("None", "", None) else points // 10
    most = _MANY if sum(sizes.values()) <= 5 * _MANY else _FEW
    for artist, size in sizes.items():
        if size > most:
            artist.set_rasterized(True)


def _marks(marks: Any) -> int:
    """How much there is of a collection: its marks, or the corners of its outlines by the dozen."""
    paths = marks.get_paths()
    return max(len(marks.get_offsets()), len(paths), sum(len(path.vertices) for path in paths) // 12)


def _text(figure: Any) -> str:
    """Laid out once, and drawn once."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # measures texts fastest
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    out = io.StringIO()
    figure.savefig(out, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


def inline(text: str, prefix: str, label: str) -> str:
    """An SVG file as an element of a page: a name for who cannot see it, and ids that no other picture has."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(_NO_XML.sub("", text).partition("<svg")[1] + _NO_XML.sub("", text).partition("<svg")[2])
    for parent in root.iter():
        for child in [one for one in parent if one.tag in _LEFT_OUT]:
            parent.remove(child)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                element.set(name, f"{prefix}-{value}")
            elif name in ("href", f"{{{_XLINK}}}href") and value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif "url(#" in value:
                element.set(name, _REFERS.sub(rf"url(#{prefix}-\1)", value))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")
