"""What an HMM does after the fit: decode, smooth, filter, forecast, simulate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core import checks
from emkit.core.block import Block, Source
from emkit.core.errors import DataError, ImpossibleSequenceError, ParameterError
from emkit.core.family import Family
from emkit.core.result import Result
from emkit.data.filling import sequences_filled_in
from emkit.data.sequence_input import Sequences
from emkit.data.sequence_stream import SequenceStream
from emkit.data.sequences import SequenceSource
from emkit.data.validate import check_matrix, unmask
from emkit.estimators import imputing
from emkit.estimators.hmm_streams import over_blocks
from emkit.estimators.plotting import PlottedSequences
from emkit.estimators.sequence_streaming import is_sequence_stream
from emkit.estimators.settings import make_rng
from emkit.execute.threads import Threads
from emkit.models.hmm import decoding, paths
from emkit.models.hmm import filter as filtering
from emkit.models.hmm import forecast as forecasting
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.params import HMMParams


@dataclass(frozen=True)
class Forecast:
    """h-step forecasts after the last step of a sequence; row h - 1 is h steps ahead.

    ``states`` (H, K), given that the sequence has not ended by then; ``survival`` (H,), the probability of that (1 without an end
    state); ``mean`` and ``sd`` (H, d) of the observations, NaN where ``survival`` is 0.
    """

    states: np.ndarray
    survival: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


class Stream:
    """Filtering step by step: ``update`` takes one row and returns P(state | everything up to now), (K,); no look-ahead."""

    def __init__(self, model: HiddenMarkov, params: HMMParams, columns: int):
        self._model, self._params, self._columns = model, params, columns
        self._state = filtering.filter_start(params)

    def update(self, row: Any) -> np.ndarray:
        """One step: an array of d values, NaN where missing. Raises DataError if the model cannot produce it."""
        x = check_matrix(np.reshape(np.asarray(unmask(row)), (1, -1)), every_column=False)
        if x.shape[1] != self._columns:
            raise DataError(f"the step has {x.shape[1]} value(s), but this HMM was fitted with {self._columns} column(s)")
        log_b = np.asarray(self._model.family.log_prob(self._params.emissions, x), dtype=np.float64)[0]
        self._state = filtering.filter_step(self._params, self._state, log_b)
        return np.array(self._state.probabilities)

    @property
    def log_likelihood(self) -> float:
        """Of everything so far, nats."""
        return float(self._state.log_likelihood)


class AfterTheFit(PlottedSequences):
    """Methods that need parameters and data, but no fitting. Whoever inherits them gives the seven below."""

    _new: Callable[[Any, Any], Sequences]
    """Read sequences and compare them with the columns of the fit."""
    _source: Callable[..., SequenceSource]
    _again: Callable[..., Source]
    """Sequences with what is known of them as a source, compared with the columns of the fit; those in files stay there."""
    _current: Callable[[], Result]
    _executor: Callable[[], Threads]
    _emitted: Callable[[Any], np.ndarray]
    _n_columns: Callable[[], int]
    key_columns: Callable[[], dict[str, str]]
    random_state: Any

    def _hypothesis(self) -> tuple[HiddenMarkov, HMMParams]:
        """Model and parameters as they are now."""
        current = self._current()
        return current.model, current.params

    def _over_blocks(
        self,
        X: Any,
        lengths: Any,
        fill: Callable[[Block, np.ndarray], Any],
        *,
        shape: tuple[int, ...] = (),
        dtype: Any = np.float64,
        states: Any = None,
    ) -> tuple[np.ndarray, list[Any]]:
        """What ``fill`` writes for each block into its rows of an array (n, *shape), in the user's order; and what it returns."""
        if is_sequence_stream(X):
            there = self._again(X, lengths=lengths, states=states)
            with sequences_by_key(there):
                out, values = over_blocks(there, fill, shape, dtype, self._executor())
            return out.astype(there.width) if dtype is np.float64 else out, values
        found = X if isinstance(X, Sequences) else self._new(X, lengths)
        source = self._source(found, None, states)
        out = np.empty((source.n_rows, *shape), dtype)

        def one(block: Block) -> Any:
            begin = int(source.offsets[block.start])
            return fill(block, out[begin : begin + block.n])

        with sequences_by_key(found):
            values = list(self._executor().map(one, source))
        narrow = dtype is np.float64 and found.x.dtype == np.float32
        return found.restore(out.astype(np.float32) if narrow else out), values

    def predict_proba(self, X: Any, lengths: Any = None, *, states: Any = None) -> np.ndarray:
        """Smoothed probabilities P(state_t | whole sequence), (n, K).

        ``states``: what is known of them, as in ``fit``. Raises DataError naming a sequence of probability zero.
        """
        return self._smoothed(X, lengths, states)[1]

    def score_samples(self, X: Any, lengths: Any = None) -> tuple[float, np.ndarray]:
        """Log-likelihood of all sequences together, and ``predict_proba``."""
        return self._smoothed(X, lengths, None)

    def _smoothed(self, X: Any, lengths: Any, states: Any) -> tuple[float, np.ndarray]:
        model, params = self._hypothesis()

        def fill(block: Block, out: np.ndarray) -> float:
            return float(model.infer(params, block, "marginals", out).log_likelihood.sum())

        gamma, values = self._over_blocks(X, lengths, fill, shape=(model.n_states,), states=states)
        return sum(values), gamma

    def decode(self, X: Any, lengths: Any = None, *, algorithm: str = "viterbi", states: Any = None) -> tuple[float, np.ndarray]:
        """Most probable states, and a log probability.

        ``algorithm="viterbi"``: the most probable path of each sequence, and its log probability together with the data (summed
        over sequences). ``"map"``: the most probable state of each step, and the sum of the log probabilities of those states.
        """
        if algorithm == "map":
            gamma = self.predict_proba(X, lengths, states=states)
            with np.errstate(divide="ignore"):
                return float(np.log(gamma.max(axis=1)).sum()), gamma.argmax(axis=1)
        if algorithm != "viterbi":
            raise ParameterError(f"algorithm={algorithm!r}: choose 'viterbi' or 'map'")
        model, params = self._hypothesis()

        def fill(block: Block, out: np.ndarray) -> float:
            values = model.infer(params, block, "mode", out).log_likelihood
            if (values == -np.inf).any():
                raise ImpossibleSequenceError(block.start + int(np.flatnonzero(values == -np.inf)[0]))
            return float(values.sum())

        path, totals = self._over_blocks(X, lengths, fill, dtype=np.int64, states=states)
        return float(sum(totals)), path

    def predict(self, X: Any, lengths: Any = None, *, states: Any = None) -> np.ndarray:
        """States along the most probable path of each sequence, (n,)."""
        return self.decode(X, lengths, states=states)[1]

    def filter(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Filtered probabilities P(state_t | steps up to t), (n, K): no look-ahead."""
        model, params = self._hypothesis()

        def fill(block: Block, out: np.ndarray) -> None:
            log_b = model.log_emissions(params, block, out)
            try:
                out[:] = filtering.filter_probabilities(params, log_b, np.asarray(block.lengths))
            except ImpossibleSequenceError as error:
                raise ImpossibleSequenceError(block.start + error.sequence) from None

        return self._over_blocks(X, lengths, fill, shape=(model.n_states,))[0]

    def stream(self) -> Stream:
        """Filter a sequence as it arrives."""
        return Stream(*self._hypothesis(), self._n_columns())

    def k_best(self, X: Any, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """The k most probable paths of one sequence, (k, T), and their log probabilities together with the data, (k,)."""
        found, log_b = self._one_sequence(X)
        paths, values = decoding.k_best_paths(self._hypothesis()[1], log_b, k)
        return np.stack([found.restore(path) for path in paths]) if len(paths) else paths, values

    def sample_paths(self, X: Any, lengths: Any = None, n_paths: int = 1) -> np.ndarray:
        """Paths drawn from their posterior given the sequences, (n_paths, n); drawn with ``random_state``."""
        model, params = self._hypothesis()
        rng = make_rng(self.random_state)
        found = self._new(X, lengths)
        parts = [
            paths.sample_paths(params, model.log_emissions(params, block), np.asarray(block.lengths), n_paths, rng)
            for block in self._source(found)
        ]
        return np.stack([found.restore(path) for path in np.concatenate(parts, axis=1)])

    def impute(self, X: Any, lengths: Any = None, n_draws: int | None = None) -> Any:
        """The sequences with their missing cells filled in: what came in, with the same columns. Observed cells are as they were.

        ``n_draws`` None: each missing cell gets its best guess given its whole sequence: a number its expected value, a category,
        and 0 or 1, the most probable one. A number m: a list of m tables, their missing cells drawn from the distribution given
        the sequence (a path of states first, then the cells), with ``random_state``: multiple imputation (Little and Rubin 2002,
        Statistical Analysis with Missing Data, chapter 10), at the fitted parameters. Steps between rows that ``gaps="missing"``
        makes are not part of what comes back.

        Raises DataError naming a cell that the model cannot describe, or a sequence that it cannot produce.
        """
        draws = None if n_draws is None else checks.count(n_draws, "n_draws")
        X = list(X) if isinstance(X, Iterator) else X
        found = self._new(X, lengths)
        self._current().model.check(self._source(found))
        with sequences_by_key(found):
            filled = [self._guessed(found)] if draws is None else self._drawn(found, draws)
        holes = np.isnan(found.restore(found.x))
        tables = [sequences_filled_in(X, lengths, found.restore(x), holes, found.columns, self.key_columns()) for x in filled]
        return tables[0] if draws is None else tables

    def _guessed(self, found: Sequences) -> np.ndarray:
        """All steps with best guesses in their missing cells, (n, d)."""
        model, params = self._hypothesis()

        def one(block: Block) -> np.ndarray:
            marginals = model.infer(params, block, "marginals").marginals
            assert marginals is not None
            return imputing.guessed(model, params, np.asarray(block.x), marginals)

        return np.concatenate(list(self._executor().map(one, self._source(found))))

    def _drawn(self, found: Sequences, draws: int) -> list[np.ndarray]:
        """All steps with draws in their missing cells, (n, d) each."""
        model, params = self._hypothesis()
        rng, parts = make_rng(self.random_state), []
        for block in self._source(found):
            states = paths.sample_paths(params, model.log_emissions(params, block), np.asarray(block.lengths), draws, rng)
            parts.append([imputing.drawn(model, params, np.asarray(block.x), path, rng) for path in states])
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def forecast(self, X: Any, horizon: int = 1) -> Forecast:
        """States and observations 1 to ``horizon`` steps after the end of one sequence."""
        _, log_b = self._one_sequence(X)
        return self.forecast_from(filtering.filter_probabilities(self._hypothesis()[1], log_b, np.array([len(log_b)]))[-1], horizon)

    def forecast_from(self, probabilities: Any, horizon: int = 1) -> Forecast:
        """The same from the state probabilities at the last step, (K,), such as the last row of ``filter``."""
        model, params = self._hypothesis()
        ahead = forecasting.forecast_states(params, probabilities, horizon)
        mean, variance = moments(model.family, params.emissions)
        expected = ahead.probabilities @ mean
        expected[ahead.survival == 0] = np.nan  # nothing is observed after a certain end
        return Forecast(
            ahead.probabilities,
            ahead.survival,
            expected,
            np.sqrt(np.maximum(ahead.probabilities @ (variance + mean**2) - expected**2, 0.0)),
        )

    def forecast_table(self, X: Any, horizon: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What comes after the end of each sequence, sequence after sequence, 1 to ``horizon`` steps ahead.

        Returns
        -------
        rows : int array of shape (S,)
            For each sequence the row of ``X`` that is its last step.
        columns : dict of arrays of shape (S * horizon,)
            ``step``; ``survival`` if there is an end state; ``p0``, ``p1``, ..., the states' probabilities; ``mean_`` and
            ``sd_`` of each column.
        """
        found = self._new(X, None)
        last = np.cumsum(found.lengths) - 1
        if found.position is not None:
            row_of = np.empty(len(found.x), dtype=np.int64)
            row_of[found.position] = np.arange(len(found.position))
            last = row_of[last]
        filtered = self.filter(found)
        parts = [self.forecast_from(filtered[row], horizon) for row in last]
        survival = np.concatenate([part.survival for part in parts])
        states, mean, sd = (np.concatenate([getattr(part, name) for part in parts]) for name in ("states", "mean", "sd"))
        # After a certain end there are no states.
        states, mean, sd = (np.where(survival[:, None] > 0, values, np.nan) for values in (states, mean, sd))
        ahead: dict[str, np.ndarray] = {"step": np.tile(np.arange(1, horizon + 1), len(last))}
        if self._hypothesis()[0].end:
            ahead["survival"] = survival
        ahead |= {f"p{k}": states[:, k] for k in range(states.shape[1])}
        for j, name in enumerate(found.columns.names):
            ahead |= {f"mean_{name}": mean[:, j], f"sd_{name}": sd[:, j]}
        return last, ahead

    def forecast_log_density(self, X: Any, values: Any, horizon: int = 1) -> np.ndarray:
        """Log density or probability of each of ``values`` (m, d), or (m,) for one column, 1 to ``horizon`` steps after the end
        of one sequence.

        (H, m). For a chain with end probabilities: given that the sequence has not ended by then. Raises DataError for another
        number of columns.
        """
        values = np.asarray(unmask(values))
        values = values.reshape(-1, 1) if values.ndim == 1 and self._n_columns() == 1 else values
        if values.ndim == 2:
            values = check_matrix(values, every_column=False)
        if values.ndim != 2 or values.shape[1] != self._n_columns():
            raise DataError(f"values have shape {values.shape}, expected (m, {self._n_columns()})")
        model, params = self._hypothesis()
        return forecasting.forecast_log_density(model.family, params, self.forecast(X, horizon).states, values)

    def _one_sequence(self, X: Any) -> tuple[Sequences, np.ndarray]:
        model, params = self._hypothesis()
        found = self._new(X, None)
        if len(found.lengths) != 1:
            raise DataError(f"expected one sequence, got {len(found.lengths)}")
        return found, np.concatenate([model.log_emissions(params, block) for block in self._source(found)])

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """A simulated sequence of ``n_samples`` steps, (n, d), and its states; drawn with ``random_state``."""
        return self._draw(n_samples, self.random_state)

    def _draw(self, n_samples: int, random_state: Any) -> tuple[np.ndarray, np.ndarray]:
        n = checks.count(n_samples, "n_samples")
        model, params = self._hypothesis()
        x, states, _ = paths.simulate(model.family, params, np.array([n]), make_rng(random_state))
        return self._emitted(x), states

    def simulate(self, lengths: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Simulated sequences: rows (n, d), states (n,), lengths (S,); drawn with ``random_state``.

        ``lengths``: a list of lengths; or, for a chain with end probabilities, a number of sequences that run until they end.
        """
        model, params = self._hypothesis()
        x, states, sizes = paths.simulate(model.family, params, lengths, make_rng(self.random_state))
        return self._emitted(x), states, sizes

    def pseudo_residuals(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Forecast pseudo-residuals, (n,): standard normal if the model is right (Zucchini, MacDonald and Langrock 2016,
        section 6.2).

        For one column. Counts and symbols get the middle of their segment; missing steps NaN.
        """
        model, params = self._hypothesis()

        def fill(block: Block, out: np.ndarray) -> None:
            weights = filtering.predictive_weights(params, model.log_emissions(params, block), np.asarray(block.lengths))
            x = np.asarray(block.x)
            below, beyond = (_cdf(model.family, params.emissions, x, upper=upper) for upper in (False, True))
            middle = forecasting.pseudo_residuals(weights, *below, beyond).middle
            out[:] = np.where(np.isnan(x[:, 0]), np.nan, middle)

        return self._over_blocks(X, lengths, fill)[0]

    def expected_time(self) -> np.ndarray:
        """Expected number of steps of one stay in each state, (K,): 1 / (1 - a_kk)."""
        return forecasting.expected_time(self._hypothesis()[1])

    def occupancy(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Expected number of steps that the sequences spend in each state, (K,)."""
        return forecasting.occupancy(self.predict_proba(X, lengths))


@contextmanager
def sequences_by_key(found: Sequences | Source) -> Iterator[None]:
    """Errors about a sequence call it by its key, if a column tells sequences apart."""
    try:
        yield
    except ImpossibleSequenceError as error:
        if not isinstance(found, Sequences | SequenceStream):
            raise
        raise ImpossibleSequenceError(error.sequence, found.called(error.sequence)) from None


def moments(family: Family, params: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column under each state, (K, d) each. Raises ParameterError if the family does not say."""
    found = family.moments(params)
    if found is None:
        raise ParameterError(f"{family.called} does not say its mean and variance: give it a method moments")
    return found


def _cdf(family: Family, params: Any, x: np.ndarray, *, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    if x.shape[1] != 1:
        raise DataError(f"pseudo-residuals are for one column, these data have {x.shape[1]}")
    found = family.cdf(params, x, upper=upper)
    if found is None:
        raise ParameterError(f"{family.called} does not say its distribution function: give it a method cdf")
    return found
