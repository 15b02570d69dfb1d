"""GaussianHMM, CategoricalHMM, PoissonHMM, MultinomialHMM, GMMHMM: hmmlearn's words on emkit's HMM.

Parameters carry hmmlearn 0.3's names where they mean something here; what differs is listed in docs/how-to/coming-from-hmmlearn.md.
Attributes may be set by hand before ``fit`` (starting values, with the letter left out of ``init_params``) or instead of it.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.checks import count, integers, numbers
from emkit.core.errors import DataError, ParameterError
from emkit.estimators.hmmlearn import second_lengths
from emkit.estimators.hmmlearn_partial import PartialHmmlearnFace
from emkit.families.gaussian.covariance_types import plain_name

_VARIANCES = ("spherical", "diag", "tied-diag", "tied-spherical", "VEI", "EVI")


@dataclass(eq=False, repr=False)
class GaussianHMM(PartialHmmlearnFace):
    """HMM with Gaussian emissions; parameters as in hmmlearn's ``GaussianHMM``, and emkit's own after them.

    ``covars_`` gives covariances as hmmlearn does: matrices (K, d, d) for every type; ``covariances_`` in the shape of the type.
    """

    n_components: int = 1  # type: ignore[misc]
    covariance_type: str = "diag"
    _: KW_ONLY
    params: str = "stmc"
    init_params: str = "stmc"
    prior: Any = "weak"
    means_init: Any = None
    covariances_init: Any = None

    emission: ClassVar[str] = "gaussian"
    letters: ClassVar[dict[str, str]] = {"m": "means", "c": "covariances"}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "covariance_type": self.covariance_type}

    @property
    def covars_(self) -> np.ndarray:
        """Covariance matrices, (K, d, d)."""
        k, d = np.asarray(self.means_).shape
        return np.array(np.broadcast_to(as_matrices(self.covariances_, self.covariance_type, d), (k, d, d)))

    @covars_.setter
    def covars_(self, value: Any) -> None:
        self.covariances_ = _from_matrices(numbers(value, "covars_"), self.covariance_type)


class _Symbols:
    """What faces of symbols and of counts of outcomes have in common."""

    @property
    def emissionprob_(self) -> np.ndarray:
        """Hmmlearn's name of ``probs_``: of each symbol (K, L), or column (K, d), in each state."""
        return np.asarray(self.probs_)

    @emissionprob_.setter
    def emissionprob_(self, value: Any) -> None:
        self.probs_ = value


@dataclass(eq=False, repr=False)
class CategoricalHMM(_Symbols, PartialHmmlearnFace):
    """HMM of symbols 0, 1, ...; parameters as in hmmlearn's ``CategoricalHMM``, and emkit's own after them."""

    n_components: int = 1  # type: ignore[misc]
    _: KW_ONLY
    params: str = "ste"
    init_params: str = "ste"
    n_features: int | None = None  # type: ignore[assignment]
    probs_init: Any = None

    emission: ClassVar[str] = "categorical"
    letters: ClassVar[dict[str, str]] = {"e": "probs"}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "n_categories": self.n_features}


@dataclass(eq=False, repr=False)
class PoissonHMM(PartialHmmlearnFace):
    """HMM of counts; parameters as in hmmlearn's ``PoissonHMM``, and emkit's own after them."""

    n_components: int = 1  # type: ignore[misc]
    _: KW_ONLY
    params: str = "stl"
    init_params: str = "stl"
    rates_init: Any = None

    emission: ClassVar[str] = "poisson"
    letters: ClassVar[dict[str, str]] = {"l": "rates"}

    @property
    def lambdas_(self) -> np.ndarray:
        """Hmmlearn's name of ``rates_``, (K, d)."""
        return np.asarray(self.rates_)

    @lambdas_.setter
    def lambdas_(self, value: Any) -> None:
        self.rates_ = value


@dataclass(eq=False, repr=False)
class MultinomialHMM(_Symbols, PartialHmmlearnFace):
    """HMM of counts of outcomes, a column for each; parameters as in hmmlearn's ``MultinomialHMM``, and emkit's own after them.

    ``n_trials``: what every row adds up to, as in ``emkit.Multinomial``; or an int array, a number for each row of the fit, which
    its rows then have to add up to. By default the rows' own sums. ``sample`` draws ``n_trials``, or rows of the average sum.
    """

    n_components: int = 1  # type: ignore[misc]
    n_trials: Any = None
    _: KW_ONLY
    params: str = "ste"
    init_params: str = "ste"
    probs_init: Any = None

    emission: ClassVar[str] = "multinomial"
    letters: ClassVar[dict[str, str]] = {"e": "probs"}

    def _settings(self) -> dict[str, Any]:
        n = self.n_trials
        if np.ndim(n):
            distinct = set(integers(n, "n_trials"))
            n = distinct.pop() if len(distinct) == 1 else None
        return {**super()._settings(), "n_trials": n}

    def fit(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None, states: Any = None) -> Self:
        """As ``HMM.fit``, with lengths in second place or by name.

        Raises DataError for the first row that does not add up to its ``n_trials`` too.
        """
        if np.ndim(self.n_trials):
            X = X if hasattr(X, "__len__") else list(X)  # it is read twice
            self._check_trials(X, second_lengths(X, y, lengths))
        return super().fit(X, y, lengths=lengths, sample_weight=sample_weight, states=states)

    def _check_trials(self, X: Any, lengths: Any) -> None:
        inner = self._inner()
        found = inner._read(X, lengths)
        inner.build(found.columns).check(inner._source(found))
        trials = np.asarray(integers(self.n_trials, "n_trials"))
        rows = found.restore(np.arange(len(found.x)))  # the step of each of the user's rows
        if len(trials) not in (1, len(rows)):
            raise ParameterError(
                f"n_trials has {len(trials)} entries for {len(rows)} rows: give one number, or one for each row",
                parameter="n_trials",
            )
        if len(set(trials)) == 1:  # the family's own number, and its check
            return
        x = found.x[rows]
        absent = np.isnan(x)
        partly = absent.any(axis=1) & ~absent.all(axis=1)
        total = np.asarray(np.nansum(x, axis=1, dtype=np.float64))
        for i in np.flatnonzero(~absent.all(axis=1) & (partly | (total != trials)))[:1]:
            where = found.place(int(rows[i]))
            if partly[i]:
                column = found.columns.called(int(np.argmax(absent[i])))
                raise DataError(
                    f"{column} {where} is missing; with n_trials for each row, a row is whole or all missing", row=int(i)
                )
            raise DataError(f"{where} adds up to {total[i]:.15g}, but its n_trials is {trials[i]}", row=int(i))


@dataclass(eq=False, repr=False)
class GMMHMM(PartialHmmlearnFace):
    """HMM whose states emit mixtures of Gaussians; parameters as in hmmlearn's ``GMMHMM``, and emkit's own after them.

    ``means_`` (K, M, d) and ``weights_`` (K, M) for every number of parts M. ``covars_`` as hmmlearn has them: diag (K, M, d), full
    (K, M, d, d), spherical (K, M), tied (K, d, d), where the matrices are all the same here.
    """

    n_components: int = 1  # type: ignore[misc]
    n_mix: int = 1
    _: KW_ONLY
    covariance_type: str = "diag"
    params: str = "stmcw"
    init_params: str = "stmcw"
    prior: Any = "weak"
    means_init: Any = None
    covariances_init: Any = None
    weights_init: Any = None

    emission: ClassVar[str] = "gaussian"
    letters: ClassVar[dict[str, str]] = {"m": "means", "c": "covariances", "w": "weights"}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "covariance_type": self.covariance_type, "n_mix": count(self.n_mix, "n_mix")}

    def _is_free(self, name: str) -> bool:
        return name != "weights" or self.n_mix > 1

    # With a single part the inner HMM has no axis of parts.

    def _inward(self, values: dict[str, Any]) -> dict[str, Any]:
        if self.n_mix != 1:
            return values
        inside = dict(values)
        weights = inside.pop("weights", None)
        if weights is not None and not np.all(np.asarray(weights) == 1.0):
            raise ParameterError("weights of a single part are 1", parameter="weights")
        for name, letters in (("means", 2), ("covariances", self._axes)):
            if name in inside and np.ndim(inside[name]) == letters + 1 and np.shape(inside[name])[1] == 1:
                inside[name] = np.asarray(inside[name])[:, 0]
        return inside

    @property
    def _axes(self) -> int:
        """Axes of one part's covariances with that of the states; 9 where states share them."""
        return {"full": 3, "diag": 2, "spherical": 1}.get(plain_name(self.covariance_type), 9)

    def _with_parts(self, value: np.ndarray) -> np.ndarray:
        return value[:, None] if self.n_mix == 1 else value

    @property
    def means_(self) -> np.ndarray:
        """Means of the parts, (K, M, d)."""
        return self._with_parts(self.__getattr__("means_"))

    @means_.setter
    def means_(self, value: Any) -> None:
        self._inner().means_ = self._inward({"means": value})["means"]

    @property
    def weights_(self) -> np.ndarray:
        """Weights of the parts, (K, M)."""
        return np.ones((self.n_components, 1)) if self.n_mix == 1 else self.__getattr__("weights_")

    @weights_.setter
    def weights_(self, value: Any) -> None:
        inside = self._inward({"weights": value})
        if "weights" in inside:
            self._inner().weights_ = value

    @property
    def covars_(self) -> np.ndarray:
        """Covariances in hmmlearn's shapes."""
        value = np.asarray(self.covariances_)
        if plain_name(self.covariance_type) == "tied":
            return np.array(np.broadcast_to(value, (self.n_components, *value.shape)))
        return self._with_parts(value) if self._axes < 9 else value

    @covars_.setter
    def covars_(self, value: Any) -> None:
        array = numbers(value, "covars_")
        if plain_name(self.covariance_type) == "tied" and array.ndim == 3:
            array = _shared(array)
        self.covariances_ = self._inward({"covariances": array})["covariances"]


def as_matrices(covariances: Any, kind: str, d: int) -> np.ndarray:
    """Covariances of any type as matrices."""
    c, kind = np.asarray(covariances), plain_name(kind)
    if kind not in _VARIANCES:
        return c
    if kind == "spherical":
        return np.asarray(c.reshape(-1)[:, None, None] * np.eye(d, dtype=c.dtype))
    if kind in ("diag", "VEI", "EVI"):
        return np.asarray(c[:, :, None] * np.eye(d, dtype=c.dtype))
    return np.asarray(np.broadcast_to(c, (d,)) * np.eye(d, dtype=c.dtype))


def _from_matrices(value: np.ndarray, kind: Any) -> np.ndarray:
    """Inverse of ``as_matrices``; values in the shape of the type are left as they are.

    Raises ParameterError if they are not of the type.
    """
    kind = plain_name(kind) if isinstance(kind, str) else kind
    if value.ndim != 3 or kind not in ("tied", *_VARIANCES):
        return value
    if kind.startswith("tied"):
        value = _shared(value)[None]
    if kind != "tied":
        diagonals = np.diagonal(value, axis1=1, axis2=2)
        if (value != diagonals[:, :, None] * np.eye(value.shape[1])).any():
            raise ParameterError(
                f"covars_: {kind} covariances have zeros beside the diagonal, but these matrices do not", parameter="covariances"
            )
        value = diagonals
        if kind.endswith("spherical"):
            if (value != value[:, :1]).any():
                raise ParameterError(
                    "covars_: spherical covariances have equal variances, but these matrices do not", parameter="covariances"
                )
            value = value[:, 0]
    return value[0] if kind.startswith("tied") else value


def _shared(matrices: np.ndarray) -> np.ndarray:
    """The one matrix (d, d) that all states have. Raises ParameterError if theirs differ."""
    if not (matrices == matrices[0]).all():
        raise ParameterError(
            "covars_: a tied covariance is the same in all states, but these matrices differ", parameter="covariances"
        )
    first: np.ndarray = matrices[0]
    return first
