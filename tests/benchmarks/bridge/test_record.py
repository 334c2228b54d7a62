"""What `polymath record bridge` refuses before a simulator starts."""

from pathlib import Path
from typing import Any

import pytest

from polymath.commands.record_benchmarks import Demonstrations, bridge
from polymath.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({}, {"captions": "out"}, "is --out as well"),
        ({"cameras": ("image_1",)}, {"captions": "pairs"}, "are about pictures of image_0"),
        ({}, {"scenes": 4}, "--scenes 4: are for captions"),
        ({}, {"captions": "pairs", "scenes": -1}, "choose at least 0"),
        ({"tasks": ("widowx_open_drawer",)}, {}, "task 'widowx_open_drawer'"),
    ],
)
def test_what_does_not_fit_together_is_named(
    tmp_path: Path, settings: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    paths = {name: tmp_path / value for name, value in options.items() if name == "captions"}
    with pytest.raises(ConfigError, match=message):
        bridge(Demonstrations(tmp_path / "out", **settings), **(options | paths))
    assert not (tmp_path / "out").exists()
