"""Information criteria: what a fit is worth once its parameters are paid for. In the usual sign: lower is better."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.model import EStep, Infer, Model
from emkit.core.result import Result, StopReason
from emkit.selection.cheeseman_stutz import cheeseman_stutz

_SLIGHTEST = 1e-300  # stands for the probability of the best label of a row that no label can produce


@dataclass(frozen=True)
class Criteria:
    """What the criteria say of a fit. All but ``log_likelihood`` and ``cheeseman_stutz``: lower is better.

    Attributes
    ----------
    log_likelihood : float
        LL, nats.
    n_free : int
        p, the free parameters: fixed and structurally zero ones are not counted.
    n : float
        The weight of the observations: rows; of an HMM the steps of all sequences.
    aic : float
        -2 LL + 2 p (Akaike 1974).
    bic : float
        -2 LL + p ln n (Schwarz 1978).
    sabic : float
        -2 LL + p ln((n + 2) / 24), BIC with the sample size adjusted (Sclove 1987, Psychometrika 52, 333-343).
    caic : float
        -2 LL + p (ln n + 1) (Bozdogan 1987, Psychometrika 52, 345-370).
    icl : float
        BIC - 2 sum_i w_i ln max_k P(label k | data), BIC plus a price for labels that are not sure (Biernacki, Celeux and Govaert
        2000, IEEE PAMI 22, 719-725, in the form of mclust). In an HMM i runs over steps, and P is the smoothed probability of
        the step's state: how unsure whole paths are is not in it. NaN for a model without labels.
    cheeseman_stutz : float or None
        Approximate log marginal likelihood, higher is better, if it was asked for: see ``emkit.selection.cheeseman_stutz``.
    """

    log_likelihood: float
    n_free: int
    n: float
    aic: float
    bic: float
    sabic: float
    caic: float
    icl: float
    cheeseman_stutz: float | None = None


def criteria(result: Result, source: Source, executor: Executor, *, marginal: bool = False) -> Criteria:
    """The criteria of a fit to a source.

    Parameters
    ----------
    result : Result
        Of the fit; of parameters that were set by hand, or come from a stream, the log-likelihood is computed.
    source : Source
        The data of the fit.
    executor : Executor
    marginal : bool
        Whether to approximate the marginal likelihood too.

    Raises
    ------
    ParameterError
        For a variational fit: its lower bound has paid for every parameter.
    """
    model, params = result.model, result.params
    if model.is_posterior:
        raise ParameterError(
            f"criteria are for maximum likelihood; compare fits of {model.called} by lower bounds, higher is better"
        )
    found, n, p = result.log_likelihood, source.total_weight, result.n_free
    if result.reason in (StopReason.SET_BY_HAND, StopReason.STREAM):
        found = float(executor.map_reduce(EStep(model, params), source)[1])
    bic = penalised(found, p, bic_price(n))
    unsure = np.nan if model.n_hidden is None else unsureness(model, params, source, executor)
    return Criteria(
        log_likelihood=found,
        n_free=p,
        n=n,
        aic=penalised(found, p, 2.0),
        bic=bic,
        sabic=penalised(found, p, float(np.log((n + 2.0) / 24.0))),
        caic=penalised(found, p, bic_price(n) + 1.0),
        icl=bic + unsure,
        cheeseman_stutz=cheeseman_stutz(result, source, executor).value if marginal else None,
    )


def penalised(log_likelihood: float, n_free: int, price: float) -> float:
    """-2 LL + p * price."""
    return -2.0 * log_likelihood + price * n_free


def bic_price(n: float) -> float:
    """What BIC takes for a parameter: ln n; nothing where weights add up to less than one row, which would reward parameters."""
    return max(float(np.log(n)), 0.0)


def unsureness(model: Model, params: Any, source: Source, executor: Executor) -> float:
    """-2 sum_i w_i ln max_k P(label k | data): what ICL adds to BIC; 0 where all labels are sure."""
    infer = Infer(model, params, "marginals")

    def one(block: Block) -> float:
        return uncertainty(infer(block).marginals, block.row_weights)

    return float(sum(executor.map(one, source)))


def uncertainty(marginals: np.ndarray | None, weights: np.ndarray | None = None) -> float:
    """``unsureness`` from posterior probabilities of the labels, (n, K)."""
    assert marginals is not None
    each = np.log(np.maximum(marginals.max(axis=1), _SLIGHTEST))
    return -2.0 * float(each.sum() if weights is None else weights @ each)
