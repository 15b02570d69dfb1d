"""Major earthquakes 1900 to 2006: a Poisson hidden Markov model, from the choice of the number of states to a forecast."""

from pathlib import Path

import numpy as np

from emkit import HMM

DATA = Path(__file__).resolve().parents[1] / "tests" / "support" / "data" / "earthquakes.csv"
counts = np.genfromtxt(DATA, delimiter=",", skip_header=1)[:, 1:]

print("states    AIC    BIC")
for k in (1, 2, 3, 4):
    candidate = HMM(k, emission="poisson", random_state=0).fit(counts)
    print(f"{k:6} {candidate.aic():6.1f} {candidate.bic():6.1f}")

model = HMM(3, emission="poisson", random_state=0).fit(counts)
print()
print(model.summary())

path = model.predict(counts)
print("\nstate by year, 1900 to 2006:")
for first in range(0, len(path), 50):
    print(f"  {1900 + first}  {''.join(map(str, path[first : first + 50]))}")

ahead = model.forecast(counts, horizon=3)
print("\nforecast:")
for h in range(3):
    print(f"  {2007 + h}  {ahead.mean[h, 0]:.1f} earthquakes (sd {ahead.sd[h, 0]:.1f}), P(state) {ahead.states[h].round(2)}")
