"""LatentClass: latent class analysis of categorical items."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.prior import Dirichlet
from emkit.core.result import Result
from emkit.core.warn import warn
from emkit.data.chunks import is_dask
from emkit.data.grouped import GROUP, Grouped, read_grouped
from emkit.data.rows import ArraySource
from emkit.data.stream import is_stream
from emkit.data.validate import check_weights
from emkit.estimators.face import Job
from emkit.estimators.latent_class_after import AfterLatentClass
from emkit.estimators.latent_class_words import distinct_in_words, items_in_words, unidentified_in_words
from emkit.estimators.partial import PartialRows
from emkit.estimators.rows import RowFace
from emkit.estimators.streaming import read_stream
from emkit.families.by_group import CategoricalByGroup
from emkit.families.categorical import Categorical
from emkit.models.mixture import FiniteMixture


@dataclass(eq=False, repr=False)
class LatentClass(PartialRows, AfterLatentClass, RowFace):
    """Latent class analysis: a mixture of independent categorical items, fitted by expectation-maximization.

    Every column is an item, and its levels are the values that it has: texts, categories, booleans, or whole numbers. NaN and null
    are missing answers, which are marginalised. ``sample_weight`` takes survey weights and counts of patterns.

    Parameters
    ----------
    n_classes : int or "auto"
        K; "auto": the number from 1 to 9 with the best BIC, see ``emkit.select``.
    groups : str or int, optional
        The column that says to which group a row belongs, by name or number (``fit`` also takes ``groups`` beside the data):
        multi-group analysis. Each group has its own class sizes; the group counts as one more item, so that log-likelihoods are
        those of group and answers together.
    free_items : "all" or list of str or int, optional
        Items whose probabilities differ between groups; those of all others are equal.
    prior : Dirichlet or float, optional
        The prior of each item's probabilities; a number is its concentration. None (default) is maximum likelihood.
    weights_prior : Dirichlet or float, optional
        The prior of the class sizes.
    weights_init, probs_init : array (K,), (K, d, L), optional
        Starting values, as in ``init``.
    unseen : {"error", "missing"}
        What a level that was not there in the fit is, in new rows.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "weights" and "probs".
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    weights_ : array (K,)
        Class sizes.
    probs_ : array (K, d, L)
        Probability of each level of each item; 0 beyond an item's own levels. With ``groups`` the group is among the items, and a
        free item stands there once for each group: ``item_probabilities`` tells them apart.
    group_weights_ : array (G, K)
        Class sizes in each group.
    n_classes_ : int
        K as it was given, or found.
    n_distinct_ : int
        Classes that are really there: classes with equal probabilities, up to 0.01, are one, and a class of less than half a row is
        none.
    columns_ : Columns
        The items, with their levels.
    converged_, n_iter_, result_, n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) naming the column, row or parameter.

    References
    ----------
    Goodman (1974), Biometrika 61, 215-231. Collins and Lanza (2010), Latent Class and Latent Transition Analysis. Linzer and Lewis
    (2011), J. Stat. Softw. 42 (10).

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import LatentClass
    >>> rng = np.random.default_rng(0)
    >>> yes = np.where(rng.random((600, 1)) < 0.4, 0.9, 0.2)
    >>> answers = np.where(rng.random((600, 5)) < yes, "yes", "no")
    >>> model = LatentClass(2, random_state=0).fit(answers)
    >>> np.sort(model.weights_).round(1)
    array([0.4, 0.6])
    """

    finds_size = True
    size_setting = "n_classes"
    label_word = "class"
    reading_settings = ("unseen", "groups")

    n_classes: Any = 2
    _: KW_ONLY
    groups: Any = None
    free_items: Any = None
    prior: Any = None
    weights_prior: Any = None
    weights_init: Any = None
    probs_init: Any = None
    unseen: str = "error"

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A mixture of categorical columns."""
        k = self._size()
        prior = Dirichlet.of(self.prior, "prior", ())
        place = [] if columns is None else columns.role(GROUP)
        family: Categorical | CategoricalByGroup = Categorical(prior=prior)
        if columns is not None and place:
            family = CategoricalByGroup(place[0], _free(self.free_items, columns, place[0]), prior)
        elif columns is not None and self.free_items is not None:
            raise ParameterError("free_items differ between groups; say groups=... too", parameter="free_items")
        model = FiniteMixture(family, k, self.weights_prior, self.init_params)
        return self._with_values(model)  # type: ignore[return-value]

    # --- data ---------------------------------------------------------------------------------------------------------

    def _source(self, X: Any, sample_weight: Any = None, *, like: Columns | None = None, min_rows: int = 1) -> Any:
        if self.unseen not in ("error", "missing"):
            raise ParameterError(f"unseen={self.unseen!r}: choose one of 'error', 'missing'", parameter="unseen")
        if is_stream(X):
            return self._of_stream(X, sample_weight, like, min_rows)
        table = read_grouped(X, self.groups, like=like, unseen=self.unseen, min_rows=min_rows)
        return ArraySource(table.x, check_weights(sample_weight, len(table.x)), table.columns, checked=True)

    def _of_stream(self, X: Any, sample_weight: Any, like: Columns | None, min_rows: int) -> Any:
        """Answers that stay in files: a pass over them finds the levels."""
        if self.groups is not None:
            raise ParameterError("groups of a stream: give the answers as an array or a data frame", parameter="groups")
        source = read_stream(self, X, sample_weight, like, min_rows)
        return source if like is not None else self._told_apart(source)

    @property
    def fits_elsewhere(self) -> bool:  # type: ignore[override]
        """Whether a fit leaves rows where a cluster has them: not if groups are told apart."""
        return self.groups is None

    def _told_apart(self, source: Any) -> Any:
        """Every column is of categories."""
        return source.with_levels(range(len(source.columns)))

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, *, labels: Any = None, groups: Any = None) -> Self:
        """Fit to answers.

        Parameters
        ----------
        X : array or data frame
            A column for each item.
        y : ignored
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        labels : array, optional
            What is known of the classes: (n,) their numbers, -1 or NaN where unknown; or (n, K), booleans for possible classes, or
            nonnegative numbers proportional to how probable the evidence is under each.
        groups : array (n,), optional
            The group of each row, where it is not a column of ``X``.
        """
        return super().fit(_with(X, groups), y, sample_weight, labels=labels)

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        labels: Any = None,
        groups: Any = None,
        forget: float | None = None,
    ) -> Self:
        """As in other estimators: see ``GaussianMixture.partial_fit``. The first rows have to show every level of every item."""
        if groups is not None:
            raise ParameterError("partial_fit takes groups as a column: give LatentClass its name as groups", parameter="groups")
        return super().partial_fit(X, y, sample_weight, labels=labels, forget=forget)  # type: ignore[no-any-return]

    def _for_fit(self, X: Any, sample_weight: Any = None, *, labels: Any = None, groups: Any = None) -> tuple[Any, Any]:
        return super()._for_fit(_with(X, groups), sample_weight, labels=labels)[0], np.float64

    def _prepare(self, source: Source, width: Any, distinct: Source | None = None) -> Job:
        k = self._size()
        if source.n_rows < k:
            raise DataError(f"n_classes={k} is more than the {source.n_rows} row(s) of the data: n_samples={source.n_rows}")
        return super()._prepare(source, width, distinct)

    @property
    def n_classes_(self) -> int:
        """K as it was given, or found."""
        return self._size_of(self.model_)

    def predict_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Posterior probability of each class given a row's answers, (n, K)."""
        return super().predict_proba(_with(X, groups))

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Most probable class of each row, (n,)."""
        return super().predict(_with(X, groups))

    def _again(self, X: Any, sample_weight: Any = None, labels: Any = None, groups: Any = None) -> ArraySource:
        """The data of the fit, read again."""
        return super()._again(_with(X, groups), sample_weight, labels)

    def score_samples(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Log-likelihood of each row's answers, (n,), nats; with groups, of group and answers."""
        return super().score_samples(_with(X, groups))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None) -> float:
        """Weighted mean log-likelihood of the rows; on the training data exactly what the fit reported."""
        return super().score(_with(X, groups), y, sample_weight)

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Random answers (n_samples, d), as levels, and the class that each row came from; drawn with ``random_state``."""
        codes, labels = super().sample(n_samples)
        levels = [column.levels for column in self.columns_.items]
        if any(found is None for found in levels):
            return codes, labels
        whole = all(isinstance(level, int) for found in levels for level in found or ())
        out = np.empty(codes.shape, dtype=np.int64 if whole else object)
        for j, found in enumerate(levels):
            out[:, j] = np.array(found, dtype=out.dtype)[codes[:, j]]
        return out, labels

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _report(self, result: Result) -> None:
        super()._report(result)
        found, more = distinct_in_words(self), unidentified_in_words(self)
        if found:
            warn(f"{found}; take fewer classes, or look at result_.starts for another optimum")
        if more:
            warn(f"{more}; take fewer classes")

    def _in_words(self, result: Result) -> str:
        k = result.model.n_hidden or 1
        return f"Latent class model: {k} class{'es' * (k > 1)}"

    def _value_in_words(self, result: Result) -> list[str]:
        notes = (distinct_in_words(self), unidentified_in_words(self))
        return [*super()._value_in_words(result), *(f"  {note}" for note in notes if note)]

    def _labels_in_words(self, result: Result) -> list[str]:
        return items_in_words(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        tags.input_tags.string = True
        return tags


def _with(X: Any, groups: Any) -> Any:
    if groups is None:
        return X
    if is_dask(X) or is_dask(groups):
        raise ParameterError(
            "groups beside a Dask collection: make them a column, and say its name: groups='...'", parameter="groups"
        )
    return Grouped(X, groups)


def _free(items: Any, columns: Columns, group: int) -> tuple[int, ...]:
    """The numbers of the free items. Raises ParameterError for what is not an item."""
    others = [j for j in range(len(columns)) if j != group]
    if items is None:
        return ()
    if isinstance(items, str):
        if items != "all":
            raise ParameterError(f"free_items={items!r}: give 'all', or a list of items", parameter="free_items")
        return tuple(others)
    found = []
    for item in items:
        whole = isinstance(item, int | np.integer) and not isinstance(item, bool)
        j = columns.names.index(item) if isinstance(item, str) and item in columns.names else int(item) if whole else -1
        if j not in others:
            has = ", ".join(repr(columns[i].name) if columns.named else str(i) for i in others)
            raise ParameterError(f"free_items: {item!r} is not an item; the items are {has}", parameter="free_items")
        found.append(j)
    return tuple(sorted(set(found)))
