"""What a quasi-Newton method remembers of the objective's curvature, and the step it makes of it.

L-BFGS as in Nocedal and Wright (2006), Numerical Optimization, section 7.2, for a maximum: a turn is the slope before a move
less that after it, so that along a move the objective bends by move . turn.
"""

from dataclasses import dataclass

import numpy as np

_BENDS = 1e-10  # a pair whose cosine is smaller says nothing


@dataclass(frozen=True)
class Curvature:
    """Pairs of moves and turns, (m, n) each, the latest last."""

    moves: np.ndarray
    turns: np.ndarray

    @classmethod
    def unknown(cls, n: int) -> "Curvature":
        """Of n coordinates, nothing known."""
        return cls(np.zeros((0, n)), np.zeros((0, n)))

    @property
    def pairs(self) -> int:
        """How many are known."""
        return len(self.moves)

    def learned(self, move: np.ndarray, turn: np.ndarray, information: np.ndarray, most: int) -> "Curvature":
        """With a further pair, if the objective bends downward along it; the latest ``most`` are kept."""
        with np.errstate(all="ignore"):
            bend, size = float(move @ turn), float(np.sqrt((move * information) @ move * (turn @ over(turn, information))))
        if not (np.isfinite(bend) and np.isfinite(size) and bend > _BENDS * size):
            return self
        return Curvature(np.vstack([self.moves, move])[-most:], np.vstack([self.turns, turn])[-most:])

    def step(self, slope: np.ndarray, information: np.ndarray) -> np.ndarray:
        """H slope, where H is about minus the inverse of the Hessian: the compact form, equation 7.24.

        It begins with the diagonal that ``information`` gives, scaled by the latest pair (equation 7.20) but never below 1: the
        data say less than they would if nothing were hidden. Sums do not go through BLAS, whose order depends on its threads.
        Along a coordinate without information there is no step, however far earlier moves went along it.
        """
        first = over(slope, information)
        if not self.pairs:
            return first
        scaled = over(self.turns, information)
        products = np.einsum("in,jn->ij", self.moves, self.turns)
        bends, curved = np.diagonal(products), np.einsum("in,jn->ij", self.turns, scaled)
        factor = max(1.0, float(bends[-1] / curved[-1, -1])) if curved[-1, -1] > 0 else 1.0
        upper = np.triu(products)
        shares = np.linalg.solve(upper, np.einsum("in,n->i", self.moves, slope))
        rest = bends * shares + factor * np.einsum("ij,j->i", curved, shares) - factor * np.einsum("in,n->i", scaled, slope)
        along = np.linalg.solve(upper.T, rest)
        step = factor * (first - np.einsum("i,in->n", shares, scaled)) + np.einsum("i,in->n", along, self.moves)
        return np.asarray(np.where(information > 0, step, 0.0))


def bend(move: np.ndarray, turn: np.ndarray, information: np.ndarray) -> float:
    """How much the objective bends downward along a move, as a share of what ``information`` says; 1 where that is not known."""
    bent, whole = float(move @ turn), float((move * information) @ move)
    return bent / whole if 0.0 < bent < whole else 1.0


def over(slope: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Slope / information; along a coordinate without any, no step."""
    return np.asarray(np.where(information > 0, slope / np.where(information > 0, information, 1.0), 0.0))
