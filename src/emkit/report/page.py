"""The page: everything that there is to say of a subject, in one HTML file."""

import errno
import os
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from emkit._version import __version__
from emkit.core.checks import level_of
from emkit.core.errors import ParameterError
from emkit.io.container import check_folder, put
from emkit.report.parameters import MOST, certainty, entries
from emkit.report.pictures import OF_THE_FIT, pictures
from emkit.report.subject import Subject, many, number, percent, plural
from emkit.report.traits import described
from emkit.report.verdict import Finding, missing, overall, verdict

_STARTS = 100  # listed
_COLUMNS = 12  # named in the first sentence
_BY = {"observed": "the observed information"}  # methods that are called otherwise
_WORST = 5  # rows that fit worst


def check_asked(path: str | os.PathLike[str], level: Any, errors: Any) -> Path:
    """The path of the file, checked before any work.

    Raises
    ------
    ParameterError
        For a level or ``errors`` that cannot be.
    OSError
        If there is no such folder, or it is a folder.
    ImportError
        Without jinja2.
    """
    level_of(level)
    if not (isinstance(errors, bool) or (isinstance(errors, str) and errors == "auto")):
        raise ParameterError(f"errors={errors!r}: give True, False or 'auto'", parameter="errors")
    environment()
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder: give the path of a file, such as report.html", str(target))
    check_folder(target)
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "its folder may not be written to", str(target))
    return target


def environment() -> Any:
    """Jinja2 with everything escaped that is not said to be HTML. Raises ImportError that says how to get it."""
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as error:
        raise ImportError("a report needs jinja2: pip install jinja2") from error
    folder = files("emkit.report")
    load = FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8"))
    found = Environment(autoescape=True, loader=load, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters.update(number=number, percent=percent)
    return found


def write_page(subject: Subject, target: Path, *, level: float, errors: Any, title: str | None) -> Path:
    """The page into its file, by way of a temporary one."""
    text = page(subject, level=level, errors=errors, title=title)
    put(target, text.encode("utf-8", "replace"))
    return target


def page(subject: Subject, *, level: float = 0.95, errors: Any = "auto", title: str | None = None) -> str:
    """The page as text."""
    from markupsafe import Markup

    sure = certainty(subject, errors)
    listed, every = entries(subject, sure, level)
    findings = [*verdict(subject), *_of_errors(sure.errors)]
    worst, sentence = overall(findings)
    drawn = pictures(subject)
    labels = subject.labels
    folder = files("emkit.report")
    result = subject.result
    return str(
        environment()
        .get_template("page.html")
        .render(
            title=title or f"{subject.estimator} of {plural(subject.of_all or subject.n, 'row')}",
            style=Markup((folder / "page.css").read_text(encoding="utf-8")),
            subject=subject,
            fitted=_fitted(subject),
            version=__version__,
            date=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            worst=worst,
            sentence=sentence,
            findings=findings,
            advice=[one for one in findings if one.advice],
            values=_values(subject),
            components=[] if labels is None else described(subject, labels),
            labels=labels,
            many=many,
            marks={"good": "✓", "note": "·", "look": "!", "trouble": "✕"},
            pictures=[one for one in drawn if one.kind not in OF_THE_FIT],
            of_the_fit=[one for one in drawn if one.kind in OF_THE_FIT],
            markup=Markup,
            entries=listed,
            has_errors=any(np.isfinite(one.error) for one in listed),
            places=any(one.where for one in listed),
            more=every - len(listed),
            most=MOST,
            certainty=sure,
            by="" if sure.errors is None else _BY.get(sure.errors.method, f"the {sure.errors.method}"),
            level=f"{100 * level:g} %",
            starts=[] if result is None else result.starts[:_STARTS],
            more_starts=0 if result is None else max(len(result.starts) - _STARTS, 0),
            kept=np.nan if result is None else result.objective,
            candidates=_candidates(subject),
            missing=missing(subject),
            worst_rows=_worst(subject),
        )
    )


def _fitted(subject: Subject) -> str:
    """What was fitted to what, in a sentence or two."""
    names = [column.name for column in subject.columns.items if column.role != "target"]
    targets = [column.name for column in subject.columns.items if column.role == "target"]
    shown = ", ".join(names[:_COLUMNS]) + (f" and {len(names) - _COLUMNS} more" if len(names) > _COLUMNS else "")
    in_sequences = "" if subject.lengths is None else f" in {plural(len(subject.lengths), subject.unit)}"
    weight = float(subject.row_weights.sum())
    weighted = "" if subject.weights is None else f" (weight {weight:g})"
    target = f" Target: {', '.join(targets)}." if targets else ""
    drawn = "" if subject.of_all is None else f" drawn at random from {subject.of_all:,}"
    rows = plural(subject.n, "row") + drawn + weighted + in_sequences
    table = f"{rows} of {plural(len(names), 'column')}: {shown}.{target}"
    of_fit = 0 if subject.result is None else subject.result.n_rows
    if of_fit == subject.n and subject.of_the_fit is not False:
        return f"Fitted to {table}"
    fitted = f"Fitted to {plural(of_fit, 'row')}. " if of_fit else ""
    return f"{fitted}This page looks at it with {table}"


def _values(subject: Subject) -> list[tuple[str, str]]:
    """What the fit is worth, name by name."""
    result, found = subject.result, []
    if result is not None and result.trace:
        found += [("Objective", f"{result.objective:.6g} nats"), ("Log-likelihood of the fit", f"{result.log_likelihood:.6g} nats")]
        found += [("Free parameters", f"{result.n_free:,}"), ("Iterations", f"{result.n_iter:,}")]
        found += [("Prior", "; ".join(result.model.priors_in_words()) or "none (maximum likelihood)")]
    if subject.total is not None:
        found.append(("Log-likelihood of these rows", f"{subject.total:.6g} nats"))
    found += [(name.replace("_", " "), value) for name, value in subject.criteria.items()]
    return found


def _of_errors(errors: Any) -> list[Finding]:
    """What standard errors found out: parameters without one, and what they are to be doubted for."""
    out = []
    for note in () if errors is None else errors.notes:
        about, advice = next((about, advice) for sign, about, advice in _NOTED if sign in note)
        out.append(Finding("note" if about in _MILD else "look", about, f"{note}.", advice))
    return out


_NOTED = (
    (
        "not identified",
        "Not identified",
        "Fix or tie these parameters, take fewer components, or give more data: nothing in the data tells them apart.",
    ),
    (
        "percentiles",
        "No standard error",
        "Report the interval, one end of which may be infinite: the data bound these parameters on one side, or by powers of ten.",
    ),
    (
        "edge",
        "At the edge",
        "Take intervals for these from method='bootstrap', or conf_int with a prior that keeps them off the edge.",
    ),
    (
        "",
        "Standard errors",
        "Intervals hold at the maximum for the rows of the fit: report those rows, or fit on with a smaller tol.",
    ),
)
"""What notes of standard errors contain, what they are about, and advice; the first that fits."""
_MILD = ("No standard error", "At the edge")


def _candidates(subject: Subject) -> tuple[list[str], list[list[str]]]:
    """What a search tried, as a table."""
    rows = list(subject.candidates)[:_STARTS]
    heads = list(rows[0]) if rows else []
    cells = [[number(v) if isinstance(v, float) else str(v) for v in (row.get(head, "") for head in heads)] for row in rows]
    return [head.replace("_", " ") for head in heads], cells


def _worst(subject: Subject) -> tuple[str, list[tuple[int, float]]]:
    """What fits worst: numbers of rows, or of sequences, with their log-likelihood."""
    each = subject.log_likelihood
    if each is None or len(each) < 2 * _WORST or subject.of_all is not None:  # nobody knows the rows that were drawn by number
        return "", []
    return subject.unit, [(int(i), float(each[i])) for i in np.argsort(each, kind="stable")[:_WORST]]
