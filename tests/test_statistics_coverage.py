"""How often 95 % intervals of a score cover what they speak of. `python -m tests.test_statistics_coverage` prints it.

The true score is drawn from a neighbourhood: at one fixed share the coverage of any interval of a count jumps (Brown,
Cai and DasGupta, Interval Estimation for a Binomial Proportion, 2001), so that none covers 93-97 % at each.
"""

import math
import sys
from itertools import product

import numpy as np
import pytest

from thresholds.statistics.means import UNSEEN, interval, question_error, rerun_error

NEAR = {"0": (0.0, 0.04), "0.5": (0.45, 0.55), "0.99": (0.97, 1.0)}
NOISE = (0.0, 0.03, 0.1)
"""Share of items that flip between two identical runs; near an end, at most what half of the rarer answers explains."""
SESSIONS = 2000
CELLS = list(product((50, 410, 1319), (1, 2, 4), NEAR, NOISE))


def covered(items: int, runs: int, near: str, noise: float) -> tuple[float, float, float]:
    """Shares of sessions whose question interval and rerun interval cover, and the flips between two runs.

    An item is known or not, and each of its answers is the other one with the chance f, 2 f (1 - f) the noise. Other
    questions are other draws of what is known; another run of the same ones is other answers.
    """
    draw = np.random.default_rng(20260117)
    of_questions = of_rerun = flips = 0.0
    for score in np.linspace(*NEAR[near], SESSIONS):
        slip = min((1 - math.sqrt(1 - 2 * noise)) / 2, score / 2, (1 - score) / 2)
        known = draw.random(items) < (score - slip) / (1 - 2 * slip)
        chances = np.where(known, 1 - slip, slip)
        rows = (draw.random((runs, items)) < chances).astype(float)
        mean, error = float(rows.mean()), question_error(rows, unseen=UNSEEN)
        assert error is not None
        low, high = interval(mean, error, 0.95, 0, 1)
        of_questions += low <= score <= high
        error = rerun_error(rows, UNSEEN)
        if error is not None:
            low, high = interval(mean, error, 0.95, 0, 1)
            of_rerun += low <= chances.mean() <= high
        flips += 2 * slip * (1 - slip) * items
    return of_questions / SESSIONS, of_rerun / SESSIONS, flips / SESSIONS


@pytest.mark.parametrize(("items", "runs", "near", "noise"), CELLS)
def test_95_percent_intervals_cover(items: int, runs: int, near: str, noise: float) -> None:
    of_questions, of_rerun, flips = covered(items, runs, near, noise)

    assert 0.93 <= of_questions <= 0.97
    if runs > 1:
        few = flips < 8  # of a few flips none may show: the interval is wider, and the count jumps
        assert of_rerun >= (0.9 if few else 0.93)
        assert of_rerun <= (1.0 if few else 0.97)


def main() -> None:
    """Print the table."""
    sys.stdout.write("items  runs  near   noise  flips   other questions   another run\n")
    for items, runs, near, noise in CELLS:
        of_questions, of_rerun, flips = covered(items, runs, near, noise)
        rerun = f"{of_rerun:11.1%}" if runs > 1 else "    unknown"
        sys.stdout.write(
            f"{items:5d}  {runs:4d}  {near:>4s}  {noise:5.0%}  {flips:6.1f}  {of_questions:15.1%}  {rerun}\n"
        )


if __name__ == "__main__":
    main()
