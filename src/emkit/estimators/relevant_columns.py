"""``relevant_columns``: which columns of a table matter to a mixture."""

from dataclasses import dataclass, fields, replace
from typing import Any

from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.notebook import Printed
from emkit.data.rows import ArraySource
from emkit.estimators.face import Job, warn_of_light
from emkit.estimators.mixture import Mixture
from emkit.estimators.rows import RowFace
from emkit.estimators.settings import Settings, make_rng
from emkit.families.per_column import PerColumn
from emkit.models.mixture import FiniteMixture
from emkit.selection import variables


@dataclass(frozen=True)
class RelevantColumns(Printed):
    """The outcome of ``relevant_columns``. Printed, it is the table, the columns that matter most first.

    Attributes
    ----------
    model : Mixture
        Fitted; irrelevant columns have the same distribution in all components (``Tied``).
    relevant, irrelevant : list of str
        Names of columns, in the order of the table. Correlated columns, which are chosen together, are one name, joined by commas.
    table : dict
        "column", "relevant", "gain" and "price", a list each: nats that distributions of their own gain over a common one, given
        who belongs where, and nats that they have to gain. What exceeds its price is relevant.
    by : str
        The criterion.
    score, score_of_all : float
        Its value, lower is better: of ``model``, and of the mixture in which all columns are relevant. Where no column is relevant,
        the weights of components do not count as parameters.
    starts_at_best, starts_finished : int
        How many of the starts that were carried on to the end came to this choice, and how many were carried on. The first is 0 if
        the choice was reached only by leaving out columns from the best of them.
    """

    model: Mixture
    table: dict[str, list[Any]]
    by: str
    score: float
    score_of_all: float
    starts_at_best: int
    starts_finished: int

    @property
    def relevant(self) -> list[str]:
        """See the class."""
        return [name for name, used in zip(self.table["column"], self.table["relevant"], strict=True) if used]

    @property
    def irrelevant(self) -> list[str]:
        """See the class."""
        return [name for name, used in zip(self.table["column"], self.table["relevant"], strict=True) if not used]

    def __str__(self) -> str:
        width = max(6, *(len(name) for name in self.table["column"]))
        rows = sorted(zip(*self.table.values(), strict=True), key=lambda row: row[3] - row[2])
        lines = [
            f"{len(self.relevant)} of {len(rows)} columns matter to {self.model.n_components} components; "
            f"{self.by.upper()} {self.score:.2f}, of all columns {self.score_of_all:.2f} (lower is better)",
            f"{self.starts_at_best} of {self.starts_finished} finished starts ended with this choice",
            "",
            f"{'column':<{width}}  {'matters':<7}  {'gain':>9}  {'price':>9}",
        ]
        return "\n".join(
            [
                *lines,
                *(f"{name:<{width}}  {'yes' if used else 'no':<7}  {gain:9.2f}  {price:9.2f}" for name, used, gain, price in rows),
            ]
        )


def relevant_columns(estimator: Any, X: Any, sample_weight: Any = None, *, by: str = "bic", n_starts: int = 40) -> RelevantColumns:
    """Choose the columns that matter to a mixture, and fit it: the others have the same distribution in all components.

    Columns that say nothing of the groups cost parameters and blur who belongs where. Here whether a column matters is a parameter
    of the fit: it does if distributions of its own for every component gain more log-likelihood than their parameters cost. To
    choose the number of components too, compare ``score`` of several numbers.

    Parameters
    ----------
    estimator : Mixture, LatentClass or GaussianMixture
        Not fitted, of at least two components, with nothing held or given. Columns that are correlated given the component are
        chosen together or not at all, so a GaussianMixture has to be a diagonal one.
    X, sample_weight
        As its ``fit`` takes them.
    by : {"bic", "aic", "micl"}
        What a parameter costs: half the logarithm of the number of rows, or one nat. "micl", the integrated complete-data
        likelihood, has no price: under conjugate priors, Jeffreys' for probabilities, all parameters are integrated out, and the
        hard partition and the columns with the largest probability are sought together, from where "bic" ends on. ``score`` is
        then -2 times its log. Needs families with a closed form: gaussian, poisson, categorical, bernoulli, also missing or not.
    n_starts : int
        First guesses at columns and partition, besides the fit in which all columns matter.

    Returns
    -------
    RelevantColumns

    Raises
    ------
    ParameterError
        For an estimator that is none of these, or that leaves no choice.
    DataError
        From the data, as ``fit`` does.

    References
    ----------
    Marbac and Sedki (2017), Statistics and Computing 27, 1049-1063, and their R package VarSelLCM; see
    ``emkit.selection.variables``.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixture, relevant_columns
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4))
    >>> X[:100, 1] += 5
    >>> found = relevant_columns(GaussianMixture(2, covariance_type="diag", random_state=0), X)
    >>> found.relevant
    ['x1']
    """
    source, model = _asked(estimator, X, sample_weight)
    warn_of_light(source)
    distinct = source.distinct()
    found = variables.relevant_columns(
        model,
        distinct,
        executor=estimator._executor(),
        rng=make_rng(estimator.random_state),
        by=by,
        starts=n_starts,
        tol=estimator.tol,
        max_iter=estimator.max_iter,
    )
    shared = {field.name: getattr(estimator, field.name) for field in fields(Settings)}
    unseen = estimator.get_params(deep=False).get("unseen", "error")
    family = _by_name(found.family, source.columns)
    mixture = Mixture(model.n_hidden, family, **shared, weights_prior=model.prior, unseen=unseen)
    mixture._take_on(Job(found.result.model, distinct, source, source.x.dtype.type, None, (), None), found.result)
    table = {
        "column": list(found.names),
        "relevant": found.relevant.tolist(),
        "gain": found.gains.tolist(),
        "price": found.prices.tolist(),
    }
    return RelevantColumns(mixture, table, by, found.score, found.score_of_all, found.reached, found.carried_on)


def _asked(estimator: Any, X: Any, sample_weight: Any) -> tuple[ArraySource, FiniteMixture]:
    """Validated rows, and the model that the estimator would fit to them. Raises ParameterError for one that is no mixture."""
    if isinstance(estimator, RowFace):
        source = estimator._source(X, sample_weight, min_rows=2)
        model = estimator.build(source.columns)
        if isinstance(model, FiniteMixture):
            return source, model
    raise ParameterError(
        f"{estimator!r}: which columns matter can be asked of a Mixture, a LatentClass or a diagonal GaussianMixture",
        parameter="estimator",
    )


def _by_name(family: PerColumn, columns: Columns) -> PerColumn:
    """With columns by their names, if they have any."""
    if not columns.named:
        return family
    return PerColumn([replace(p, columns=tuple(columns[j].name for j in p.columns)) for p in family.parts])
