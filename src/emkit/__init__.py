"""emkit: models with hidden variables, fitted by expectation-maximization.

Names are loaded when first used, so that ``import emkit`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emkit._names import MODULES
from emkit._version import __version__

__all__ = ["__version__", *MODULES]

if TYPE_CHECKING:
    from emkit.algorithms.accelerated import Accelerated
    from emkit.algorithms.annealing import Annealing
    from emkit.algorithms.auto import Auto
    from emkit.algorithms.em import EM
    from emkit.algorithms.given_labels import ClassificationEM, StochasticEM
    from emkit.algorithms.incremental import IncrementalEM
    from emkit.algorithms.online import OnlineEM
    from emkit.algorithms.online_then_batch import OnlineThenBatch
    from emkit.algorithms.starts import fit
    from emkit.core.block import Block, Source
    from emkit.core.errors import ClusterError, CollapseError, DataError, EmkitError, ModelFileError, ParameterError
    from emkit.core.executor import Executor
    from emkit.core.family import Family
    from emkit.core.fit import Algorithm, Problem, iterate
    from emkit.core.model import Model
    from emkit.core.monitor import Monitor, PrintProgress, TimeLimit, Trace
    from emkit.core.prior import Dirichlet, Prior
    from emkit.core.records import Params, Stats
    from emkit.core.result import Result, Step, StopReason
    from emkit.data.rows import ArraySource
    from emkit.data.sequences import SequenceSource
    from emkit.data.stream import Stream, stream
    from emkit.estimators.gaussian_mixture import GaussianMixture
    from emkit.estimators.hmm import HMM
    from emkit.estimators.hmm_faces import GMMHMM, CategoricalHMM, GaussianHMM, MultinomialHMM, PoissonHMM
    from emkit.estimators.latent_class import LatentClass
    from emkit.estimators.loading import load
    from emkit.estimators.select import select
    from emkit.estimators.selection import Selection
    from emkit.estimators.variational import VariationalCategoricalHMM, VariationalGaussianHMM
    from emkit.execute.dask import DaskExecutor
    from emkit.execute.spark import SparkExecutor
    from emkit.execute.threads import Threads
    from emkit.execute.torch import TorchExecutor
    from emkit.execute.torch_source import TensorSource
    from emkit.families.bernoulli import Bernoulli, BetaPrior
    from emkit.families.by_group import CategoricalByGroup
    from emkit.families.categorical import Categorical
    from emkit.families.gaussian.family import Gaussian
    from emkit.families.gaussian.prior import GaussianPrior, NormalInverseWishart
    from emkit.families.mixed import Mixed
    from emkit.families.multinomial import Multinomial
    from emkit.families.poisson import GammaPrior, Poisson
    from emkit.families.tied import Tied
    from emkit.families.variational.categorical import VariationalCategorical
    from emkit.families.variational.gaussian import VariationalGaussian
    from emkit.families.variational.posterior import VariationalFamily
    from emkit.io.checkpoint import Checkpoint
    from emkit.models.hmm.model import HiddenMarkov
    from emkit.models.hmm.variational import VariationalHMM
    from emkit.models.mixture import FiniteMixture


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module 'emkit' has no attribute {name!r}")
    value = getattr(import_module(MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
