"""Settings of logit experts, and what is made of them when the columns are known: places, units, shares of the classes."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import count, number
from emkit.core.errors import DataError, ParameterError
from emkit.core.parameters import Parameter, Real
from emkit.core.records import Params
from emkit.core.selected import SelectedColumns
from emkit.core.support import Symbols
from emkit.families.experts.expert import Expert
from emkit.families.experts.logits import LogitPrior
from emkit.families.regression.columns import Places, SupportOfRegression, placed
from emkit.families.regression.frame import Frame
from emkit.families.regression.quadratic import directions


class SupportOfClasses(SupportOfRegression):
    """Classes in the target's column, numbers elsewhere."""

    def __init__(self, places: Places | None):
        super().__init__(Symbols(), places)
        self.kinds = Symbols.kinds  # type: ignore[misc]


@dataclass(frozen=True)
class LogitParams(Params):
    """``intercepts`` (K, m) and ``coefficients`` (K, m, q) of the log odds of classes 1 to m = C - 1 against class 0."""

    intercepts: np.ndarray
    coefficients: np.ndarray


@dataclass(frozen=True)
class ConfiguredLogit(Expert):
    """What ``LogitExpert`` is configured with; its parameters are documented there."""

    n_classes: int = 2
    _: KW_ONLY
    on: Any = None
    target: Any = None
    ridge: float = 1.0
    prior: float = 1.0
    places: Places | None = field(default=None, repr=False)
    frame: Frame | None = field(default=None, repr=False)
    shares: Any = field(default=None, repr=False)

    Params = LogitParams
    parameters = (Parameter("intercepts", "K m", Real()), Parameter("coefficients", "K m q", Real()))

    def __post_init__(self) -> None:
        count(self.n_classes, "n_classes", 2)
        for name in ("ridge", "prior"):
            object.__setattr__(self, name, number(getattr(self, name), name, "a number of pseudo-rows"))
        if self.on is not None:
            object.__setattr__(self, "on", (self.on,) if isinstance(self.on, str | int) else tuple(self.on))
        super().__post_init__()

    # --- what it is about ---------------------------------------------------------------------------------------------

    @property
    def support(self) -> SupportOfRegression:  # type: ignore[override]
        """Classes in the target's column."""
        return SupportOfClasses(self.places)

    def given(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs."""
        at = self._among(columns).target
        return tuple(column for j, column in enumerate(columns) if j != at)

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """None."""
        return ()

    def settled(self, columns: tuple[Any, ...]) -> Self:
        """With the places of its columns."""
        return replace(self, places=self._among(columns))

    def _among(self, columns: tuple[Any, ...]) -> Places:
        return self.places or placed(columns, self.target, self.on, None, None, ())

    def _there(self, source: Source) -> Places:
        columns = source.columns
        return self._among(tuple(columns.names) if columns.named else tuple(range(len(columns))))

    @property
    def known(self) -> tuple[Places, Frame]:
        """Places and units. Raises ParameterError before they are resolved."""
        if self.places is None or self.frame is None:
            raise ParameterError("this LogitExpert is not resolved: call resolve(source, k) first (fit does)")
        return self.places, self.frame

    @property
    def inputs(self) -> tuple[int, ...]:
        """The covariates."""
        return self.known[0].on

    def check(self, source: Source) -> None:
        """The target's cells are classes."""
        y = self._there(source).target
        own = SelectedColumns(source, (y,))
        Symbols().check(own)
        if own.summary.high[0] >= self.n_classes:
            raise DataError(
                f"{source.columns.called(y)} holds the class {own.summary.high[0]:g}, beyond n_classes={self.n_classes}"
            )

    def ready(self, source: Source, k: int) -> Self:
        """Finds its columns, their units, and the shares of the classes."""
        places, counts = self._there(source), np.zeros(self.n_classes)
        for block in source:
            w = np.ones(block.n) if block.row_weights is None else np.asarray(block.row_weights, dtype=np.float64)
            y = np.asarray(block.x)[:, places.target]
            seen = ~np.isnan(y) & (w > 0)
            counts += np.bincount(y[seen].astype(np.int64), w[seen], self.n_classes)
        shares = (counts + 1.0 / self.n_classes) / (counts.sum() + 1.0)
        return replace(self, places=places, frame=Frame.of_classes(source, places), shares=shares)

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """As many log odds as classes but one."""
        return {"K": k, "d": d, "m": self.n_classes - 1, "q": d - 1 if self.places is None else len(self.places.on)}

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """An input for each coefficient, and the target."""
        shape = np.shape(values.get("coefficients", 0.0))
        return shape[2] + 1 if len(shape) == 3 else None

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """The target first unless it is known better, in units of their own, without a prior."""
        places = self.places or Places(0, tuple(range(1, d)), None, None, (False,) * d)
        frame = self.frame or Frame.empty(len(places.on))
        shares = np.full(self.n_classes, 1.0 / self.n_classes) if self.shares is None else self.shares
        return replace(self, fixed={}, start_values={}, places=places, frame=frame, shares=shares, ridge=0.0, prior=0.0)

    def _log_prior(self) -> LogitPrior:
        q = len(self.known[0].on)
        ridge = np.concatenate([[0.0], np.full(q, self.ridge / self.n_classes)])
        return LogitPrior(ridge, self.prior, np.asarray(self.shares))

    def _standard(self, params: LogitParams) -> np.ndarray:
        k, m = params.intercepts.shape
        flat = self.known[1].standard(params.intercepts.ravel(), params.coefficients.reshape(k * m, -1))
        return flat.reshape(k, m, -1)

    def _plain(self, standard: np.ndarray) -> LogitParams:
        k, m, p = standard.shape
        intercepts, coefficients = self.known[1].plain(standard.reshape(k * m, p))
        return LogitParams(intercepts.reshape(k, m), coefficients.reshape(k, m, p - 1))

    def _cells(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Designs (n, p), classes (n,), whether each is seen (n,); a missing input counts as average."""
        places, frame = self.known
        x = np.asarray(x, dtype=np.float64)
        z = np.ones((len(x), 1 + len(places.on)))
        z[:, 1:] = np.nan_to_num((x[:, list(places.on)] - frame.centre) / frame.scale)
        y = x[:, places.target]
        seen = ~np.isnan(y)
        return z, np.where(seen, y, 0.0).astype(np.int64), seen

    def _along(self, form: tuple[int, ...]) -> np.ndarray | None:
        (k, m, p), frame = form, self.known[1]
        held = np.concatenate([self.held("intercepts", (k, m))[:, :, None], self.held("coefficients", (k, m, p - 1))], axis=2)
        found = directions(~np.isnan(held.reshape(k * m, p)), np.zeros(p, dtype=bool), frame.centre, frame.scale)
        return None if found is None else found.reshape(k, m * p, -1)
