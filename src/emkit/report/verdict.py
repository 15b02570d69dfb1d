"""Whether a fit is to be trusted: what there is to say of it, with what to do about it."""

from dataclasses import dataclass

import numpy as np

from emkit.core.result import Result, StopReason
from emkit.inference.classification import relative_entropy
from emkit.report.narrow import Narrow, narrow_columns
from emkit.report.subject import Labelled, Subject, number, percent, plural

GOOD, NOTE, LOOK, TROUBLE = "good", "note", "look", "trouble"
"""How grave a finding is, in increasing order."""
LEVELS = (GOOD, NOTE, LOOK, TROUBLE)
_FEW_ROWS, _SMALL_SHARE = 10.0, 0.01
_SHARP, _VAGUE = 0.8, 0.5  # relative entropy
_NAMED = 6
_RATIO = 5.0  # rows to a free parameter
_EXACT = 1e-9  # of the variance of a target: less is left by nothing that was measured


@dataclass(frozen=True)
class Finding:
    """One thing to know: how grave it is, what it is about, a sentence, and advice if there is any."""

    level: str
    about: str
    said: str
    advice: str = ""


def verdict(subject: Subject) -> list[Finding]:
    """All that there is to say, in the order in which a statistician asks."""
    result = subject.result
    found = [Finding(TROUBLE, "Search", f"{note}.", "Fit again, and let it come to its end.") for note in subject.notes]
    if result is not None:
        found += [_end(result), *_starts(result)]
        slivers = _listed([str(sliver) for sliver in result.slivers], "; ")
        found += [Finding(TROUBLE, "Degenerate", f"{slivers}.", _AGAINST_SLIVERS)] if slivers else []
    if subject.labels is not None:
        found += [*_tiny(subject, subject.labels), *_sharp(subject, subject.labels)]
    found += _narrow(subject)
    found += _missing(subject)
    found += [*_rows(subject), *_ratio(result)]
    for name, value in subject.scores.items():
        found.append(Finding(NOTE, "Prediction", f"{name} on these rows: {number(value)}.", _NOT_NEW))
    return found + [Finding(NOTE, "Remark", remark) for remark in subject.remarks]


_AGAINST_SLIVERS = (
    "It may say nothing of other data: give a stronger prior, let components share parameters, or take fewer of them."
)
_NOT_NEW = "These may be the rows of the fit, which flatter it: judge by rows that were held out, or by cross-validation."


def overall(findings: list[Finding]) -> tuple[str, str]:
    """The gravest level, and a sentence on all."""
    counts = {level: sum(one.level == level for one in findings) for level in LEVELS}
    if counts[TROUBLE]:
        return TROUBLE, f"Do not trust this fit yet: {plural(counts[TROUBLE], 'thing')} to put right."
    if counts[LOOK]:
        return LOOK, f"Usable, with {plural(counts[LOOK], 'thing')} to look at first."
    return GOOD, "Nothing speaks against this fit."


_ADVICE = {
    StopReason.MAX_ITER: "Raise max_iter, or tol if that is close enough.",
    StopReason.COLLAPSED: "Use the default prior, fewer components, or components with fewer parameters; look for outliers.",
    StopReason.INTERRUPTED: "Fit again, or on from here with warm_start=True.",
    StopReason.TIME_LIMIT: "Give it more time, or fit on from here with warm_start=True.",
    StopReason.STOPPED: "Fit again, or on from here with warm_start=True.",
    StopReason.DECREASED: "Scale the columns, and look for huge values; if they are in order, report it as a bug.",
}
_FINE = (StopReason.PASSES, StopReason.STREAM, StopReason.MAX_TRIES, StopReason.TRIES_AGREED, StopReason.SET_BY_HAND)


def _end(result: Result) -> Finding:
    """How the fit ended."""
    words = result.reason.value[0].upper() + result.reason.value[1:]
    if result.reason is StopReason.CONVERGED:
        least = max(result.tolerance, result.remaining) if np.isfinite(result.remaining) else 0.0
        still = f"; less than {number(least)} nats of the objective are still to come" if least else ""
        return Finding(GOOD, "Converged", f"Converged after {plural(result.n_iter, 'iteration')}{still}.")
    if result.reason is StopReason.MAX_ITER and result.tolerance == 0:
        return Finding(NOTE, "Iterations", f"Made exactly {plural(result.n_iter, 'iteration')}, as tol=0 asks.")
    if result.reason in _FINE:
        return Finding(NOTE, "End", f"{words}.")
    return Finding(
        TROUBLE, "Not converged", f"{words}, after {plural(result.n_iter, 'iteration')}.", _ADVICE.get(result.reason, "")
    )


def _starts(result: Result) -> list[Finding]:
    """How many starts agree."""
    done = np.array([start.objective for start in result.starts if start.objective is not None])
    if not len(done):
        return []
    tried = f" ({len(result.starts)} were tried)" if len(done) < len(result.starts) else ""
    if len(done) == 1:
        advice = "" if len(result.starts) > 1 else "A larger n_init tells whether there is a better optimum."
        return [Finding(NOTE, "Starts", f"One start was carried on to the end{tried}.", advice)]
    close = max(10.0 * result.tolerance, 1e-9 * abs(result.objective))  # what the stop rule leaves open
    reached = int((np.abs(done - result.objective) <= close).sum())
    said = f"{reached} of {len(done)} starts that were carried on reached this optimum{tried}."
    if reached <= 1:
        advice = "A better one may be hidden: raise n_init until the best is found more than once."
        return [Finding(LOOK, "Starts", said, advice)]
    return [Finding(GOOD, "Starts agree", said)]


def _listed(words: list[str], between: str = ", ") -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return between.join(words[:_NAMED]) + more


def _tiny(subject: Subject, labels: Labelled) -> list[Finding]:
    """Components with hardly a row."""
    if labels.k == 1:
        return []
    rows = subject.row_weights @ labels.posteriors
    total = float(rows.sum())
    slivers = {sliver.index for sliver in subject.result.slivers} if subject.result is not None else set()
    tiny = [k for k in np.argsort(rows) if rows[k] < max(_FEW_ROWS, _SMALL_SHARE * total) and k not in slivers]
    if not tiny or total <= 0:
        return [
            Finding(
                GOOD,
                "No tiny part",
                f"The smallest {labels.word} holds {percent(float(rows.min()) / max(total, 1e-300))} of the rows.",
            )
        ]
    said = _listed([f"{labels.names[k]} ({plural(float(f'{rows[k]:.3g}'), 'row')})" for k in tiny])
    advice = f"Little can be said of so few rows: take fewer, or see whether they are outliers or a {labels.word} that you expect."
    return [Finding(LOOK, "Tiny", f"Holds few rows: {said}.", advice)]


def _sharp(subject: Subject, labels: Labelled) -> list[Finding]:
    """How sure rows are of their label."""
    weights, total = subject.row_weights, float(subject.row_weights.sum())
    if labels.k == 1 or total <= 0:
        return []
    entropy = relative_entropy(labels.posteriors, weights)
    most = labels.posteriors.max(axis=1)
    sure, wrong = (float(weights @ values) / total for values in ((most > 0.9).astype(float), 1.0 - most))
    said = (
        f"{percent(sure)} of the rows have a {labels.word} with more than 90 %; {percent(wrong)} are expected to be assigned to a "
        f"wrong one; relative entropy {entropy:.2f}, where 1 is certain."
    )
    if entropy >= _SHARP:
        return [Finding(GOOD, "Sharp labels", said)]
    advice = f"Use the probabilities rather than a row's most probable {labels.word}."
    return [Finding(LOOK if entropy < _VAGUE else NOTE, "Vague labels" if entropy < _VAGUE else "Labels", said, advice)]


def _narrow(subject: Subject) -> list[Finding]:
    """Columns whose spread is the prior's doing: one by one those of one value, together those that others tell."""
    columns = narrow_columns(subject)
    out = [_one_value(subject, one) for one in columns if one.same]
    told = [one for one in columns if not one.same]
    if told:
        names = _listed([subject.columns[one.column].name + ("" if one.every else _in_which(subject, one)) for one in told])
        takes = "".join(_takes(subject, one) for one in told)
        said = f"What else is known of a row tells {names} exactly: only the prior keeps the spread about that from 0.{takes}"
        grave = TROUBLE if any(_rules(subject, one) and one.values for one in told) else LOOK
        out.append(Finding(grave, "No spread", said, _FEW_VALUES if takes else _DEPENDENT))
    r2 = subject.scores.get("R²", 0.0)
    if not told and r2 > 1.0 - _EXACT:
        said = "The target of these rows is predicted exactly."
        out.append(Finding(LOOK, "No spread", said, "Does it follow from one of the inputs, or is it copied into them?"))
    return out


def _one_value(subject: Subject, found: Narrow) -> Finding:
    name = subject.columns[found.column].name
    where, takes = _in_which(subject, found), _takes(subject, found)
    said = f"All rows have one value of {name}{where}, so that only the prior, or a floor, keeps its spread from 0.{takes}"
    return Finding(TROUBLE if _rules(subject, found) else LOOK, "No spread", said, _FEW_VALUES if takes else _SPIKE)


def _rules(subject: Subject, found: Narrow) -> bool:
    """Whether labels are little else than the values of the column."""
    return found.every and subject.labels is not None and subject.labels.k > 1


def _in_which(subject: Subject, found: Narrow) -> str:
    """As " in every class"; nothing where rows have no label."""
    labels = subject.labels
    if labels is None or labels.k == 1:
        return ""
    return f" in every {labels.word}" if found.every else f" in {_listed([labels.names[k] for k in found.components])}"


def _takes(subject: Subject, found: Narrow) -> str:
    name, values = subject.columns[found.column].name, [number(value) for value in found.values]
    return f" {name} takes the values {', '.join(values[:-1])} and {values[-1]} only." if len(values) > 1 else ""


_FEW_VALUES = (
    "A normal density, or another one of real numbers, is not for such a column, and the likelihood says little: declare it binary "
    "or categorical, as a column of its own family in Mixture or AutoClass, or as the target of a classifier; or leave it out."
)
_SPIKE = (
    "The likelihood is as high as the prior lets it be, and says little. If the value is a state of its own, such as 0 for none, "
    "declare it in a categorical column beside this one, and mark its cells here as missing; or give a prior with a scale."
)
_DEPENDENT = (
    "The likelihood is as high as the prior lets it be, and says little: leave out a column that follows from others, or give a "
    "prior with a scale."
)


def missing(subject: Subject) -> list[tuple[str, int, float]]:
    """Columns with missing cells, most first: name, cells, share."""
    counts = np.isnan(subject.x).sum(axis=0)
    order = [int(j) for j in np.argsort(-counts, kind="stable") if counts[j]]
    return [(subject.columns[j].name, int(counts[j]), float(counts[j]) / max(subject.n, 1)) for j in order]


def _missing(subject: Subject) -> list[Finding]:
    columns = missing(subject)
    if not columns:
        return [Finding(GOOD, "Complete", "No cell is missing.")]
    out = []
    empty = [name for name, cells, _ in columns if cells == subject.n]
    if empty:
        advice = "It says nothing of these rows. Is it the right file, and is the column read as it should be?"
        out.append(Finding(LOOK, "Empty column", f"No value at all in {_listed(empty)}.", advice))
    cells = sum(count for _, count, _ in columns)
    some = _listed([f"{name} ({percent(share)})" for name, _, share in columns if share < 1.0])
    where = f": {some}" if some else ""
    said = f"{plural(cells, 'cell')} of {subject.x.size:,} {'is' if cells == 1 else 'are'} missing{where}."
    advice = "They are left out of the likelihood, which is right if what is missing depends on observed cells only."
    return [*out, Finding(NOTE, "Missing cells", said, advice)]


def _rows(subject: Subject) -> list[Finding]:
    """Whether these are the rows of the fit, and whether the model can explain them."""
    out: list[Finding] = []
    if subject.log_likelihood is not None and (impossible := int((subject.log_likelihood == -np.inf).sum())):
        advice = "Look at them: a value or level that the fit never saw, or a model that is too narrow."
        out.append(
            Finding(TROUBLE, "Impossible", f"{plural(impossible, subject.unit)} cannot be explained: probability zero.", advice)
        )
    result, total = subject.result, subject.total
    if subject.of_the_fit is not False or result is None or total is None:
        return out
    weight = float(subject.row_weights.sum())
    here, there = total / max(weight, 1e-300), result.log_likelihood / max(result.total_weight, 1e-300)
    said = f"These are not just the rows of the fit: log-likelihood of a row {here:.4g} here, {there:.4g} there, nats on average."
    advice = "Intervals are of the rows of the fit only. A much lower value here means that the model does not carry over."
    return [*out, Finding(NOTE if here > there - 0.5 else LOOK, "Other rows", said, advice)]


def _ratio(result: Result | None) -> list[Finding]:
    if result is None or not result.total_weight or not result.n_free:
        return []
    ratio = result.total_weight / result.n_free
    if ratio >= _RATIO:
        return []
    said = f"{plural(result.n_free, 'free parameter')} were fitted to {plural(result.total_weight, 'row')}."
    return [Finding(LOOK, "Many parameters", said, "Take a simpler model, or a stronger prior; compare by bic().")]
