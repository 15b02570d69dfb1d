"""Three-step corrections on simulated data: the bias of each over many data sets, and how far its standard errors are right."""

from typing import Any

import numpy as np

from emkit import LatentClass

COEFFICIENTS = np.array([[-0.3, 1.0], [-0.5, -1.0]])
MEANS = np.array([0.0, 1.0, 2.0])
SHARES = np.array([0.2, 0.5, 0.8])
PROBS = np.array([[0.8] * 6, [0.8] * 3 + [0.2] * 3, [0.2] * 6])


def draw(seed: int, n: int = 2000) -> dict[str, np.ndarray]:
    """Three classes by a multinomial logit of one covariate, six 0/1 items, a normal and a 0/1 outcome."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    odds = np.exp(np.column_stack([np.zeros(n), *(a + b * z for a, b in COEFFICIENTS)]))
    label = (rng.random((n, 1)) > (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(axis=1)
    answers = (rng.random((n, 6)) < PROBS[label]).astype(int)
    outcome, bought = MEANS[label] + rng.normal(size=n), rng.random(n) < SHARES[label]
    return {"answers": answers, "z": z, "outcome": outcome, "bought": bought}


def fitted(answers: np.ndarray) -> LatentClass:
    """From the truth, so that classes keep their numbers."""
    init = {"weights": np.full(3, 1 / 3), "probs": np.stack([1.0 - PROBS, PROBS], axis=2)}
    return LatentClass(3, init=init).fit(answers)


WAYS = tuple((correction, assignment) for correction in (None, "BCH", "ML") for assignment in ("modal", "proportional"))


def estimates(seed: int, ways: tuple[tuple[str | None, str], ...] = WAYS, n: int = 2000) -> dict[Any, np.ndarray]:
    """For each way the slopes, means and shares, and their standard errors, (2, 8)."""
    data = draw(seed, n)
    model, out = fitted(data["answers"]), {}
    for correction, assignment in ways:
        how = {"correction": correction, "assignment": assignment}
        one = model.three_step(data["answers"], covariates=data["z"], outcome=data["outcome"], **how)
        two = model.three_step(data["answers"], outcome=data["bought"], **how)
        out[correction, assignment] = np.array(
            [
                [*one.effects.coefficients[:, 1], *one.outcome.estimates, *two.outcome.estimates[:, 1]],
                [*one.effects.standard_errors[:, 1], *one.outcome.standard_errors, *two.outcome.standard_errors[:, 1]],
            ]
        )
    return out


TRUTH = np.concatenate([COEFFICIENTS[:, 1], MEANS, SHARES])
NAMES = ("slope 1", "slope 2", "mean 0", "mean 1", "mean 2", "share 0", "share 1", "share 2")


def bias_table(simulations: int) -> list[dict[str, Any]]:
    """Mean error of each estimate, and beside it how far that may be chance; standard errors against the true spread."""
    found = [estimates(seed) for seed in range(simulations)]
    print(f"\nthree-step, {simulations} data sets of 2,000 rows: bias (its standard error; mean standard error / true spread)")
    print(f"{'':22}" + "".join(f"{name:>22}" for name in NAMES))
    rows = []
    for way in WAYS:
        values = np.array([one[way] for one in found])
        off, spread = values[:, 0] - TRUTH, values[:, 0].std(axis=0, ddof=1)
        bias, chance, ratio = off.mean(axis=0), spread / np.sqrt(simulations), values[:, 1].mean(axis=0) / spread
        rows.append({"correction": way[0], "assignment": way[1], "bias": bias, "chance": chance, "se_ratio": ratio})
        name = f"{way[0] or 'none'}, {way[1]}"
        cells = "".join(f"{f'{b:+.3f} ({c:.3f}; {r:.2f})':>22}" for b, c, r in zip(bias, chance, ratio, strict=True))
        print(f"{name:22}{cells}", flush=True)
    return rows
