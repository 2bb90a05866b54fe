"""Questions that a verdict takes, simulated. `python -m tests.test_statistics_spending` prints the table.

Every question is worse, equal or better than in the baseline; whole runs are drawn and asked in random order, 32 at a
time. Ten per cent discordance is 5 % worse and 5 % better. A drop of 15 points has 15 % more worse than better, and is
the costlier the more are better.
"""

import sys

import numpy as np
import pytest

from thresholds.statistics.betting import Wager

BLOCK = 32
MARGIN = 0.05
REPEATS = {410: 2000, 1319: 600, 10_042: 100}


def spent(questions: int, worse: float, better: float, alpha: float = 0.05) -> tuple[float, float]:
    """The mean share of questions used, and the share of runs decided against the mean of all of their questions."""
    draw = np.random.default_rng(20260117)
    used = wrong = 0
    for _ in range(REPEATS[questions]):
        drawn = draw.random(questions)
        changes = np.where(drawn < worse, -1.0, np.where(drawn < worse + better, 1.0, 0.0))
        wager = Wager(-MARGIN, alpha, -1.0, 1.0, questions)
        wager.add(changes)
        assert wager.decided is not None
        used += min(questions, -(-wager.decided // BLOCK) * BLOCK)
        wrong += wager.above != (changes.mean() >= -MARGIN)
    return used / questions / REPEATS[questions], wrong / REPEATS[questions]


@pytest.mark.parametrize(("questions", "most"), [(410, 0.45), (1319, 0.25), (10_042, 0.06)])
def test_no_change_at_ten_per_cent_discordance_takes_few_questions(questions: int, most: float) -> None:
    used, wrong = spent(questions, 0.05, 0.05)

    assert used <= most
    assert wrong <= 0.02


@pytest.mark.parametrize(("worse", "better"), [(0.15, 0.0), (0.175, 0.025)])
@pytest.mark.parametrize(("questions", "most"), [(410, 0.26), (1319, 0.10), (10_042, 0.02)])
def test_a_drop_of_15_points_takes_fewer(questions: int, most: float, worse: float, better: float) -> None:
    used, wrong = spent(questions, worse, better)

    assert used <= most
    assert wrong <= 0.02


@pytest.mark.parametrize(("questions", "most"), [(410, 0.33), (1319, 0.13), (10_042, 0.02)])
def test_a_drop_of_15_points_beneath_ten_per_cent_of_noise_takes_little_more(questions: int, most: float) -> None:
    # With the truth known in advance the best bets would still take 28 % of 410: 24 % and half a block.
    assert spent(questions, 0.20, 0.05)[0] <= most


@pytest.mark.parametrize("questions", [410, 1319])
def test_a_run_at_the_margin_itself_is_decided_wrongly_in_at_most_5_of_100(questions: int) -> None:
    assert spent(questions, 0.075, 0.025)[1] <= 0.05


def main() -> None:
    """Print the table at one level of error and at a twelfth of it."""
    sys.stdout.write("share of the questions used, and decided against the whole run; margin 5 points, blocks of 32\n")
    cases = {
        "no change, 10 % discordant": (0.05, 0.05),
        "no change, 3 % discordant": (0.015, 0.015),
        "no change, 20 % discordant": (0.10, 0.10),
        "drop of 15: 15 % worse, 0 % better": (0.15, 0.0),
        "drop of 15: 17.5 % worse, 2.5 % better": (0.175, 0.025),
        "drop of 15: 20 % worse, 5 % better": (0.20, 0.05),
        "drop of 5, the margin itself": (0.075, 0.025),
    }
    for name, (worse, better) in cases.items():
        for questions in REPEATS:
            row = [spent(questions, worse, better, alpha) for alpha in (0.05, 0.05 / 12)]
            told = "   ".join(f"{used:6.1%} wrong {wrong:5.2%}" for used, wrong in row)
            sys.stdout.write(f"{name:40s} n={questions:6,}   alpha 0.05, 0.05/12:  {told}\n")


if __name__ == "__main__":
    main()
