"""Shares by hand: 8 and 1 bytes at alpha 1/3 weigh 2 : 1."""

import math

import pytest

from polymath.errors import ConfigError
from polymath.tokenizer.sampling import Draw, draws, sample


def test_as_it_is_by_default() -> None:
    assert draws({"de": 5, "fr": 500}) == {"de": Draw(1.0, 1.0), "fr": Draw(1.0, 1.0)}


def test_shares_follow_the_power_law() -> None:
    found = draws({"en": 8_000_000, "sw": 1_000_000}, alpha=1 / 3)
    assert math.isclose(found["en"].keep, 6 / 8)
    assert found["en"].weight == 1.0
    assert found["sw"].keep == 1.0
    assert math.isclose(found["sw"].weight, 3.0)


def test_a_small_language_is_not_repeated_without_end() -> None:
    assert draws({"en": 10**9, "sw": 10**3}, alpha=0.0)["sw"].weight == 16.0


def test_a_smaller_total_takes_less_of_everything() -> None:
    assert draws({"en": 100, "de": 300, "xx": 0}, total=200) == {"en": Draw(0.5, 1.0), "de": Draw(0.5, 1.0)}


def test_sampling_is_repeatable_and_about_as_large_as_asked() -> None:
    texts = [str(i) for i in range(50_000)]
    found = list(sample(texts, 0.2, (0, 3)))
    assert found == list(sample(texts, 0.2, (0, 3)))
    assert found != list(sample(texts, 0.2, (0, 4)))
    assert abs(len(found) - 10_000) < 4 * math.sqrt(50_000 * 0.2 * 0.8)  # four standard deviations
    assert list(sample(texts, 1.0, (0, 3))) == texts


@pytest.mark.parametrize(
    ("sizes", "alpha", "total", "message"),
    [({"en": 1}, 1.5, None, "alpha"), ({"en": 1}, 0.3, 0.0, "sample"), ({"en": 0}, 0.3, None, "no text")],
)
def test_what_makes_no_sense_is_refused(sizes: dict[str, int], alpha: float, total: float | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draws(sizes, alpha, total)
