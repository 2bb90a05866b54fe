"""How often a session may be wrong by chance, and how much of that each of its decisions may spend."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorLevel:
    """An error level for everything that a session decides, divided evenly (Bonferroni).

    Attributes:
        family: Chance that any gate of the session claims something wrong, at most.
        gates: Decisions that share it.
        looks: How often each may be decided anew, because runs are added while it is inconclusive.
        repeat: 1 for a first session; k for the k-th that adds evidence to the same question. The k-th may spend
            6 / (pi k)^2 of the level, which sums to all of it however often it is repeated.
    """

    family: float = 0.05
    gates: int = 1
    looks: int = 1
    repeat: int = 0

    @property
    def alpha(self) -> float:
        """The error level of one look."""
        share = 6 / (math.pi * self.repeat) ** 2 if self.repeat else 1.0
        return self.family * share / (self.gates * self.looks)

    @property
    def told(self) -> str:
        """In words."""
        shared = [f"{self.gates} gates"] if self.gates > 1 else []
        shared += [f"{self.looks} looks"] if self.looks > 1 else []
        again = f", evidence of {self.repeat} sessions" if self.repeat > 1 else ""
        return (
            f"{self.family:g}" + (f" over {' x '.join(shared)}" if shared else "") + f"{again}: {self.alpha:.2g} each"
        )
