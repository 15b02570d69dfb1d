"""What a fitted LatentClass says beyond its fit: item probabilities, statistics of fit and classification, three-step analyses."""

from typing import Any

import numpy as np

from emkit.core.checks import count
from emkit.core.errors import DataError
from emkit.data.grouped import GROUP, Grouped
from emkit.estimators.latent_class_words import distinct
from emkit.estimators.settings import make_rng
from emkit.inference.answers import Answers, Measurement
from emkit.inference.classification import ClassificationTable, average_posteriors, classification_table, relative_entropy
from emkit.inference.goodness import FitStatistics, fit_statistics
from emkit.inference.refits import p_value, refitted
from emkit.inference.residuals import BivariateResiduals, bivariate_residuals
from emkit.inference.three_step import ThreeStep, three_step


class AfterLatentClass:
    """Methods of ``LatentClass`` that follow a fit."""

    # --- the parameters, told apart -----------------------------------------------------------------------------------

    def item_probabilities(self: Any) -> list[dict[str, Any]]:
        """The table of item probabilities, an entry for each level of each item (and, for a free one, of each group).

        An entry has "item", its name; "group", the group's level, or None where the item is alike in all groups; "level"; and
        "probabilities" (K,). ``pandas.DataFrame`` takes the list.
        """
        columns, found = self.columns_, self._measurement()
        place = columns.role(GROUP)
        items = [j for j in range(len(columns)) if j not in place]
        free = self._current().model.family.free if place else ()
        out = []
        for i, j in enumerate(items):
            levels = columns[j].levels or tuple(range(int(found.sizes[i])))
            for g in range(len(found.joint)) if j in free else [None]:
                for level, name in enumerate(levels):
                    group = None if g is None else self.group_names()[g]
                    p = found.probs[g or 0, :, i, level]
                    out.append({"item": columns[j].name, "group": group, "level": name, "probabilities": p})
        return out

    def group_names(self: Any) -> tuple[Any, ...]:
        """The groups, in the order of ``group_weights_``; one, None, where there are none."""
        place = self.columns_.role(GROUP)
        return tuple(self.columns_[place[0]].levels) if place else (None,)

    @property
    def group_weights_(self: Any) -> np.ndarray:
        """Class sizes in each group, (G, K)."""
        joint = self._measurement().joint
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))

    def distinct_classes(self: Any) -> tuple[list[list[int]], list[int]]:
        """Classes in sets of equal ones, and the empty ones: see ``n_distinct_``."""
        found, current = self._measurement(), self._current()
        rows = max(current.n_rows, current.total_weight) or np.inf
        return distinct(found.joint.sum(axis=0), np.moveaxis(found.probs, 1, 0), rows)

    @property
    def n_distinct_(self: Any) -> int:
        """Classes that are really there."""
        return len(self.distinct_classes()[0])

    def _measurement(self: Any, params: Any = None) -> Measurement:
        """The model as statistics of fit take it."""
        current = self._current()
        model, params = current.model, current.params if params is None else params
        place, probs = self.columns_.role(GROUP), params.components.probs
        if not place:
            sizes = np.broadcast_to(model.family.n_categories, probs.shape[1:2])
            return Measurement(params.weights[None], probs[None], sizes, model.n_free(params))
        family, at = model.family, place[0]
        n_groups, places = family.n_groups, family.places
        others = [j for j in range(len(places)) if j != at]
        joint = params.weights * probs[:, places[at][0], :n_groups].T
        each = [probs[:, [places[j][g if j in family.free else 0] for j in others]] for g in range(n_groups)]
        return Measurement(joint, np.array(each), np.array(family.n_categories)[others], model.n_free(params))

    def _answers(self: Any, X: Any, sample_weight: Any, groups: Any) -> Answers:
        """New rows as statistics of fit take them."""
        source = self._new(X if groups is None else Grouped(X, groups), sample_weight)
        weights = np.ones(source.n_rows) if source.weights is None else np.asarray(source.weights, dtype=np.float64)
        place, x = self.columns_.role(GROUP), np.asarray(source.x, dtype=np.float64)
        if not place:
            return Answers(x, np.zeros(len(x), dtype=np.intp), weights)
        if np.isnan(x[:, place[0]]).any():
            raise DataError("statistics of fit need the group of every row: give groups=...", parameter="groups")
        return Answers(np.delete(x, place[0], axis=1), x[:, place[0]].astype(np.intp), weights)

    # --- how well it fits ---------------------------------------------------------------------------------------------

    def fit_statistics(self: Any, X: Any, sample_weight: Any = None, *, groups: Any = None, n_bootstrap: int = 0) -> FitStatistics:
        """L2 (G2) and X2 against the table of all patterns, with degrees of freedom and p values.

        Rows with a missing answer do not count here, as in R's poLCA: the test is then one of the complete rows.

        Parameters
        ----------
        X : array or data frame
            The answers that the model was fitted to.
        sample_weight : array (n,), optional
            The weights of that fit.
        groups : array (n,), optional
            As in ``fit``.
        n_bootstrap : int
            How many data sets are drawn from the model, and fitted again, for p values of their own: for tables that are too sparse
            for the chi-squared distribution.
        """
        answers = self._answers(X, sample_weight, groups)
        found = fit_statistics(self._measurement(), answers)
        if not count(n_bootstrap, "n_bootstrap", 0):
            return found

        def both(measurement: Measurement, drawn: Answers) -> np.ndarray:
            one = fit_statistics(measurement, drawn)
            return np.array([one.L2, one.X2])

        p = p_value(self._refitted(answers, both, n_bootstrap), np.array([found.L2, found.X2]))
        kept = {name: getattr(found, name) for name in found.__dataclass_fields__}
        return FitStatistics(**{**kept, "p_L2_bootstrap": float(p[0]), "p_X2_bootstrap": float(p[1]), "n_bootstrap": n_bootstrap})

    def bivariate_residuals(
        self: Any, X: Any, sample_weight: Any = None, *, groups: Any = None, n_bootstrap: int = 0
    ) -> BivariateResiduals:
        """How much association of each pair of items the classes leave unexplained: about 1 or less where they explain it.

        Pearson's X2 of the two-way table against the model's expectation, over (L - 1)(L' - 1). It has no known distribution;
        ``n_bootstrap`` data sets drawn from the model, and fitted again, give p values. Parameters as in ``fit_statistics``.
        """
        answers = self._answers(X, sample_weight, groups)
        with _one_thread():
            values = bivariate_residuals(self._measurement(), answers)
        place = self.columns_.role(GROUP)
        others = [j for j in range(len(self.columns_)) if j not in place]
        names = tuple(self.columns_[j].name for j in [*others, *place])
        if not count(n_bootstrap, "n_bootstrap", 0):
            return BivariateResiduals(names, values)
        p = p_value(self._refitted(answers, bivariate_residuals, n_bootstrap), values)
        return BivariateResiduals(names, values, p, n_bootstrap)

    def _refitted(self: Any, answers: Answers, statistic: Any, times: int) -> np.ndarray:
        current, place = self._current(), self.columns_.role(GROUP)
        return refitted(
            current.model,
            current.params,
            self.columns_,
            answers,
            place[0] if place else None,
            self._measurement,
            statistic,
            times,
            self._executor(),
            make_rng(self.random_state),
        )

    # --- how well it tells classes apart ------------------------------------------------------------------------------

    def _posteriors(self: Any, X: Any, sample_weight: Any, groups: Any) -> tuple[np.ndarray, np.ndarray]:
        source = self._new(X if groups is None else Grouped(X, groups), sample_weight)
        weights = np.ones(source.n_rows) if source.weights is None else np.asarray(source.weights, dtype=np.float64)
        return self._infer(source, "marginals").marginals, weights

    def entropy(self: Any, X: Any, sample_weight: Any = None, *, groups: Any = None) -> float:
        """Relative entropy, 1 - sum -p log p / (n log K): 1 where every row's class is certain, 0 where rows tell nothing."""
        return relative_entropy(*self._posteriors(X, sample_weight, groups))

    def classification_table(self: Any, X: Any, sample_weight: Any = None, *, groups: Any = None) -> ClassificationTable:
        """Rows by the class that they are assigned to, the most probable one, and by their posteriors; the share of errors."""
        return classification_table(*self._posteriors(X, sample_weight, groups))

    def average_posteriors(self: Any, X: Any, sample_weight: Any = None, *, groups: Any = None) -> np.ndarray:
        """Mean posterior of each class (column) over the rows assigned to each (line), (K, K)."""
        return average_posteriors(*self._posteriors(X, sample_weight, groups))

    # --- what classes go with -----------------------------------------------------------------------------------------

    def three_step(
        self: Any,
        X: Any,
        *,
        covariates: Any = None,
        outcome: Any = None,
        correction: str | None = "ML",
        assignment: str = "modal",
        sample_weight: Any = None,
        groups: Any = None,
    ) -> ThreeStep:
        """Three-step estimation of what predicts the class, and of what the class predicts, from the classes that rows are put in.

        Rows are put into classes with errors, of known size; without a correction, associations come out too weak.

        Parameters
        ----------
        X : array or data frame
            The answers that the model was fitted to.
        covariates : array (n,) or (n, q), or data frame, optional
            What the class may depend on, by multinomial logistic regression: class 0 is the reference. Columns of text become
            indicators of all levels but the first.
        outcome : array (n,), optional
            A distal outcome: numbers, of which each class has a mean; or texts, categories or booleans, with probabilities of each.
        correction : {"ML", "BCH", None}
            Maximum likelihood with known classification errors (Vermunt 2010), the weights of Bolck, Croon and Hagenaars (2004), or
            none. For an outcome "ML" takes it as normal within each class; "BCH" assumes nothing of its distribution.
        assignment : {"modal", "proportional"}
            Into the most probable class; or into every class, in proportion to its posterior.
        sample_weight, groups : array (n,), optional
            As in ``fit``.

        Returns
        -------
        ThreeStep
            ``effects`` and ``outcome``, each with estimates, standard errors and Wald tests; print it. Standard errors are by the
            sandwich, and take the classification errors as known.

        Raises
        ------
        DataError, ParameterError
            For rows that do not match, covariates that are collinear, and classes that no row is put in.
        """
        posteriors, weights = self._posteriors(X, sample_weight, groups)
        with _one_thread():
            return three_step(posteriors, weights, covariates, outcome, correction, assignment)


def _one_thread() -> Any:
    """Products of thin matrices: threads of the BLAS wait for each other longer than they work, and change last bits."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
