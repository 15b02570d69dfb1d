"""The one table of public names: group, name, module.

The package, ``load``, the command line, the reference page and the conformance tests read it: what is listed here is public,
can be loaded from a model file, and is tested.
"""

NAMES: tuple[tuple[str, str, str], ...] = (
    ("estimators", "GaussianMixture", "emkit.estimators.gaussian_mixture"),
    ("estimators", "HMM", "emkit.estimators.hmm"),
    ("estimators", "GaussianHMM", "emkit.estimators.hmm_faces"),
    ("estimators", "CategoricalHMM", "emkit.estimators.hmm_faces"),
    ("estimators", "PoissonHMM", "emkit.estimators.hmm_faces"),
    ("estimators", "MultinomialHMM", "emkit.estimators.hmm_faces"),
    ("estimators", "GMMHMM", "emkit.estimators.hmm_faces"),
    ("estimators", "VariationalCategoricalHMM", "emkit.estimators.variational"),
    ("estimators", "VariationalGaussianHMM", "emkit.estimators.variational"),
    ("models", "FiniteMixture", "emkit.models.mixture"),
    ("models", "HiddenMarkov", "emkit.models.hmm.model"),
    ("families", "Gaussian", "emkit.families.gaussian.family"),
    ("families", "Categorical", "emkit.families.categorical"),
    ("families", "Bernoulli", "emkit.families.bernoulli"),
    ("families", "Poisson", "emkit.families.poisson"),
    ("families", "Multinomial", "emkit.families.multinomial"),
    ("families", "Mixed", "emkit.families.mixed"),
    ("families", "Tied", "emkit.families.tied"),
    ("families", "WithNoise", "emkit.families.noise"),
    ("priors", "Prior", "emkit.core.prior"),
    ("priors", "Dirichlet", "emkit.core.prior"),
    ("priors", "BetaPrior", "emkit.families.bernoulli"),
    ("priors", "GammaPrior", "emkit.families.poisson"),
    ("priors", "NormalInverseWishart", "emkit.families.gaussian.prior"),
    ("priors", "GaussianPrior", "emkit.families.gaussian.prior"),
    ("variational", "VariationalHMM", "emkit.models.hmm.variational"),
    ("variational", "VariationalFamily", "emkit.families.variational.posterior"),
    ("variational", "VariationalCategorical", "emkit.families.variational.categorical"),
    ("variational", "VariationalGaussian", "emkit.families.variational.gaussian"),
    ("engine", "fit", "emkit.algorithms.starts"),
    ("engine", "iterate", "emkit.core.fit"),
    ("engine", "Problem", "emkit.core.fit"),
    ("engine", "Algorithm", "emkit.core.fit"),
    ("engine", "Params", "emkit.core.records"),
    ("engine", "Stats", "emkit.core.records"),
    ("engine", "Family", "emkit.core.family"),
    ("engine", "Model", "emkit.core.model"),
    ("engine", "Executor", "emkit.core.executor"),
    ("engine", "Result", "emkit.core.result"),
    ("engine", "StopReason", "emkit.core.result"),
    ("engine", "Step", "emkit.core.result"),
    ("engine", "Threads", "emkit.execute.threads"),
    ("algorithms", "EM", "emkit.algorithms.em"),
    ("algorithms", "Accelerated", "emkit.algorithms.accelerated"),
    ("algorithms", "Auto", "emkit.algorithms.auto"),
    ("data", "Block", "emkit.core.block"),
    ("data", "Source", "emkit.core.block"),
    ("data", "ArraySource", "emkit.data.rows"),
    ("data", "SequenceSource", "emkit.data.sequences"),
    ("monitors", "Monitor", "emkit.core.monitor"),
    ("monitors", "TimeLimit", "emkit.core.monitor"),
    ("monitors", "Trace", "emkit.core.monitor"),
    ("monitors", "PrintProgress", "emkit.core.monitor"),
    ("files", "load", "emkit.estimators.loading"),
    ("files", "Checkpoint", "emkit.io.checkpoint"),
    ("errors", "EmkitError", "emkit.core.errors"),
    ("errors", "DataError", "emkit.core.errors"),
    ("errors", "ParameterError", "emkit.core.errors"),
    ("errors", "CollapseError", "emkit.core.errors"),
    ("errors", "ModelFileError", "emkit.core.errors"),
)

MODULES: dict[str, str] = {name: module for _, name, module in NAMES}
"""Where each name is."""


def group(name: str) -> tuple[str, ...]:
    """The names of a group, in the order of the table."""
    return tuple(entry for kind, entry, _ in NAMES if kind == name)
