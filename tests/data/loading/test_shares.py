"""How much a set counts, as options behind its name; the reader's own options stay."""

import pytest

from polymath.data.loading.shares import Share, split
from polymath.errors import ConfigError


def test_names_and_what_they_say() -> None:
    assert split("pairs") == ("pairs", Share())
    assert split("pairs?weight=3") == ("pairs", Share(3.0))
    name = "rlds:bridge?split=val&loss_weight=0.5&loss_per=document"
    assert split(name) == ("rlds:bridge?split=val", Share(1.0, 0.5, "document"))
    assert split("hdf5:a.hdf5?instruction=lift it&weight=2") == ("hdf5:a.hdf5?instruction=lift it", Share(2.0))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pairs?weight=much", r"pairs\?weight=much, weight: 'much' is no positive number"),
        ("pairs?weight=0", "weight: '0' is no positive number; leave a set out to skip it"),
        ("pairs?loss_weight=nan", "loss_weight: 'nan' is no positive number"),
        ("pairs?loss_per=row", "loss_per: 'row'; choose token or document"),
    ],
)
def test_options_that_say_nothing(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        split(name)


def test_an_option_twice_is_an_error() -> None:
    with pytest.raises(ConfigError, match="leave out what stands there twice"):
        split("pairs?weight=2&weight=3")
