"""The conformance kit: does a family or a model of your own keep the laws that the engine relies on?

>>> from emkit import FiniteMixture, Poisson
>>> from emkit.testing import check_family, check_model
>>> checked = check_family(Poisson())
>>> checked[:2]
['same_bits_twice', 'statistics_add_up']
>>> checked = check_model(FiniteMixture(Poisson(), 2))

A broken law raises ``AssertionError`` with the law's name and the numbers. The laws are the functions in ``FAMILY_LAWS`` and
``MODEL_LAWS``; their docstrings say what each one asks. Data are drawn from the family's support, unless you give your own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.executor import Executor
from emkit.core.family import Family
from emkit.core.fit import Algorithm
from emkit.core.model import Model
from emkit.data.rows import ArraySource
from emkit.models.mixture import FiniteMixture
from emkit.testing import family_laws, file_laws, model_laws, parameter_laws, reading_laws, slope_laws, statistics_laws
from emkit.testing.cases import FamilyCase, Law, ModelCase, draw, moved, unit_weights
from emkit.testing.compare import check

__all__ = ["FAMILY_LAWS", "MODEL_LAWS", "check_family", "check_model", "draw"]

FAMILY_LAWS: tuple[Law, ...] = (*statistics_laws.LAWS, *parameter_laws.LAWS, *family_laws.LAWS, *slope_laws.LAWS, *file_laws.LAWS)
"""What ``check_family`` checks, in order."""

MODEL_LAWS: tuple[Law, ...] = (
    *statistics_laws.LAWS, *parameter_laws.LAWS, *model_laws.LAWS, *slope_laws.LAWS, *reading_laws.LAWS, *file_laws.LAWS,
)  # fmt: skip
"""What ``check_model`` checks, in order."""


def check_family(
    family: Family,
    data: Any = None,
    *,
    k: int = 2,
    seed: int = 0,
    rows: int = 200,
    missing: bool = True,
    compiled: bool = True,
    spawn: bool = False,
) -> list[str]:
    """Hold a family to the laws in ``FAMILY_LAWS``.

    Check the mixture of it too: ``check_model(FiniteMixture(family, k))``.

    Parameters
    ----------
    family : Family
        Not resolved; this does it.
    data : Source or array of shape (n, d), optional
        Rows that the family can describe, enough of them for k components; cells may be missing, rows weighted. Default: two
        columns drawn from the family's support, some cells missing; see ``draw``.
    k : int
        Components.
    seed : int
        Of the data, and of everything that laws draw.
    rows : int
        At most this many rows, drawn at random, are used.
    missing : bool
        False for a family that does not know missing cells.
    compiled : bool
        Whether to run compiled code, if there is any, on the data as well; the first time it takes some seconds.
    spawn : bool
        Whether to try the family in a freshly started process as well; its class must then be in a module that can be imported.

    Returns
    -------
    list of str
        Names of the laws that were checked; one that does not apply (such as Fisher's identity without ``q``) is left out.

    Raises
    ------
    AssertionError
        Naming the law that is broken, and the numbers.
    """
    source = draw(family, missing=0.2 if missing else 0.0, seed=seed) if data is None else _source(data)
    return check(FAMILY_LAWS, _family_case(family, source, k, rows, seed=seed, missing=missing, compiled=compiled, spawn=spawn))


def _family_case(family: Family, source: Source, k: int, rows: int, *, seed: int, **how: bool) -> FamilyCase:
    """The family resolved, with a good start, a random one, and responsibilities drawn at random."""
    rng = np.random.default_rng(seed)
    mixture = FiniteMixture(family, k).resolve(source)
    small = source.sample(rows, rng)
    block = small.joined()
    anyhow = rng.dirichlet(np.ones(k), block.n)
    start = mixture.family.from_partition(block.x, anyhow * unit_weights(block)[:, None], rng)
    return FamilyCase(
        seed=seed,
        params=mixture.init(small, rng).components,
        other=moved(mixture.family, start, rng),
        block=block,
        source=small,
        family=mixture.family,
        resp=rng.dirichlet(np.ones(k), block.n),
        **how,
    )


def check_model(
    model: Model,
    data: Any = None,
    *,
    seed: int = 0,
    rows: int = 200,
    executors: Sequence[Executor] = (),
    algorithm: Algorithm | None = None,
    spawn: bool = False,
) -> list[str]:
    """Hold a model to the laws in ``MODEL_LAWS``.

    Parameters
    ----------
    model : Model
        Not resolved; this does it.
    data : Source or array of shape (n, d), optional
        Data that the model can describe; weights, missing cells, known labels and sequences are welcome. Default: drawn for it; see
        ``draw``.
    seed : int
        Of the data, and of everything that laws draw.
    rows : int
        At most about this many rows (or whole sequences of about as many rows), drawn at random, are used.
    executors : sequence of Executor
        Tried beside ``Threads(1)`` and ``Threads(3)``: all have to give the same bits.
    algorithm : Algorithm, optional
        What a run, cut off and taken up again, is made with; ``EM()`` by default.
    spawn : bool
        Whether to try the model in a freshly started process as well; its class must then be in a module that can be imported.

    Returns
    -------
    list of str
        Names of the laws that were checked; one that does not apply is left out.

    Raises
    ------
    AssertionError
        Naming the law that is broken, and the numbers.
    """
    source = draw(model, seed=seed) if data is None else _source(data)
    rng = np.random.default_rng(seed)
    resolved = model.resolve(source)
    small = source.sample(rows, rng)
    case = ModelCase(
        seed=seed,
        params=resolved.init(small, rng),
        other=moved(resolved, resolved.init(small, rng, 1), rng),
        block=small.joined(),
        source=small,
        spawn=spawn,
        model=resolved,
        executors=tuple(executors),
        algorithm=algorithm,
    )
    return check(MODEL_LAWS, case)


def _source(data: Any) -> Source:
    return data if isinstance(data, Source) else ArraySource(np.asarray(data))
