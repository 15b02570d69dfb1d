"""``likelihood_ratio_test``: is one more component (or state, or class) more than chance?"""

from typing import Any

from sklearn.base import BaseEstimator, clone

from emkit.core.block_source import BlockSource
from emkit.core.errors import ParameterError
from emkit.estimators.face import Face
from emkit.estimators.settings import make_rng
from emkit.selection import likelihood_ratio as models
from emkit.selection.likelihood_ratio import Hypothesis, LikelihoodRatioTest

_TOL = 0.01  # nats: the statistic is then known to some hundredths, and fits take a sixth less time


def likelihood_ratio_test(
    null_estimator: Any,
    alternative_estimator: Any,
    X: Any,
    sample_weight: Any = None,
    *,
    n_replicates: int = 199,
    stop_after: int | None = 20,
    random_state: Any = None,
    n_jobs: int | None = None,
    **fit_params: Any,
) -> LikelihoodRatioTest:
    """Test a model against a larger one that contains it, by the parametric bootstrap.

    The null hypothesis is that the data come from the smaller model, for example that two components are enough, where the
    alternative has three. Data are drawn from the fitted smaller model, as many as there are, with the same cells missing and with
    sequences of the same lengths, and both are fitted to them in the same way as to the data. The p value is the share of drawn
    data that gain as much by the larger model. No chi-squared distribution is assumed: where models differ in the number of
    components, there is none.

    Parameters
    ----------
    null_estimator, alternative_estimator : estimators
        For example ``GaussianMixture(2)`` and ``GaussianMixture(3)``, HMMs or ``LatentClass``. Only their settings are used, and
        the estimators are not changed; a ``tol`` under 0.01 nats counts as 0.01. That the first model is a case of the second is
        up to you.
    X : array or data frame
        As in ``fit`` of the estimators.
    sample_weight : array, optional
        As in ``fit``. Whole numbers say how many rows (or sequences) one stands for; others stay with the place of their row.
    n_replicates : int
        Data sets that are drawn, at most; at least 19.
    stop_after : int or None
        Stop early, once so many of them gain as much as the data. The p value is still a valid one, and at 20 is known to about a
        fifth of its size. None: never.
    random_state : int, RandomState, Generator or None
        The source of every random choice; those of the estimators are not used.
    n_jobs : int or None
        The number of processes; None or -1 for all cores. The outcome does not depend on it.
    **fit_params
        Further arguments of ``fit`` that say what the data are: ``lengths`` of HMMs, ``groups`` of latent classes.

    Returns
    -------
    LikelihoodRatioTest
        ``p_value``, ``statistic``, ``replicates``, ``interval`` and more; print it. If it is interrupted, what there is so far.

    Raises
    ------
    ParameterError
        If the smaller model does not have fewer free parameters, if there are too few replicates, for estimators that do not
        maximise a likelihood, and where labels are given.
    DataError
        As ``fit`` does.

    References
    ----------
    McLachlan (1987), Applied Statistics 36, 318-324. Besag and Clifford (1991), Biometrika 78, 301-304, on stopping early.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixture, likelihood_ratio_test
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(0, 1, (60, 1)), rng.normal(5, 1, (60, 1))])
    >>> test = likelihood_ratio_test(GaussianMixture(1), GaussianMixture(2), x, n_replicates=19, random_state=0, n_jobs=1)
    >>> test.p_value
    0.05
    """
    for name in ("labels", "states"):
        if fit_params.pop(name, None) is not None:
            raise ParameterError(f"{name}: data cannot be drawn anew where some labels are known; leave them out", parameter=name)
    null, alternative = _plain(null_estimator, "null_estimator"), _plain(alternative_estimator, "alternative_estimator")
    if sample_weight is not None:
        fit_params["sample_weight"] = sample_weight
    source, width = alternative._read_for_fit(X, **fit_params)
    other, _ = null._read_for_fit(X, **fit_params)
    if not isinstance(source, BlockSource):
        raise ParameterError("the test draws data anew, which needs them in memory: give an array or a data frame")
    if (next(iter(other)).lengths is None) != (next(iter(source)).lengths is None):
        raise ParameterError("one estimator takes rows as independent and the other sequences")
    jobs = [face._prepare(source, width) for face in (null, alternative)]
    first, second = (
        Hypothesis(
            job.model,
            {"starts": job.starts, "algorithm": face.algorithm, "tol": face.tol and max(face.tol, _TOL), "max_iter": face.max_iter},
        )
        for job, face in zip(jobs, (null, alternative), strict=True)
    )
    return models.likelihood_ratio_test(
        first,
        second,
        source,
        n_replicates=n_replicates,
        stop_after=stop_after,
        executor=alternative._executor(),
        rng=make_rng(random_state),
        n_jobs=n_jobs,
    )


def _plain(estimator: Any, name: str) -> Face:
    """A copy of the estimator's settings that starts afresh. Raises ParameterError for what is no estimator of emkit's."""
    if not isinstance(estimator, BaseEstimator) or not hasattr(estimator, "_worker"):
        raise ParameterError(f"{name}={estimator!r}: give an estimator such as emkit.GaussianMixture(2)", parameter=name)
    worker: Face = clone(estimator)._worker()
    if worker.is_a_search:
        raise ParameterError(f"{name}: {type(worker).__name__} is a search by a score of its own; give a Mixture", parameter=name)
    if worker._searches():
        raise ParameterError(f"{name}: a test is of given numbers; give {worker.size_setting} a number", parameter=name)
    worker.set_params(warm_start=False, checkpoint=None, monitors=None, verbose=0)
    return worker
