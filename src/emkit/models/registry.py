"""From the JSON description of a model back to the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ModelFileError
from emkit.core.model import Model
from emkit.core.prior import Dirichlet
from emkit.families.registry import family_from_description
from emkit.models.hmm import HiddenMarkov
from emkit.models.mixture import Mixture


def model_from_description(description: Mapping[str, Any]) -> Model[Any, Any]:
    """Inverse of ``Model.describe``. Raises ModelFileError for a kind this version does not know."""
    kind = description.get("model")
    if kind == "hmm":
        return HiddenMarkov.from_description(description)
    if kind != "mixture":
        raise ModelFileError(f"unknown model {kind!r}; this emkit knows hmm and mixture")
    prior = description["prior"]
    return Mixture(
        family_from_description(description["family"]),
        int(description["n_components"]),
        None if prior is None else Dirichlet(prior["concentration"]),
        {key: np.array(value) for key, value in description["fixed"].items()},
        {key: np.array(value) for key, value in description["start_values"].items()},
        description["seeding"],
    )
