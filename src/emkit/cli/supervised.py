"""Models with a target on the command line: which column it is, and which of two twins it asks for."""

from typing import Any

from emkit._names import group
from emkit.cli.choosing import is_numeric
from emkit.cli.exits import Refusal

FOR_CLASSES = {"rbf": "rbf-classifier", "mixture-of-experts": "mixture-of-experts-classifier"}
"""Which model predicts classes where another predicts numbers."""


def has_target(kind: type[Any]) -> bool:
    """Whether an estimator is fitted to a target."""
    return kind.__name__ in group("regressors")


def check_target(model: str, kind: type[Any], target: str | None) -> None:
    """Refuse a target that is missing, and one that there is no use for."""
    if has_target(kind) and target is None:
        raise Refusal(f"--model {model} predicts a column: say which with --target, e.g. --target y")
    if target is not None and not has_target(kind):
        raise Refusal(f"the {model} has no target; leave out --target, or take a model that predicts, such as --model rbf")


def refuse_labels(who: str, labels: str | None) -> None:
    """Refuse known labels beside a target: no model that predicts a column is told of any."""
    if labels is not None:
        raise Refusal(f"{who} predicts a column, and has no use for known labels; leave out --labels")


def for_target(model: str, table: Any, target: str) -> str:
    """The model that predicts such a column: texts and categories are classes, and so are true and false."""
    from pyarrow import types

    kind = table[target].type
    classes = not is_numeric(kind) or types.is_boolean(kind)
    if classes and model not in (*FOR_CLASSES, *FOR_CLASSES.values()):
        raise Refusal(
            f"column {target!r} holds no numbers, and --model {model} predicts numbers; take {' or '.join(FOR_CLASSES.values())}"
        )
    return FOR_CLASSES.get(model, model) if classes else model


def target_cells(table: Any, target: str, path: Any) -> Any:
    """The target, a table of one column. Raises Refusal naming the first row where it is empty."""
    column = table[target].combine_chunks()
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise Refusal(f"{str(path)!r}: the target {target!r} is empty in row {row}; leave the row out")
    return table.select([target])
