"""What a program such as the command line asks of every estimator, with the answers of most."""

from collections.abc import Collection
from typing import Any, ClassVar

from emkit.core.errors import ParameterError


class Predicts:
    """What programs ask of models with a target in vain."""

    def impute(self, X: Any, n_draws: int | None = None) -> Any:
        """Raises ParameterError: it predicts a target."""
        raise ParameterError(f"a {type(self).__name__} predicts its target, and fills in no other cells; take a GaussianMixture")

    def forecast_table(self, X: Any, horizon: int) -> Any:
        """Raises ParameterError: rows are independent."""
        raise ParameterError(f"a {type(self).__name__} takes rows as independent, so there is nothing to forecast; an HMM does it")


class AskedByPrograms:
    """Override what is otherwise in your estimator."""

    size_setting: ClassVar[str] = ""
    """The setting that says how many components, classes or states there are; empty where none does."""
    finds_size: ClassVar[bool] = False
    """Whether it may be "auto"."""
    is_a_search: ClassVar[bool] = False
    """Whether a fit is a search over models by a score of its own, so that it is no candidate of another."""
    answers_queries: ClassVar[bool] = False
    """Whether it has ``query``, as networks do; columns that a table lacks are then not observed."""

    labels_word: ClassVar[str] = "labels"
    """What ``fit`` calls what is known of labels."""

    has_result: ClassVar[bool] = True
    """Whether a fit ends in a ``result_`` of the engine."""

    def takes_texts(self) -> bool:
        """Whether columns of text or categories can be fitted."""
        return False

    def fit_target(self, X: Any, y: Any, weights: Any) -> Any:
        """``fit`` with a target, a table of one column, and weights."""
        own: Any = self
        return own.fit(X, y, sample_weight=weights)

    def check_cells(self, X: Any) -> None:
        """Raise DataError for the first cell that the fitted model cannot describe; by default predictions do so themselves."""

    def target_column(self) -> str | None:
        """The name of the column that the fitted model predicts; None if it has none, or it is not known."""
        return None

    def key_columns(self) -> dict[str, str]:
        """Columns that are not data, by the setting that names them."""
        return {}

    def column_families(self) -> dict[str, str]:
        """The family of each column, by the word that asks for it, where columns may differ."""
        return {}

    def settings_of_file(self, path: Any, columns: Collection[str]) -> dict[str, Any]:
        """Settings that come with a data file of this kind, such as the types of those of its columns that are fitted."""
        return {}

    def cut_off(self) -> str | None:
        """Why a search that came before the fit was cut off; None if it was not, or there was none."""
        return None

    def more_of_fit(self) -> dict[str, Any]:
        """What a fit found beside parameters and criteria, by name, as a program prints it."""
        return {}

    def type_words(self) -> tuple[str, list[str]]:
        """The setting that types of columns are given to, and the words that it takes."""
        from emkit.estimators.emissions import emissions

        return "family", list(emissions())
