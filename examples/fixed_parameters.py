"""Two normal distributions, each chosen with probability 1/2, with the same known sd 2: only the means are unknown."""

import numpy as np

from emkit import GaussianMixture

rng = np.random.default_rng(0)
component = rng.choice(2, size=2000, p=[0.5, 0.5])
x = rng.normal(np.array([1.0, 9.0])[component], 2.0).reshape(-1, 1)

known = {"weights": [0.5, 0.5], "covariances": 4.0}
gm = GaussianMixture(2, means_init=[[0.0], [1.0]], fixed=known).fit(x)
print(gm.summary())

best = [x[component == j].mean() for j in range(2)]
print(f"\nmeans found                      {gm.means_.ravel().round(3)}")
print(f"means if origins were known      {np.round(best, 3)}")
print(f"responsibilities of x = 4, 5, 6  {gm.predict_proba([[4.0], [5.0], [6.0]])[:, 0].round(3)} (first component)")

# The other way round: components known from before, their mix in a new sample unknown.
new = rng.normal(np.array([1.0, 9.0])[rng.choice(2, 1000, p=[0.2, 0.8])], 2.0).reshape(-1, 1)
mix = GaussianMixture(2, fixed={"means": gm.means_, "covariances": gm.covariances_}).fit(new)
print(f"weights in a new sample          {mix.weights_.round(3)} (drawn with 0.2, 0.8)")
