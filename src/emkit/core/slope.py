"""How the objective changes with the free parameters, from the statistics that the E-step has anyway.

By Fisher's identity the gradient of the log-likelihood is that of Q, the expected complete-data log-likelihood, at the
parameters that the statistics were taken at (Louis 1982, JRSS B 44, 226-233). A family says how Q changes with its parameters
as they are; the chain rule of the coordinates that ``pack`` uses stands in the domains, once.
"""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_Arrays = Mapping[str, np.ndarray]


class Sloped(ABC):  # noqa: B024 - nothing has to be said: without slopes there is plain EM
    """Slopes of families and models; a mixture of a family that says its ``gradient`` and ``curvature`` has them too."""

    def gradient(self, stats: Any, params: Any) -> _Arrays | None:
        """Derivatives of Q with respect to the entries of each declared parameter, by name; None if it does not say.

        The priors in ``priors`` are added afterwards; one that has its log prior in another way adds that here.
        """
        return None

    def curvature(self, stats: Any, params: Any) -> _Arrays | None:
        """Information about each entry of each declared parameter were nothing hidden, by name; None if it does not say."""
        return None

    def refuse_collapse(self: Any, params: Any) -> None:
        """Raise CollapseError where the likelihood is unbounded, as the M-step does."""
        for child in self.children:
            self.part(child).refuse_collapse(child.of(params))

    def slope(self: Any, stats: Any, params: Any) -> np.ndarray | None:
        """Gradient of the objective, log-likelihood plus log prior, in the coordinates of ``pack``; None if a part does not say.

        ``stats`` must have been taken at ``params``.
        """
        parts = (self.part(c).slope(c.of(stats), c.of(params)) for c in self.children)
        return _joined([*self.slopes(stats, params), *parts])

    def information(self: Any, stats: Any, params: Any) -> np.ndarray | None:
        """Diagonal of the complete-data information in the coordinates of ``pack``, priors included; None if a part does not say.

        Dividing by it makes steps independent of the units of the data.
        """
        parts = (self.part(c).information(c.of(stats), c.of(params)) for c in self.children)
        return _joined([*self.informations(stats, params), *parts])

    def slopes(self, stats: Any, params: Any) -> list[np.ndarray | None]:
        """The ``slope`` of each declared parameter, without the parts'; a None where it is not known."""
        return _pieces(
            self, self.gradient(stats, params), params,
            lambda prior, value: prior.gradient(value), lambda domain, *about: domain.pull(*about),
        )  # fmt: skip

    def informations(self, stats: Any, params: Any) -> list[np.ndarray | None]:
        """The ``information`` about each declared parameter, without the parts'; a None where it is not known."""
        return _pieces(
            self, self.curvature(stats, params), params,
            lambda prior, value: prior.curvature(value), lambda domain, *about: domain.pull_information(*about),
        )  # fmt: skip


def _pieces(
    owner: Any, of_q: _Arrays | None, params: Any, of_prior: Callable[..., Any], in_coordinates: Callable[..., Any]
) -> list[np.ndarray | None]:
    """For each declared parameter what is said of it, with its prior's, in coordinates; a None where somebody does not say."""
    if of_q is None:
        return [None]
    values, pieces = owner.own(params), []
    for p in owner.parameters:
        value, said = values[p.name], of_q[p.name]
        if p.name in owner.priors:
            more = of_prior(owner.priors[p.name], value)
            if more is None:
                return [None]
            said = said + more
        pieces.append(in_coordinates(p.domain, said, value, owner.held(p.name, value.shape)))
    return pieces


def _joined(pieces: list[np.ndarray | None]) -> np.ndarray | None:
    known = [piece for piece in pieces if piece is not None]
    return None if len(known) < len(pieces) else np.concatenate([np.zeros(0), *known])
