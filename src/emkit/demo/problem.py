"""The starting document's problem: 2,000 values, two normals of known sd 2 and equal weights, and only the means to find.

It is solved twice on the same values: by emkit, and by the formula as the document's code has it.
"""

from dataclasses import dataclass

import numpy as np

TRUE_MEANS = (1.0, 9.0)
SIGMA = 2.0
START = (0.0, 1.0)
N_VALUES = 2000
PRINTED_MEANS = (1.2505185877110228, 8.611216067889572)
"""What the document printed, for values that it drew without a seed."""


@dataclass(frozen=True)
class DemoRun:
    """Both solutions.

    Attributes
    ----------
    values : array (n,)
    means, document_means : array (iterations + 1, 2)
        The hypothesis at the start and after each iteration: emkit's, and that of the document's formula.
    objective : array (iterations + 1,)
        emkit's log-likelihood at each hypothesis, nats.
    responsibilities : array (n, 2)
        Of the last hypothesis.
    weights, true_means : array (2,)
    sigma : float
    """

    values: np.ndarray
    means: np.ndarray
    document_means: np.ndarray
    objective: np.ndarray
    responsibilities: np.ndarray
    weights: np.ndarray
    true_means: np.ndarray
    sigma: float

    @property
    def error(self) -> np.ndarray:
        """Distance of emkit's means, in increasing order, from the true ones, (2,)."""
        return np.abs(np.sort(self.means[-1]) - self.true_means)

    @property
    def document_error(self) -> np.ndarray:
        """The same for the document's formula."""
        return np.abs(np.sort(self.document_means[-1]) - self.true_means)


def draw_values(seed: int) -> np.ndarray:
    """The values that the document's own code draws after ``np.random.seed(seed)``, (2000,)."""
    random = np.random.RandomState(seed)  # the document's generator, so that its values are these
    values = []
    for _ in range(N_VALUES):
        choice = random.choice(np.arange(1, 3), p=[0.5, 0.5])
        values.append(random.normal(TRUE_MEANS[choice - 1], SIGMA, 1)[0])
    return np.array(values)


def document_formula(values: np.ndarray, iterations: int) -> np.ndarray:
    """The means after each iteration as the document's code computes them, (iterations + 1, 2).

    Its E-step is ``exp(-1/2 * sigma**2) * (x - h)**2``, normalised over the two means; only its loops over values are vectorised.
    """
    h = np.array(START)
    trace = [h]
    for _ in range(iterations):
        nom = np.exp(-1 / 2 * SIGMA**2) * (values[:, None] - h) ** 2
        probs = nom / nom.sum(axis=1, keepdims=True)
        h = (probs * values[:, None]).sum(axis=0) / probs.sum(axis=0)
        trace.append(h)
    return np.array(trace)


def run_demo(seed: int = 0, iterations: int = 20) -> DemoRun:
    """Draw the values and solve the problem both ways."""
    from emkit.core.monitor import Trace
    from emkit.estimators.gaussian_mixture import GaussianMixture

    values = draw_values(seed)
    trace = Trace()
    gm = GaussianMixture(
        2,
        fixed={"covariances": SIGMA**2, "weights": [0.5, 0.5]},
        means_init=[[START[0]], [START[1]]],
        prior=None,
        tol=0,  # exactly max_iter iterations
        max_iter=iterations,
        monitors=[trace],
    )
    gm.fit(values[:, None])
    return DemoRun(
        values=values,
        means=np.array([step.params.components.means.ravel() for step in trace.steps]),
        document_means=document_formula(values, iterations),
        objective=np.array([step.log_likelihood for step in trace.steps]),
        responsibilities=gm.predict_proba(values[:, None]),
        weights=gm.weights_,
        true_means=np.array(TRUE_MEANS),
        sigma=SIGMA,
    )
