"""Fitted state, kept once: attributes such as ``means_`` are views of the result, checked when used, and count when changed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.model import Model
from emkit.core.result import Result

_KEPT = frozenset({"result_", "n_features_in_", "feature_names_in_"})
"""What is kept as it is; every other attribute that ends in an underscore is a parameter's value."""


class State(ABC):
    """The result of a fit, and parameters that were read or set since.

    ``_values`` holds the arrays that were handed out or set by hand, by parameter name. If they say what the result says, the
    result counts, to the last bit; otherwise the parameters are made of them, and checked, whenever they are used or saved.
    """

    result_: Result
    n_features_in_: int
    feature_names_in_: np.ndarray
    _values: dict[str, Any]
    _width: Any

    @abstractmethod
    def build(self, columns: Columns | None) -> Model:
        """The model that the settings ask for; ``columns`` is None where there are no data."""

    def __getattr__(self, name: str) -> Any:
        """Parameters as attributes; only called for what is not found in the ordinary way."""
        if name.endswith("_") and not name.startswith("_"):
            value = self._value(name[:-1])
            if value is not None:
                return value
        own: Any = next((kind.__dict__[name] for kind in type(self).__mro__ if name in kind.__dict__), None)
        if hasattr(own, "__get__"):  # it was that which raised, and says why
            return own.__get__(self, type(self))
        raise AttributeError(f"{self._name()!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        parameter = name.endswith("_") and not name.startswith("_") and name not in _KEPT
        if parameter and not hasattr(type(self), name):
            self._set_value(name[:-1], value)
        else:
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name[:-1] in self.__dict__.get("_values", {}) and name.endswith("_"):
            del self._values[name[:-1]]
        else:
            super().__delattr__(name)

    def _value(self, name: str) -> Any:
        """A parameter's array as it is now; None if there is none."""
        values = self.__dict__.setdefault("_values", {})
        if name not in values and "result_" in self.__dict__:
            shown = self._shown(self.result_).get(name)
            if shown is not None:
                values[name] = shown
        return values.get(name)

    def _set_value(self, name: str, value: Any) -> None:
        """Set by hand; checked when it is used, since other attributes may have to change with it."""
        if not np.ma.is_masked(value):
            with suppress(TypeError, ValueError):  # whoever uses it says what is wrong with it
                array = np.array(value)
                value = array if array.dtype.kind == "f" else array.astype(np.float64)
        self.__dict__.setdefault("_values", {})[name] = value

    def _name(self) -> str:
        """How messages call the estimator: by the class that the user made."""
        return str(self.__dict__.get("_who", type(self).__name__))

    def is_set_by_hand(self, name: str) -> bool:
        """Whether a parameter's attribute was set, and to something else than a fit found."""
        values = self.__dict__.get("_values", {})
        if name not in values:
            return False
        shown = self._shown(self.result_) if "result_" in self.__dict__ else {}
        return name not in shown or not np.array_equal(values[name], shown[name])

    def _shown(self, result: Result) -> dict[str, np.ndarray]:
        """A result's parameters in the width of the data of the fit."""
        width = self.__dict__.get("_width", np.float64)
        return {name: value.astype(width) for name, value in result.model.shown(result.params).items()}

    def _adopt(self, result: Result, columns: Columns, width: Any) -> None:
        """A new result takes the place of everything that was."""
        self._values, self._width, self._columns = {}, width, columns
        self.n_features_in_ = len(columns)
        self.__dict__.pop("feature_names_in_", None)
        if columns.named:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        self.result_ = result

    def _current(self) -> Result:
        """The result of the fit, or one of the parameters as they were set since.

        Raises
        ------
        NotFittedError
            If there is no fit and parameters are missing.
        ParameterError
            Naming the parameter whose value cannot be used.
        """
        values: Mapping[str, Any] = self.__dict__.get("_values", {})
        if "result_" not in self.__dict__:
            return self._from_hand(values)
        result = self.result_
        shown = self._shown(result) if values else {}
        changed = {name: values[name] for name in values if name in shown and not np.array_equal(values[name], shown[name])}
        if not changed:
            return result
        exact = result.model.shown(result.params)
        params = result.model.unshown({**exact, **changed}, result.model.n_hidden or 1, len(self.columns_))
        return Result.by_hand(result.model, params)

    def _from_hand(self, values: Mapping[str, Any]) -> Result:
        """A model whose every parameter was set by hand."""
        who = self._name()
        if not values:
            raise NotFittedError(
                f"This {who} instance is not fitted yet. Call 'fit' with appropriate arguments before using this estimator."
            )
        model = self.build(None)
        needed = model.needed_names
        missing = [f"{name}_" for name in needed if name not in values]
        if missing:
            raise NotFittedError(f"This {who} instance is not fitted yet: call 'fit', or set {', '.join(missing)} too.")
        d = model.columns_of(values)
        if d is None:
            raise ParameterError(f"the parameters of this {who} do not tell how many columns there are; call 'fit'")
        model = model.without_data(values, d)
        return Result.by_hand(model, model.unshown(values, model.n_hidden or 1, d))

    @property
    def columns_(self) -> Columns:
        """The schema of the data of the fit."""
        columns: Columns | None = self.__dict__.get("_columns")
        return columns or Columns.numbered(self._n_columns())

    def _n_columns(self) -> int:
        """Columns that the current parameters are for."""
        if "result_" in self.__dict__:
            return self.n_features_in_
        d = self.build(None).columns_of(self._values)
        assert d is not None
        return d

    def __sklearn_is_fitted__(self) -> bool:
        try:
            self._current()
        except NotFittedError:
            return False
        return True
