"""Categorical columns with Dirichlet posteriors over their probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.errors import ParameterError
from emkit.core.parameters import Parameter
from emkit.core.support import Symbols
from emkit.families.categorical import (
    Categorical,
    SymbolCounts,
    compiled_counts,
    compiled_logs,
    symbol_counts,
    symbol_logs,
    worth_counting,
)
from emkit.families.variational import dirichlet
from emkit.families.variational.posterior import VariationalFamily


@dataclass(frozen=True)
class VariationalCategorical(VariationalFamily):
    """``Categorical`` by variational Bayes: each column's probabilities have a Dirichlet posterior. Missing cells add nothing.

    Parameters
    ----------
    n_categories : int or sequence of int, optional
        As in ``Categorical``.
    emissionprob_prior : float or array, optional
        Concentrations of the Dirichlet priors: a number, (L,), (K, d, L), or (K, L) for one column; a 0 says that the component
        never has the symbol. By default one over the number of the column's symbols.
    fixed, start_values : mapping, optional
        "emissionprob_posterior" (K, d, L), or (K, L) for one column; a component's concentrations are held all together.

    References
    ----------
    Beal (2003), Variational Algorithms for Approximate Bayesian Inference, chapter 3.
    """

    n_categories: Any = None
    emissionprob_prior: Any = None

    parameters = (Parameter("emissionprob_posterior", "K d L", dirichlet.Concentrations()),)
    support = Symbols()

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, with priors, partly fixed."""
        nan, prior = np.nan, [[[1.0, 0.5, 2.0, 0.7], [0.2, 0.2, 0.2, 0.0]], [[1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 1.0, 0.0]]]
        fixed = {"emissionprob_posterior": [[[5.0, 1.0, 1.0, 2.0], [nan] * 4], [[nan] * 4, [1.0, 2.0, 3.0, 0.0]]]}
        return [cls(), cls(emissionprob_prior=2.0), cls((4, 3), prior), cls((4, 3), fixed=fixed)]

    @property
    def plain(self) -> Categorical:
        """``Categorical``."""
        return Categorical(self.n_categories)

    @property
    def in_words(self) -> str:
        """As "categorical"."""
        return "categorical"

    # --- the prior ----------------------------------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Counts the symbols of each column, and makes the prior concrete. Raises DataError or ParameterError."""
        plain, d = self.plain.ready(source, k), source.n_features
        allowed = plain.null(k, d).probs  # 1 / L where a column has the symbol
        prior = dirichlet.read_prior(self.emissionprob_prior, allowed, "emissionprob_prior")
        prior = np.where(allowed > 0, prior, 0.0)
        if not (prior.sum(axis=2) > 0).all():
            raise ParameterError(
                "emissionprob_prior has no concentration above 0 for the symbols of some column", parameter="emissionprob_prior"
            )
        return replace(self, n_categories=plain.n_categories, emissionprob_prior=prior)

    @property
    def _prior(self) -> np.ndarray:
        if np.ndim(self.emissionprob_prior) != 3:
            raise ParameterError("this VariationalCategorical is not resolved: call resolve(source, k) first (fit does)")
        return np.asarray(self.emissionprob_prior)

    def shown_priors(self) -> dict[str, np.ndarray]:
        """``emissionprob_prior``."""
        return {"emissionprob_prior": self.parameters[0].show(self._prior)}

    def priors_in_words(self) -> list[str]:
        """A Dirichlet."""
        return ["Dirichlet of emissionprob"]

    def permuted(self, order: np.ndarray) -> Self:
        """The prior follows its components."""
        moved = super().permuted(order)
        return replace(moved, emissionprob_prior=self.parameters[0].permute(self._prior, np.asarray(order)))

    # --- sizes and values ---------------------------------------------------------------------------------------------

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """L is the largest number of symbols of any column."""
        return self.plain.sizes(k, d)

    def null(self, k: int, d: int) -> Any:
        """Uniform over each column's own symbols."""
        return self.put_back(self.Params(self.plain.null(k, d).probs))

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Symbols that a column does not have, and those that the prior rules out, are held at 0."""
        out = np.where(self.plain.null(*shape[:2]).probs == 0, 0.0, super().held(name, shape))
        return np.where(self._prior == 0, 0.0, out) if np.shape(self.emissionprob_prior) == shape else out

    def with_values(self, k: int, d: int) -> Self:
        """Read and checked; zeros must be the prior's."""
        found = super().with_values(k, d)
        for values in (found.fixed, found.start_values):
            if "emissionprob_posterior" in values:
                dirichlet.refuse_other_zeros(values["emissionprob_posterior"], self._prior, "emissionprob_posterior")
        return found

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> Any:
        """Inverse of ``shown``; zeros must be the prior's."""
        params = super().unshown(values, k, d)
        if np.ndim(self.emissionprob_prior) == 3:
            dirichlet.refuse_other_zeros(params.emissionprob_posterior, self._prior, "emissionprob_posterior")
        return params

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """As many symbols as there are concentrations."""
        sizes, given = self.n_categories, values.get("emissionprob_posterior")
        if sizes is None and given is not None:
            sizes = np.shape(given)[-1]
        return replace(self, fixed={}, start_values={}, n_categories=sizes, emissionprob_prior=None)

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def at_the_mean(self, params: Any) -> Any:
        """The posterior's expected probabilities."""
        return Categorical.Params(dirichlet.means(params.emissionprob_posterior))

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum over columns of the expected log probability of the symbol, (n, K); -inf for one that cannot be."""
        return symbol_logs(dirichlet.expected_logs(params.emissionprob_posterior), x)

    def stats(self, params: Any, x: Any, resp: Any) -> SymbolCounts:
        """Expected counts."""
        return symbol_counts(params.emissionprob_posterior.shape, x, resp)

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Compiled where the data are large."""
        if not worth_counting(block):
            return super().log_prob_block(params, block, out)
        return compiled_logs(dirichlet.expected_logs(params.emissionprob_posterior), block, out)

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> SymbolCounts:
        """Compiled where the data are large."""
        if not worth_counting(block):
            return super().stats_block(params, block, resp)  # type: ignore[no-any-return]
        return compiled_counts(params.emissionprob_posterior.shape, block, resp)

    def m_step(self, stats: SymbolCounts, params: Any) -> Any:
        """The prior's concentrations plus the counts."""
        return self.Params(self._prior + np.where(self._prior > 0, stats.counts, 0.0))

    def log_prior(self, params: Any) -> float:
        """Minus the divergence of the posteriors from the priors."""
        return -dirichlet.divergence(params.emissionprob_posterior, self._prior)

    def q(self, stats: SymbolCounts, params: Any) -> float:
        """Sum of counts E[log p]."""
        return dirichlet.expectation(stats.counts, params.emissionprob_posterior)

    def gradient(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Of the lower bound."""
        return {"emissionprob_posterior": dirichlet.slopes(self._prior + stats.counts, params.emissionprob_posterior)}

    def curvature(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Of the lower bound."""
        return {"emissionprob_posterior": dirichlet.curvature(params.emissionprob_posterior)}
