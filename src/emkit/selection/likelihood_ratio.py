"""The likelihood-ratio test of one model against a larger one, by the parametric bootstrap.

Minus twice the log-likelihood ratio of mixtures has no chi-squared distribution, since under the null hypothesis the larger model's
parameters are not identified. Its distribution is simulated instead: data are drawn from the fitted null model, and both models are
fitted to them, by the very procedure that is applied to the data (McLachlan 1987).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emkit.algorithms.starts import fit
from emkit.core.block_source import BlockSource
from emkit.core.checks import count
from emkit.core.errors import EmkitError, ParameterError
from emkit.core.executor import Executor
from emkit.core.model import Model
from emkit.core.notebook import Printed
from emkit.core.result import Result, StopReason
from emkit.execute.threads import Threads, available_cores
from emkit.inference.redraw import Form

_LEAST = 19  # replicates, of which the p value can be 1 / 20
_TIE = 1e-9  # nats: statistics this close are equal
_AT_ONCE, _ROUND = 2, 8  # replicates that a process is given at a time, and how many times in a round


@dataclass(frozen=True)
class Hypothesis:
    """A model, unresolved, and how it is fitted: arguments of ``fit``."""

    model: Model
    how: dict[str, Any] = field(default_factory=dict)

    def fitted(self, source: BlockSource, executor: Executor, rng: np.random.Generator, **more: Any) -> Result:
        """Its fit. Raises KeyboardInterrupt if that was interrupted."""
        result = fit(self.model, source.distinct(), executor=executor, rng=rng, **{**self.how, **more})
        if result.reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt
        return result


@dataclass(frozen=True)
class LikelihoodRatioTest(Printed):
    """Outcome of a bootstrap likelihood-ratio test.

    Attributes
    ----------
    statistic : float
        2 (LL of the alternative - LL of the null), at least 0.
    replicates : array (n_replicates,)
        The same of data that were drawn from the fitted null model, in the order in which they count; inf where a model could not
        be fitted to them, which counts against the alternative.
    null, alternative : Result
        The fits to the data.
    n_asked : int
        Replicates that were asked for.
    stop_after : int or None
        The test ends early once so many replicates are as large as the statistic.
    interrupted : bool
        Whether it was interrupted before it had come to its end.
    failures : tuple of str
        Why replicates are inf.
    """

    statistic: float
    replicates: np.ndarray
    null: Result
    alternative: Result
    n_asked: int
    stop_after: int | None = None
    interrupted: bool = False
    failures: tuple[str, ...] = ()

    @property
    def n_replicates(self) -> int:
        """Replicates that were used."""
        return len(self.replicates)

    @property
    def n_as_large(self) -> int:
        """Those as large as the statistic."""
        return int((self.replicates >= self.statistic - _TIE).sum())

    @property
    def stopped_early(self) -> bool:
        """Whether enough replicates were as large before all had been drawn."""
        return self.stop_after is not None and self.n_as_large >= self.stop_after and self.n_replicates < self.n_asked

    @property
    def p_value(self) -> float:
        """(1 + as large) / (1 + replicates), or, of a test that stopped early at the h-th as large in l replicates, h / l.

        Either way P(p value <= a) <= a for all a under the null hypothesis, but for what the fitted null model differs from the
        true one: Besag and Clifford (1991), Biometrika 78, 301-304.
        """
        if self.stopped_early:
            return self.n_as_large / self.n_replicates
        return (1 + self.n_as_large) / (1 + self.n_replicates)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for the p value that infinitely many replicates would give (Clopper and Pearson 1934)."""
        from scipy.stats import beta

        large, n = self.n_as_large, self.n_replicates
        low = float(beta.ppf(0.025, large, n - large + 1)) if large else 0.0
        high = float(beta.ppf(0.975, large + 1, n - large)) if large < n else 1.0
        return low, high

    def __str__(self) -> str:
        how = f"{self.n_as_large} of {self.n_replicates} replicates as large"
        if self.stopped_early:
            how += f"; stopped early, {self.n_asked} were asked for"
        if self.interrupted:
            how += f"; interrupted, {self.n_asked} were asked for"
        low, high = self.interval
        lines = [
            "Bootstrap likelihood-ratio test",
            f"  null         {self.null.model.in_words}: log-likelihood {self.null.log_likelihood:.4f}, "
            f"{self.null.n_free} free parameters",
            f"  alternative  {self.alternative.model.in_words}: log-likelihood {self.alternative.log_likelihood:.4f}, "
            f"{self.alternative.n_free} free parameters",
            f"  2 log likelihood ratio {self.statistic:.4f}   p value {self.p_value:.4g} ({how})",
            f"  with endlessly many replicates the p value would be between {low:.3g} and {high:.3g} (95 %)",
        ]
        if self.failures:
            lines.append(
                f"  {len(self.failures)} replicate(s) could not be fitted and count as large; the first: {self.failures[0]}"
            )
        return "\n".join(lines)


def likelihood_ratio_test(
    null: Hypothesis,
    alternative: Hypothesis,
    source: BlockSource,
    *,
    n_replicates: int = 199,
    stop_after: int | None = 20,
    executor: Executor,
    rng: np.random.Generator,
    n_jobs: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> LikelihoodRatioTest:
    """Test a model against a larger one that contains it.

    Each replicate has its own random numbers, so the outcome does not depend on ``n_jobs``.

    Parameters
    ----------
    null, alternative : Hypothesis
        Whether the larger one contains the smaller one is up to you; that it has more parameters is checked.
    source : BlockSource
        The data. Drawn data have its form: see ``emkit.inference.redraw``.
    n_replicates : int
        At most; at least 19.
    stop_after : int or None
        Stop once so many replicates are as large as the statistic: the p value is then clearly not small. None: never.
    executor : Executor
        For the fits to the data.
    rng : numpy Generator
    n_jobs : int or None
        Processes; None or -1 for all cores.
    say : callable
        Told of progress, in words.

    Raises
    ------
    ParameterError
        If the null has as many free parameters as the alternative, if there are too few replicates, or if the null model cannot
        draw data.
    KeyboardInterrupt
        Only before there is a replicate; a later one ends the test with what there is.

    References
    ----------
    McLachlan (1987), Applied Statistics 36, 318-324. McLachlan and Peel (2000), Finite Mixture Models, section 6.4.
    """
    if count(n_replicates, "n_replicates") < _LEAST:
        raise ParameterError(
            f"n_replicates={n_replicates}: with fewer than {_LEAST} no p value can be as small as .05", parameter="n_replicates"
        )
    if stop_after is not None:
        count(stop_after, "stop_after")
    for model in (null.model, alternative.model):
        if model.is_posterior:
            raise ParameterError(f"{model.called} does not maximise a likelihood; compare fits by lower bounds, higher is better")
    form = Form.of(source)
    own, *each = rng.spawn(1 + n_replicates)
    first, second, statistic = _compared(null, alternative, source, executor, own)
    if first.n_free >= second.n_free:
        raise ParameterError(
            f"the null has {first.n_free} free parameters and the alternative {second.n_free}: the null must be the simpler one, "
            "with fewer components or states, or a more restricted family"
        )
    task = Replicate(null, alternative, first.model, first.params, form)
    found: list[tuple[float, str]] = []
    large, interrupted = 0, False
    try:
        for one in _all(task, each, _processes(n_jobs)):
            found.append(one)
            large += one[0] >= statistic - _TIE
            say(f"replicate {len(found)} of {n_replicates}: {large} as large")
            if stop_after is not None and large >= stop_after:
                break
    except KeyboardInterrupt:
        if not found:
            raise
        interrupted = True
    values, failures = np.array([value for value, _ in found]), tuple(why for _, why in found if why)
    return LikelihoodRatioTest(statistic, values, first, second, n_replicates, stop_after, interrupted, failures)


@dataclass(frozen=True)
class Replicate:
    """The statistic of data drawn from the fitted null model, as a function of random numbers: small, so that it can travel."""

    null: Hypothesis
    alternative: Hypothesis
    model: Model
    params: Any
    form: Form

    def __call__(self, rng: np.random.Generator) -> tuple[float, str]:
        """The statistic; inf, and why, where a model cannot be fitted."""
        try:
            return _compared(self.null, self.alternative, self.form.draw(self.model, self.params, rng), Threads(1), rng)[2], ""
        except ParameterError:
            raise  # of settings, or a model that cannot draw
        except (EmkitError, np.linalg.LinAlgError) as error:
            return np.inf, str(error)

    def several(self, rngs: Sequence[np.random.Generator]) -> list[tuple[float, str]]:
        """One after the other."""
        return [self(rng) for rng in rngs]


def _compared(
    null: Hypothesis, alternative: Hypothesis, source: BlockSource, executor: Executor, rng: np.random.Generator
) -> tuple[Result, Result, float]:
    """Both fits, and the statistic.

    Where all starts of the alternative end below the null, it starts once more, from the null's labels with one of them split. As
    the alternative contains the null, the statistic is never below 0.
    """
    first, second = null.fitted(source, executor, rng), alternative.fitted(source, executor, rng)
    if second.log_likelihood < first.log_likelihood:
        starts = list(_split(first, alternative.model, source.distinct(), rng))
        if starts:
            again = alternative.fitted(source, executor, rng, starts=starts)
            second = again if again.objective > second.objective else second
    return first, second, max(2.0 * (second.log_likelihood - first.log_likelihood), 0.0)


def _split(first: Result, model: Model, source: BlockSource, rng: np.random.Generator) -> Iterator[Any]:
    """Starting values from the labels of a fit, those of each in turn divided at random among itself and what there is more."""
    k, wanted = first.model.n_hidden, model.n_hidden
    if k is None or wanted is None or wanted < k:
        return
    block = source.joined()
    labels = first.model.infer(first.params, block, "marginals").marginals
    assert labels is not None
    model = model.resolve(source)
    for i in range(k if wanted > k else 1):
        share = rng.dirichlet(np.ones(1 + wanted - k), size=len(labels))
        split = np.column_stack([labels, labels[:, [i]] * share[:, 1:]])
        split[:, i] *= share[:, 0]
        params = model.start_from(block, split, rng)
        if params is not None:
            yield params


def _processes(n_jobs: int | None) -> int:
    return Threads(n_jobs).n_jobs if n_jobs is not None else available_cores()


def _all(task: Replicate, rngs: Sequence[np.random.Generator], processes: int) -> Iterator[tuple[float, str]]:
    """The replicates, in their order, whoever makes them; no further round is begun once nobody asks for more."""
    if processes == 1:
        yield from map(task, rngs)
        return
    from joblib import Parallel, delayed

    pieces = [rngs[i : i + _AT_ONCE] for i in range(0, len(rngs), _AT_ONCE)]
    with Parallel(n_jobs=processes) as parallel:
        step = _ROUND * processes
        for i in range(0, len(pieces), step):
            for piece in parallel(delayed(task.several)(piece) for piece in pieces[i : i + step]):
                yield from piece
