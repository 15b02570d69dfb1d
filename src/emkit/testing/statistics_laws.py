"""Laws of statistics that a family and a model share: one summed E-step is all the engine ever sees of the data."""

import copy

import numpy as np

from emkit.testing.cases import Case, Law
from emkit.testing.compare import close, require, same_bits


def same_bits_twice(case: Case) -> None:
    """The same call gives the same bits, whatever was called in between, and changes none of its inputs."""
    before = case.params.flatten()
    before = {name: value.copy() for name, value in before.items()}
    x = copy.deepcopy(case.block.x)
    first, log_likelihood = case.all()
    packed = first.pack().copy()
    new = case.m_step(first, case.params)
    for _ in range(3):
        same_bits("parameters from the same statistics again", case.m_step(first, case.params), new)
    same = np.array_equal(first.pack(), packed, equal_nan=True)
    require(same, "m_step changed the statistics it was given")
    again, log_likelihood_again = case.all()
    require(log_likelihood == log_likelihood_again, f"log-likelihood {log_likelihood!r}, then {log_likelihood_again!r}")
    same_bits("statistics of a second call", again, first)
    for name, value in case.params.flatten().items():
        require(np.array_equal(value, before[name], equal_nan=value.dtype.kind == "f"), f"parameter {name} was changed in place")
    equal_nan = getattr(x, "dtype", np.dtype(object)).kind == "f"
    require(np.array_equal(case.block.x, x, equal_nan=equal_nan), "the rows were changed in place")


def statistics_add_up(case: Case) -> None:
    """Statistics and log-likelihoods of the parts of any split add up to those of the whole."""
    whole = case.vector(np.arange(case.units), case.weights)
    rng = case.rng()
    for parts in (2, 3, 7):
        owner = rng.integers(parts, size=case.units)
        pieces = [np.flatnonzero(owner == part) for part in range(parts)]
        summaries = [case.summarise(index, case.weights[index]) for index in pieces if len(index)]
        stats, total = summaries[0]
        for more, log_likelihood in summaries[1:]:
            stats, total = stats + more, total + log_likelihood
        found = np.concatenate([[total], stats.pack()])
        close(f"statistics (log-likelihood first) of {parts} parts added up", found, whole, case.magnitude)
    close("statistics of single units added up", np.sum(case.each, axis=0), whole, case.magnitude)


def statistics_pack_and_scale(case: Case) -> None:
    """``stats * c`` is c times the packed vector, a new object, and ``unpack`` undoes ``pack`` and ``labels``."""
    stats, _ = case.all()
    packed = stats.pack()
    require(packed.ndim == 1 and packed.dtype == np.float64, f"pack gave {packed.dtype} of shape {packed.shape}")
    same_bits("statistics unpacked", (stats * 3.0).unpack(packed, stats.labels()), stats)
    close("(stats * 3).pack()", (stats * 3.0).pack(), 3.0 * packed, np.abs(packed), 1e-15)
    close("(0.5 * stats).pack()", (0.5 * stats).pack(), 0.5 * packed, np.abs(packed), 1e-15)
    close("(stats + stats).pack()", (stats + stats).pack(), 2.0 * packed, np.abs(packed), 1e-15)
    require(np.array_equal(stats.pack(), packed), "arithmetic changed its operand")


def weights_are_repetitions(case: Case) -> None:
    """Weight 2 equals the unit twice, weight 0 its absence."""
    index = np.arange(case.units)
    times = case.rng().integers(0, 4, size=case.units)
    times[:2] = (0, 2)
    weighted = case.vector(index, case.weights * times)
    repeated = case.vector(np.repeat(index, times), np.repeat(case.weights, times))
    close("statistics (log-likelihood first) with weights 0, 1, 2, 3", weighted, repeated, 3.0 * case.magnitude)


def order_does_not_matter(case: Case) -> None:
    """Units in another order have the same statistics."""
    whole = case.vector(np.arange(case.units), case.weights)
    order = case.rng().permutation(case.units)
    close("statistics (log-likelihood first) of shuffled units", case.vector(order, case.weights[order]), whole, case.magnitude)


LAWS: tuple[Law, ...] = (
    same_bits_twice,
    statistics_add_up,
    statistics_pack_and_scale,
    weights_are_repetitions,
    order_does_not_matter,
)
