"""Which values ran to a bound, or to infinity, where the likelihood has no maximum inside: what no standard error is of."""

from typing import Any

import numpy as np


class RunsAway:
    """Part of whatever declares parameters. You may implement ``own_away``; you get ``away``, that of all its parts too."""

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Of its own parameters that can: 1 where an entry ran up, to infinity or a bound that stands for it, -1 down, else 0."""
        return {}

    def away(self: Any, params: Any) -> dict[str, np.ndarray]:
        """The same by name and in the shapes that users see, parts included; what is not named cannot run away."""
        out = {name: self.parameter(name).show(value) for name, value in self.own_away(params).items()}
        for child in self.children:
            for name, value in self.part(child).away(child.of(params)).items():
                out[self.outer(child, name)] = self.show_part(child, name, value)
        return out
