"""The algorithms by the words that settings take."""

from typing import Any

from emkit.algorithms.accelerated import Accelerated
from emkit.algorithms.annealing import Annealing
from emkit.algorithms.auto import Auto
from emkit.algorithms.em import EM
from emkit.algorithms.given_labels import ClassificationEM, StochasticEM
from emkit.algorithms.incremental import IncrementalEM
from emkit.algorithms.online import OnlineEM
from emkit.algorithms.online_then_batch import OnlineThenBatch
from emkit.core.errors import ParameterError
from emkit.core.fit import Algorithm

WORDS: dict[str, type[Algorithm]] = {
    "auto": Auto,
    "em": EM,
    "accelerated": Accelerated,
    "online": OnlineEM,
    "online-then-batch": OnlineThenBatch,
    "incremental": IncrementalEM,
    "annealing": Annealing,
    "stochastic": StochasticEM,
    "classification": ClassificationEM,
}


def algorithm_of(value: Any) -> Algorithm:
    """From a word or an Algorithm. Raises ParameterError for anything else."""
    if isinstance(value, Algorithm):
        return value
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]()
    raise ParameterError(f"algorithm={value!r}: give {', '.join(map(repr, WORDS))} or an emkit.Algorithm", parameter="algorithm")
