"""The numbers of episodes in docs/evaluation.md are those that the functions give."""

import re
from pathlib import Path

import pytest

from polymath.evaluation.statistics import independent_episodes, paired_episodes, wilson

PAGE = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text()
DIFFERENCES = (0.05, 0.1, 0.2, 0.3)


def cells(first: str) -> list[str]:
    """The other cells of the one row of a table whose first cell this is."""
    (row,) = re.findall(rf"^\| {re.escape(first)} \|(.*)\|$", PAGE, flags=re.M)
    return [cell.strip() for cell in row.split("|")]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5])
def test_pairs(share):
    possible = [d for d in DIFFERENCES if d <= share]
    expected = [f"{paired_episodes((share + d) / 2, (share - d) / 2):,}" for d in possible]
    expected += [""] * (len(DIFFERENCES) - len(possible))
    assert cells(f"pairs, {share:.0%} discordant".replace("%", " %")) == expected


def test_independent_and_widths():
    expected = [f"{independent_episodes(0.5 + d / 2, 0.5 - d / 2):,}" for d in DIFFERENCES]
    assert cells("of each, not paired, around 50 %") == expected
    numbers = [int(cell.replace(",", "")) for cell in cells("episodes")]
    halves = [(high - low) / 2 for low, high in (wilson(n // 2, n) for n in numbers)]
    assert cells("at 50 %") == [f"{100 * half:.1f}" for half in halves]


def test_average_lengths_of_a_chain():
    for rate, length in ((0.9, 3.69), (0.8, 2.69), (0.5, 0.97)):
        assert sum(rate**k for k in range(1, 6)) == pytest.approx(length, abs=0.005)
        assert f"{length}" in PAGE
    for only_a, only_b in ((0.15, 0.05), (0.25, 0.05), (0.3, 0.1)):
        assert cells(f"{100 * only_a:.0f} %, {100 * only_b:.0f} %")[0] == str(paired_episodes(only_a, only_b))
