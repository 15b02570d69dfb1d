"""Old Faithful with a quarter of its cells missing: what marginalising recovers, and what filling in the mean does."""

from pathlib import Path

import numpy as np

from emkit import GaussianMixture

DATA = Path(__file__).resolve().parents[1] / "tests" / "support" / "data" / "faithful.csv"

faithful = np.genfromtxt(DATA, delimiter=",", skip_header=1)  # eruptions (min), waiting (min)
rng = np.random.default_rng(0)
holes = np.where(rng.random(faithful.shape) < 0.25, np.nan, faithful)
filled = np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)

print(f"{int(np.isnan(holes).any(axis=1).sum())} of {len(holes)} rows have a missing cell\n")
print(f"{'':20}{'weight':>8}{'eruptions':>18}{'waiting':>18}      mean (sd) of the component with short eruptions")
for name, data in (("complete", faithful), ("marginalised", holes), ("mean filled in", filled)):
    gm = GaussianMixture(2, random_state=0).fit(data)
    short = gm.means_[:, 0].argmin()
    sd = np.sqrt(np.diag(gm.covariances_[short]))
    cells = "".join(f"{f'{m:.2f} ({s:.2f})':>18}" for m, s in zip(gm.means_[short], sd, strict=True))
    print(f"{name:20}{gm.weights_[short]:8.2f}{cells}")
