"""Regression as a family: a column is normal, Poisson or binomial given others, with coefficients of each component's own."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Block
from emkit.core.columns import Columns
from emkit.core.errors import CollapseError
from emkit.core.profiles import differences
from emkit.families.regression.configuration import COLLAPSED, ConfiguredRegression, RegressionParams
from emkit.families.regression.drawing import drawn_covariates, two_lines
from emkit.families.regression.quadratic import Quadratic, guarded_step, newton_step, weighted_products
from emkit.families.regression.starting import lines

_FIRST_STEPS = 6  # Newton steps from the pooled mean to a first guess, of responses that are not normal
_ROUNDS = 100  # of coefficients given variances and variances given coefficients, where components share the former


@dataclass(frozen=True)
class Regression(ConfiguredRegression):
    """K regressions of one column on others. The density is that of the response given the others, which are not modelled.

    A mixture of it is a mixture of regressions (DeSarbo and Cron 1988, J. Classification 5, 249-282); beside a family of the same
    other columns in a ``PerColumn`` it is a mixture of experts whose gate is that family (Xu, Jordan and Hinton 1995, NIPS 7).

    Parameters
    ----------
    response : {"gaussian", "poisson", "bernoulli", "binomial"}
        Normal about the linear predictor; counts whose log rate it is; 0 or 1, or successes out of ``trials``, whose log odds it
        is.
    on : sequence of columns, optional
        The columns that it is regressed on, by name (or number, where columns have no names). Default: all others.
    target : column, optional
        The response. Default: the first column that is nothing else.
    offset : column, optional
        A column that is added to the linear predictor.
    trials : column, optional
        Numbers of trials, for "binomial".
    ridge : "weak", float, or array of shape (q,)
        Pseudo-rows behind each slope, or all, which pull it to 0: the log prior of a standardised slope b is -ridge unit b^2 / 2,
        where unit is the information of one row, 1 / variance for a normal response. Intercepts are free. "weak": 0.1/n, of a
        normal response times the share of its variance that one regression of all rows leaves. 0: none.
    prior : "weak", float or None
        Pseudo-rows behind the variance of each component of a normal response, with the residual variance of one regression of all
        rows (without bias). "weak": 2/n, as for ``Gaussian``. None: maximum likelihood.
    shared_variance : bool
        Whether all components have one variance.
    shared : sequence of columns, or "intercept"
        Coefficients that are the same in all components.
    fixed, start_values : mapping, optional
        "intercepts" (K,), "coefficients" (K, q); of normal responses "variances" (K,), or one number if it is shared. In the units
        of the columns, intercepts at x = 0.

    Notes
    -----
    A row whose response is missing contributes nothing; a missing covariate beside a response is an error. The M-step of a normal
    response is in closed form. Others make one Newton step, shortened so that it cannot lower the objective: see
    ``emkit.families.guarded``.
    """

    @classmethod
    def examples(cls) -> list[Self]:
        """Each response; without priors; shared and fixed coefficients, a shared variance."""
        return [
            cls(),
            cls(ridge=0.0, prior=None, target=1),
            cls(shared=(1,), shared_variance=True),
            cls(shared=("intercept",), ridge=1.0, prior=2.0),
            cls(fixed={"intercepts": [0.5, np.nan], "coefficients": [[np.nan], [0.5]]}),
            cls("poisson"),
            cls("poisson", shared=("intercept",), fixed={"coefficients": [[0.5], [np.nan]]}),
            cls("bernoulli", ridge=1.0),
            cls("binomial", target=1, trials=0),
        ]

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def predictors(self, params: RegressionParams, x: Any) -> np.ndarray:
        """The linear predictor of each row under each component, (n, K); NaN where a covariate is missing."""
        cells = self._cells(self._with_response(x))
        eta = cells.z @ self._standard(params).T + cells.offset
        return np.where(cells.told[:, None], eta, np.nan)

    def means(self, params: RegressionParams, x: Any) -> np.ndarray:
        """Expected response of each row under each component, (n, K), whatever its response; NaN where a covariate is missing."""
        return np.asarray(self.kind.mean(self.predictors(params, x), self._cells(self._with_response(x)).trials))

    def log_prob(self, params: RegressionParams, x: Any) -> np.ndarray:
        """Log density of the response, (n, K); 0 where it is missing."""
        cells = self._cells(x)
        eta = cells.z @ self._standard(params).T + cells.offset
        return np.where(cells.told[:, None], self.kind.log_density(cells.y, eta, cells.trials, params.variances), 0.0)

    def stats(self, params: RegressionParams, x: Any, resp: Any) -> Quadratic:
        """Slope and curvature of Q in the standardised coefficients, at ``params``."""
        cells, pivot = self._cells(x), self._standard(params)
        r = np.asarray(resp, dtype=np.float64) * cells.told[:, None]
        eta = cells.z @ pivot.T + cells.offset
        off = np.where(cells.told[:, None], cells.y - self.kind.mean(eta, cells.trials), 0.0)
        pulled = r * off
        bends = weighted_products(cells.z, r if self.kind.has_variance else r * self.kind.bend(eta, cells.trials))
        return Quadratic(r.sum(axis=0), bends, pulled.T @ cells.z, (pulled * off).sum(axis=0), pivot)

    def m_step(self, stats: Quadratic, params: RegressionParams) -> RegressionParams:
        """Weighted least squares with the prior's pseudo-rows; of responses that are not normal, one guarded Newton step."""
        places, frame = self.known
        k, alike = len(stats.mass), any(places.shared)
        penalty, along = self.penalty(k), self._along(k)
        if params.variances is None:
            step = guarded_step(stats, penalty, along, frame.low, frame.high, together=alike)
            return self._made(stats.pivot + step, None)
        variances = params.variances
        for _ in range(_ROUNDS if alike and not self.shared_variance else 1):
            sizes = np.broadcast_to(variances, (k,))
            found = stats.pivot + newton_step(stats, penalty, along, sizes)
            last, variances = variances, self._variances(stats, found, variances)
            if np.abs(variances - last).max() <= 1e-14 * last.max():
                break
        new = self._made(found, variances)
        self.refuse_collapse(new)
        return new

    def _made(self, standard: np.ndarray, variances: np.ndarray | None) -> RegressionParams:
        """From standardised coefficients; those that are shared agree to the last bit."""
        places, frame = self.known
        shared, (intercepts, coefficients) = np.array(places.shared), frame.plain(standard)
        intercepts = np.where(shared[0], intercepts[:1], intercepts)
        return RegressionParams(intercepts, np.where(shared[1:], coefficients[:1], coefficients), variances)

    def _variances(self, stats: Quadratic, found: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Residual variances at these coefficients, the priors' rows among them; where there are no rows, as before."""
        rows, pooled = self.prior or 0.0, self.known[1].pooled
        left = np.maximum(stats.square - 2.0 * stats.gain(found), 0.0)
        left, mass = left + (self.penalty(len(found)).weights * found**2).sum(axis=1), stats.mass
        if self.shared_variance:
            left, mass = left.sum(keepdims=True), mass.sum(keepdims=True)
        total = mass + rows
        variances = np.where(total > 0, (left + rows * pooled) / np.where(total > 0, total, 1.0), before)
        held = self.held("variances", variances.shape)
        return np.maximum(np.where(np.isnan(held), variances, held), 1e-300)

    def refuse_collapse(self, params: RegressionParams) -> None:
        """Raise CollapseError where a variance has run to zero."""
        if params.variances is None or self.prior or self.frame is None or self.seen is None:
            return
        free = np.isnan(self.held("variances", params.variances.shape))
        bad = free & ~(params.variances > COLLAPSED * self.frame.variance)
        if bad.any():
            raise CollapseError(
                f"component {int(np.argwhere(bad)[0][0])} has collapsed onto rows that lie on a line: the likelihood is unbounded "
                "there; use the default prior, shared_variance=True or fewer components"
            )

    def anchor(self, k: int, d: int) -> RegressionParams:
        """The pooled mean in all components, without slopes."""
        places, frame = self.known
        variances = None
        if self.kind.has_variance:
            variances = np.full(1 if self.shared_variance else k, max(frame.pooled, 1e-300))
        made: RegressionParams = self.put_back(RegressionParams(np.full(k, frame.start), np.zeros((k, len(places.on))), variances))
        return made

    def first_guess(self, stats: Quadratic) -> RegressionParams:
        """An M-step with at least one pseudo-row of each prior."""
        calm = replace(self, ridge=np.maximum(self.ridge, 1.0), prior=max(self.prior or 0.0, 1.0))
        return calm.m_step(stats, self.anchor(len(stats.mass), 0))

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> RegressionParams:
        """As for every family; of responses that are not normal after some more steps, for the first one is far from the end."""
        params: RegressionParams = super().from_partition(x, resp, rng)
        for _ in range(0 if self.kind.has_variance else _FIRST_STEPS):
            params = self.start(self.stats_block(params, Block(x), resp))
        return params

    def q(self, stats: Quadratic, params: RegressionParams) -> float:
        """Exact for a normal response; for others to second order about the parameters that ``stats`` were taken at."""
        gain = stats.gain(self._standard(params))
        if params.variances is None:
            return float(gain.sum())
        variances = params.variances
        return float(np.sum(-0.5 * stats.mass * np.log(2.0 * np.pi * variances) - (0.5 * stats.square - gain) / variances))

    def gradient(self, stats: Quadratic, params: RegressionParams) -> dict[str, np.ndarray]:
        """Of Q and of the log prior, which slopes and variances have together."""
        frame, pivot = self.known[1], self._standard(params)
        here, penalty = stats.about(pivot), self.penalty(len(pivot))
        slope = here.slope + penalty.slope(pivot)
        if params.variances is None:
            return dict(zip(("intercepts", "coefficients"), frame.pulled(slope), strict=True))
        v, rows = params.variances, self.prior or 0.0
        left, mass = here.square + (penalty.weights * pivot**2).sum(axis=1), here.mass
        if self.shared_variance:
            left, mass = left.sum(keepdims=True), mass.sum(keepdims=True)
        of_variances = 0.5 * ((left + rows * frame.pooled) / v - (mass + rows)) / v
        intercepts, coefficients = frame.pulled(slope / np.broadcast_to(v, (len(pivot),))[:, None])
        return {"intercepts": intercepts, "coefficients": coefficients, "variances": of_variances}

    def curvature(self, stats: Quadratic, params: RegressionParams) -> dict[str, np.ndarray]:
        """The weighted Gram matrix's, and half a row's worth for the log of each variance."""
        frame, weights = self.known[1], self.penalty(len(stats.mass)).weights
        bends = stats.bends + weights[:, :, None] * np.eye(weights.shape[1])
        if params.variances is None:
            return dict(zip(("intercepts", "coefficients"), frame.pulled_information(bends), strict=True))
        v = params.variances
        mass = (stats.mass.sum(keepdims=True) if self.shared_variance else stats.mass) + (self.prior or 0.0)
        intercepts, coefficients = frame.pulled_information(bends / np.broadcast_to(v, stats.mass.shape)[:, None, None])
        return {"intercepts": intercepts, "coefficients": coefficients, "variances": 0.5 * mass / v**2}

    def log_priors(self, params: RegressionParams) -> np.ndarray:
        """Of each component, (K,); a shared variance's own is divided among them."""
        standard = self._standard(params)
        of_slopes = -0.5 * (self.penalty(len(standard)).weights * standard**2).sum(axis=1)
        if params.variances is None:
            return np.asarray(of_slopes)
        v, rows = params.variances, self.prior or 0.0
        of_variances = -0.5 * rows * (np.log(v) + self.known[1].pooled / v)
        return np.asarray(of_slopes / v + of_variances * len(v) / len(standard))

    def log_prior(self, params: RegressionParams) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    # --- rows of its own ----------------------------------------------------------------------------------------------

    def responses(self, params: RegressionParams, component: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The rows with the response drawn given the other columns."""
        out, cells = self._with_response(x), self._cells(self._with_response(x))
        eta = (cells.z * self._standard(params)[component]).sum(axis=1) + cells.offset[:, 0]
        sizes = None if params.variances is None else np.broadcast_to(params.variances, params.intercepts.shape)[component]
        out[:, self.known[0].target] = self.kind.draw(eta, cells.trials[:, 0], sizes, rng)
        return out

    def sample(self, params: RegressionParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Responses to covariates that are not modelled, and so are drawn as normal ones within the data's ranges."""
        return self.responses(params, component, drawn_covariates(*self.known, len(component), rng), rng)

    def filled(self, params: RegressionParams, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """A missing response is its mean; covariates are left as they are."""
        out, y = np.array(x, dtype=np.float64), self.known[0].target
        missing = np.isnan(out[:, y])
        if missing.any():
            out[missing, y] = (resp[missing] * self.means(params, out[missing])).sum(axis=1)
        return out

    def drawn(self, params: RegressionParams, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A missing response is drawn; covariates are left as they are."""
        out, y = np.array(x, dtype=np.float64), self.known[0].target
        missing = np.isnan(out[:, y]) & ~np.isnan(np.delete(out, y, axis=1)).any(axis=1)
        if missing.any():
            out[missing] = self.responses(params, component[missing], out[missing], rng)
        return out

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Responses to covariates about two centres, by two lines."""
        return Block(two_lines(self._among(tuple(range(d))), self.kind, rng, n))

    def moments(self, params: RegressionParams) -> tuple[np.ndarray, np.ndarray]:
        """Of the response at the average of the covariates; NaN for these, of which it says nothing."""
        places, frame = self.known
        eta = self._standard(params)[:, 0] + frame.offset
        trials = np.full_like(eta, frame.trials)
        mean, variance = (np.full((len(eta), places.width), np.nan) for _ in range(2))
        mean[:, places.target] = self.kind.mean(eta, trials)
        variance[:, places.target] = self.kind.variance(eta, trials, params.variances)
        return mean, variance

    def narrowest(self, params: RegressionParams) -> np.ndarray | None:
        """The residual variances of a normal response."""
        if params.variances is None:
            return None
        out = np.full((len(params.intercepts), self.known[0].width), np.nan)
        out[:, self.known[0].target] = params.variances
        return out

    def cdf(self, params: RegressionParams, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """Of a normal response that is alone, without covariates; of others it does not say."""
        if params.variances is None or self.known[0].given:
            return None
        from scipy.special import ndtr

        z = (x - params.intercepts) / np.sqrt(params.variances)
        value = ndtr(-z if upper else z)
        return value, value

    def embed(self, x: Any) -> np.ndarray:
        """Standardised covariates, and the response as its kind has it; missing cells, and rows without a response, sit in the
        middle.
        """
        places, frame = self.known
        x = np.asarray(x, dtype=np.float64)
        covariates = np.nan_to_num((x[:, list(places.on)] - frame.centre) / frame.scale)
        covariates[np.isnan(x[:, places.target])] = 0.0
        return np.concatenate([covariates, self._embedded_response(x)], axis=1)

    def _embedded_response(self, x: np.ndarray) -> np.ndarray:
        """The response alone as points, (n, 1): a normal one less its offset, a share where there are trials."""
        places, frame = self.known
        y, mean = x[:, [places.target]], frame.mean
        if self.kind.has_variance and places.offset is not None:
            y, mean = y - x[:, [places.offset]], frame.start
        elif places.trials is not None:
            y = y / np.maximum(x[:, [places.trials]], 1.0)
        return np.asarray(self.kind.support.embed(y, np.array([mean]), np.array([frame.variance])))

    def partition(self, x: np.ndarray, weights: np.ndarray | None, k: int, rng: np.random.Generator) -> np.ndarray:
        """By the line that each row lies nearest, of lines through a few rows: see ``emkit.families.regression.starting``."""
        cells = self._cells(x)
        w = cells.told * (1.0 if weights is None else weights)
        if not w.any():
            return np.full((len(x), k), 1.0 / k)
        return lines(cells.z, (self.kind.linear(cells.y, cells.trials) - cells.offset)[:, 0], w, k, rng)

    # --- in words -----------------------------------------------------------------------------------------------------

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """Of the response at the average of the covariates."""
        y = self.known[0].target
        mean, variance = (value[:, [y]] for value in self.moments(params))
        return differences(mean, weights @ mean, mean - weights @ mean, variance, weights, columns.some([y]))

    @property
    def in_words(self) -> str:
        """As "poisson regression"."""
        return f"{self.response} regression"

    def mixture_in_words(self, k: int) -> str:
        """As "Mixture of 2 poisson regressions"."""
        return f"Mixture of {k} {self.in_words}{'s' * (k > 1)}"

    def priors_in_words(self) -> list[str]:
        """Name and weight of each."""
        rows = 0.0 if isinstance(self.ridge, str) else float(np.max(self.ridge, initial=0.0))
        out = [f"ridge of {rows:.3g} pseudo-rows"] if rows else []
        if self.kind.has_variance and isinstance(self.prior, float) and self.prior:
            out.append(f"prior of residual variances, {self.prior:.3g} pseudo-rows")
        return out
