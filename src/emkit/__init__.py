"""emkit: models with hidden variables, fitted by expectation-maximization.

Names are loaded when first used, so that ``import emkit`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from emkit._version import __version__

_WHERE = {
    "GaussianMixture": "emkit.estimators.gaussian_mixture",
    "HMM": "emkit.estimators.hmm",
    "GaussianHMM": "emkit.estimators.hmm_faces",
    "CategoricalHMM": "emkit.estimators.hmm_faces",
    "PoissonHMM": "emkit.estimators.hmm_faces",
    "GMMHMM": "emkit.estimators.hmm_faces",
    "load": "emkit.estimators.loading",
    "Checkpoint": "emkit.io.checkpoint",
    "fit": "emkit.algorithms.restarts",
    "EM": "emkit.algorithms.em",
    "iterate": "emkit.core.fit",
    "Problem": "emkit.core.fit",
    "Algorithm": "emkit.core.fit",
    "Block": "emkit.core.block",
    "Source": "emkit.core.block",
    "Params": "emkit.core.arrays",
    "Stats": "emkit.core.arrays",
    "Family": "emkit.core.model",
    "Model": "emkit.core.model",
    "Executor": "emkit.core.model",
    "Prior": "emkit.core.prior",
    "Dirichlet": "emkit.core.prior",
    "Result": "emkit.core.result",
    "StopReason": "emkit.core.result",
    "Step": "emkit.core.result",
    "Monitor": "emkit.core.monitor",
    "TimeLimit": "emkit.core.monitor",
    "Trace": "emkit.core.monitor",
    "PrintProgress": "emkit.core.monitor",
    "ArraySource": "emkit.data.arrays",
    "SequenceSource": "emkit.data.sequences",
    "Threads": "emkit.execute.threads",
    "Gaussian": "emkit.families.gaussian",
    "Categorical": "emkit.families.categorical",
    "Bernoulli": "emkit.families.bernoulli",
    "Beta": "emkit.families.bernoulli",
    "Poisson": "emkit.families.poisson",
    "Gamma": "emkit.families.poisson",
    "Mixed": "emkit.families.mixed",
    "Tied": "emkit.families.tied",
    "NormalInverseWishart": "emkit.families.gaussian_prior",
    "GaussianPrior": "emkit.families.gaussian_prior",
    "Mixture": "emkit.models.mixture",
    "HiddenMarkov": "emkit.models.hmm",
    "EmkitError": "emkit.core.errors",
    "DataError": "emkit.core.errors",
    "ParameterError": "emkit.core.errors",
    "CollapseError": "emkit.core.errors",
    "ModelFileError": "emkit.core.errors",
}

__all__ = ["__version__", *_WHERE]

if TYPE_CHECKING:
    from emkit.algorithms.em import EM
    from emkit.algorithms.restarts import fit
    from emkit.core.arrays import Params, Stats
    from emkit.core.block import Block, Source
    from emkit.core.errors import CollapseError, DataError, EmkitError, ModelFileError, ParameterError
    from emkit.core.fit import Algorithm, Problem, iterate
    from emkit.core.model import Executor, Family, Model
    from emkit.core.monitor import Monitor, PrintProgress, TimeLimit, Trace
    from emkit.core.prior import Dirichlet, Prior
    from emkit.core.result import Result, Step, StopReason
    from emkit.data.arrays import ArraySource
    from emkit.data.sequences import SequenceSource
    from emkit.estimators.gaussian_mixture import GaussianMixture
    from emkit.estimators.hmm import HMM
    from emkit.estimators.hmm_faces import GMMHMM, CategoricalHMM, GaussianHMM, PoissonHMM
    from emkit.estimators.loading import load
    from emkit.execute.threads import Threads
    from emkit.families.bernoulli import Bernoulli, Beta
    from emkit.families.categorical import Categorical
    from emkit.families.gaussian import Gaussian
    from emkit.families.gaussian_prior import GaussianPrior, NormalInverseWishart
    from emkit.families.mixed import Mixed
    from emkit.families.poisson import Gamma, Poisson
    from emkit.families.tied import Tied
    from emkit.io.checkpoint import Checkpoint
    from emkit.models.hmm import HiddenMarkov
    from emkit.models.mixture import Mixture


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'emkit' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
