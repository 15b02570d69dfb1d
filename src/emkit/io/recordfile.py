"""Files of fitted estimators that are no engine models: a record of arrays, numbers and further records, with its settings."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emkit._version import __version__
from emkit.core.columns import Columns
from emkit.core.describe import describe, name_of, rebuild
from emkit.core.errors import ModelFileError
from emkit.io.container import read, write
from emkit.io.modelfile import columns_from, known_classes, schema_of, storable
from emkit.models.rbf import class_network, network
from emkit.models.rbf.evidence import Readout
from emkit.models.rbf.features import Units
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.logits import Logits
from emkit.models.rbf.scaling import Scaling
from emkit.models.rbf.search import Tried

KIND = "record"
_RECORDS = (network.Params, class_network.ClassParams, Scaling, Units, Readout, Logits, Inputs, Tried)


def save_record(
    path: str | os.PathLike[str],
    record: Any,
    *,
    estimator: str,
    settings: Mapping[str, Any],
    columns: Columns,
    more: Mapping[str, Any],
) -> None:
    """Write a fitted estimator, atomically. Raises OSError if that fails, and then the old file survives."""
    arrays: dict[str, np.ndarray] = {}
    header = {
        "kind": KIND,
        "emkit_version": __version__,
        "estimator": estimator,
        "settings": {name: describe(storable(value), arrays, f"settings.{name}") for name, value in settings.items()},
        "columns": schema_of(columns, arrays),
        "record": describe(record, arrays, "record"),
        "more": {name: describe(value, arrays, f"more.{name}") for name, value in more.items()},
    }
    write(path, header, arrays)


def load_record(
    path: str | os.PathLike[str], classes: Sequence[type] = ()
) -> tuple[str, Any, dict[str, Any], Columns, dict[str, Any], str]:
    """Estimator, record, settings, columns, what else was saved, and the version that wrote it.

    Raises
    ------
    FileNotFoundError, ModelFileError
        Saying what is wrong with the file.
    """
    header, arrays = read(path, KIND)
    try:
        known = known_classes(classes) | {name_of(kind): kind for kind in _RECORDS}
        record = rebuild(header["record"], arrays, known)
        settings, more = ({name: rebuild(v, arrays, known) for name, v in header[part].items()} for part in ("settings", "more"))
        columns = columns_from(header["columns"], arrays)
        return header["estimator"], record, settings, columns, more, str(header.get("emkit_version", "?"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelFileError):
            raise ModelFileError(f"{os.fspath(path)!r}: {error}") from error
        raise ModelFileError(f"{os.fspath(path)!r}: its description does not make sense ({error!r})") from error
