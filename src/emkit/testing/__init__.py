"""The conformance kit: does a family or a model of your own keep the laws that the engine relies on?

>>> import numpy as np
>>> from emkit import Gaussian, Mixture
>>> from emkit.data.rows import ArraySource
>>> from emkit.testing import check_family, check_model
>>> rng = np.random.default_rng(0)
>>> source = ArraySource(np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(4, 2, (60, 2))]))
>>> checked = check_family(Gaussian("diag"), source, k=2)
>>> checked[:2]
['same_bits_twice', 'statistics_add_up']
>>> checked = check_model(Mixture(Gaussian(), 2), source)

A broken law raises ``AssertionError`` with the law's name and the numbers. The laws are the functions in ``FAMILY_LAWS`` and
``MODEL_LAWS``; their docstrings say what each one asks.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.fit import Algorithm
from emkit.core.model import Executor, Family, Model
from emkit.data.rows import ArraySource
from emkit.models.mixture import Mixture
from emkit.testing import family_laws, model_laws, statistics_laws
from emkit.testing.cases import FamilyCase, Law, ModelCase, joined, random_start
from emkit.testing.compare import check

__all__ = ["FAMILY_LAWS", "MODEL_LAWS", "check_family", "check_model"]

FAMILY_LAWS: tuple[Law, ...] = (*statistics_laws.LAWS, *family_laws.LAWS)
"""What ``check_family`` checks, in order."""

MODEL_LAWS: tuple[Law, ...] = (*statistics_laws.LAWS, *model_laws.LAWS)
"""What ``check_model`` checks, in order."""


def check_family(
    family: Family[Any, Any],
    data: Any,
    *,
    k: int = 2,
    seed: int = 0,
    rows: int = 200,
    missing: bool = True,
    compiled: bool = True,
    redundant: int = 0,
) -> list[str]:
    """Hold a family to the laws in ``FAMILY_LAWS``.

    Check the mixture of it too: ``check_model(Mixture(family, k), data)``.

    Parameters
    ----------
    family : Family
        Not resolved; this does it.
    data : Source or array of shape (n, d)
        Rows that the family can describe, enough of them for k components. Cells may be missing, rows may have weights.
    k : int
        Components.
    rows : int
        At most so many rows, drawn at random, are used.
    missing : bool
        False for a family of floating-point rows that does not know NaN.
    compiled : bool
        Whether to run compiled code, if there is any, on the data as well; the first time it takes some seconds.
    redundant : int
        How many more numbers ``pack`` gives than ``n_free`` counts, for a family whose documentation says so.

    Returns
    -------
    list of str
        Names of the laws that were checked; one that does not apply (such as the prior's mode without a prior) is left out.

    Raises
    ------
    AssertionError
        Naming the law that is broken, and the numbers.
    """
    source = data if isinstance(data, Source) else ArraySource(np.asarray(data))
    rng = np.random.default_rng(seed)
    mixture = Mixture(family, k).resolve(source)
    small = source.sample(rows, rng)
    block = joined(small)
    case = FamilyCase(
        seed=seed,
        params=mixture.init(small, rng).components,
        other=random_start(mixture, small, rng).components,
        block=block,
        redundant=redundant,
        family=mixture.family,
        source=small,
        resp=rng.dirichlet(np.ones(k), block.n),
        missing=missing,
        compiled=compiled,
    )
    return check(FAMILY_LAWS, case)


def check_model(
    model: Model[Any, Any],
    source: Any,
    *,
    seed: int = 0,
    rows: int = 200,
    executors: Sequence[Executor] = (),
    algorithm: Algorithm | None = None,
    redundant: int = 0,
    draw: Callable[[Any, np.random.Generator], Source] | None = None,
) -> list[str]:
    """Hold a model to the laws in ``MODEL_LAWS``.

    Parameters
    ----------
    model : Model
        Not resolved; this does it.
    source : Source or array of shape (n, d)
        Data that the model can describe; weights, missing cells and sequences are welcome.
    rows : int
        At most about so many rows (or whole sequences of about so many rows), drawn at random, are used.
    executors : sequence of Executor
        Tried beside ``Threads(1)`` and ``Threads(3)``: all have to give the same bits.
    algorithm : Algorithm, optional
        What a run, cut off and taken up again, is made with; ``EM()`` by default.
    redundant : int
        How many more numbers ``pack`` gives than ``n_free`` counts, for a model whose documentation says so.
    draw : callable, optional
        ``draw(params, rng)`` gives a Source of at least some hundred rows drawn from the model. Mixtures need none.

    Returns
    -------
    list of str
        Names of the laws that were checked; one that does not apply is left out.

    Raises
    ------
    AssertionError
        Naming the law that is broken, and the numbers.
    """
    source = source if isinstance(source, Source) else ArraySource(np.asarray(source))
    rng = np.random.default_rng(seed)
    resolved = model.resolve(source)
    small = source.sample(rows, rng)
    case = ModelCase(
        seed=seed,
        params=resolved.init(small, rng),
        other=random_start(resolved, small, rng),
        block=joined(small),
        redundant=redundant,
        model=resolved,
        source=small,
        executors=tuple(executors),
        algorithm=algorithm,
        draw=draw,
    )
    return check(MODEL_LAWS, case)
