"""Mixture: components over the rows of any table."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.result import Result
from emkit.data.kinds import refined
from emkit.estimators.partial import PartialRows
from emkit.estimators.profile import in_words
from emkit.estimators.rows import RowFace
from emkit.estimators.table_families import categories, table_family
from emkit.models.mixture import FiniteMixture


@dataclass(eq=False, repr=False)
class Mixture(PartialRows, RowFace):
    """Mixture over the rows of a table whose columns may be of any kind, fitted by expectation-maximization.

    Given the component, columns are independent, unless they share a Gaussian with correlations. Cells may be missing, rows may
    have weights, parameters may be fixed.

    Parameters
    ----------
    n_components : int or "auto"
        K; "auto": the number from 1 to 9 with the best BIC, see ``emkit.select``.
    family : Family, str, mapping or None
        What a component is. None: a family for each column by its kind (floating-point numbers Gaussian, whole numbers from 0 to
        255 Poisson, 0 and 1 Bernoulli, texts and categories Categorical, other whole numbers Gaussian). A mapping from columns,
        or tuples of columns, to families or their names overrides that: ``{"visits": "poisson", ("a", "b"): Gaussian("full")}``.
        A family or a name: that one for all columns. Whole numbers that are made categorical have the levels that are seen.
    weights_init : array (K,), optional
    weights_prior : Dirichlet or float, optional
        The prior of the weights; a number is its concentration.
    unseen : {"error", "missing"}
        What a level of a category that was not there in the fit means.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. Parameters are called by column, such as "visits_rates", or
        by family, such as "gaussian_means", for several columns that share one; "weights" are the components'.
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_components_ : int
        K as it was given, or found.
    weights_ : array (K,)
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_
        And each parameter by its name, with an underscore after it. ``model_.family`` tells which family each column has.

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    References
    ----------
    McLachlan and Peel (2000), Finite Mixture Models, section 5.9. Hunt and Jorgensen (2011), WIREs Data Mining 1, 352-361.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import Mixture
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(2, size=400)
    >>> visits, weight = rng.poisson(np.array([1.0, 6.0])[kind]), rng.normal(np.array([60.0, 80.0])[kind], 5.0)
    >>> model = Mixture(2, {0: "poisson", 1: "gaussian"}, random_state=0).fit(np.column_stack([visits, weight]))
    >>> getattr(model, "0_rates_").ravel().round()
    array([1., 6.])
    """

    finds_size = True
    fits_elsewhere = True
    size_setting = "n_components"
    reading_settings = ("unseen", "family")

    n_components: Any = 1
    family: Any = None
    _: KW_ONLY
    weights_init: Any = None
    weights_prior: Any = None
    unseen: str = "error"
    order_by: Any = "auto"

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A FiniteMixture over the family of the table."""
        one_of(self.unseen, ("error", "missing"), "unseen")
        family = table_family(self.family, columns)
        model = FiniteMixture(family, self._size(), self.weights_prior, self.init_params)
        return self._with_values(model)  # type: ignore[return-value]

    @property
    def n_components_(self) -> int:
        """K as it was given, or found."""
        return self._size_of(self.model_)

    def takes_texts(self) -> bool:
        """Unless one family is for all columns, and is for numbers."""
        return self.family is None or isinstance(self.family, Mapping) or super().takes_texts()

    def _columns_by_moments(self) -> list[int]:
        """The number of a level says nothing."""
        words = self.column_families() if "result_" in self.__dict__ else {}
        return [j for j, c in enumerate(self.columns_.items) if c.levels is None and words.get(c.name) != "categorical"]

    def column_families(self) -> dict[str, str]:
        """The word of each column's family, as ``family`` takes it."""
        model: Any = self.model_
        return dict(zip(self.columns_.names, model.family.column_words(len(self.columns_)), strict=True))

    def _more_in_words(self, result: Result) -> list[str]:
        """What sets each component apart most."""
        return in_words(result.model, result.params, self.columns_)

    def _new(self, X: Any, sample_weight: Any = None) -> Any:
        """New rows, each cell of which some component can produce."""
        source = super()._new(X, sample_weight)
        self._current().model.check(source)
        return source

    def _source(self, X: Any, sample_weight: Any = None, *, like: Columns | None = None, min_rows: int = 1) -> Any:
        source = super()._source(X, sample_weight, like=like, min_rows=min_rows)
        return source if like is not None else self._told_apart(source)

    def _told_apart(self, source: Any) -> Any:
        """Whole numbers are told apart, and codes of categories become levels."""
        source = source.with_columns(refined(source.columns, source.summary))
        return source.with_levels(categories(self.family, source.columns))
