"""Files that describe a robot in a way that means nothing: one line with file and field."""

from pathlib import Path

import pytest

from polymath.errors import ConfigError
from polymath.serving.adapters import load

FILE = """name = "my-arm"
[[cameras]]
keys = ["front"]
[[state]]
keys = ["tcp"]
names = ["x", "y"]
units = ["0.02 m", "newton"]
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"my-arm"', '""', r"name: '' cannot stand in \?robot=NAME"),
        ('"my-arm"', '"a/b c?"', r"name: 'a/b c\?' cannot stand"),
        ('"tcp"', '"{camera}"', r"keys: '{camera}' .*braces stand for the cameras alone"),
        ('"front"', '"{cam}"', r"keys: '{cam}' .*braces stand for the cameras alone"),
        ('"0.02 m"', '"0 m"', r"units: '0 m' .*a multiple as in 0.02 m"),
        ('"0.02 m"', '"nan m"', r"units: 'nan m'"),
        ('"0.02 m"', '"two m"', r"units: 'two m'"),
        ('"my-arm"', "[" * 3000 + "]" * 3000, "is nested too deeply"),
        ('"my-arm"', "5", "name: expected str"),
        ('"my-arm"', f'"my-arm"\nrate = {"9" * 5000}', "no valid TOML .*digits"),
        ('"my-arm"', f'"my-arm"\nrate = 1{"0" * 400}', "rate: .*is beyond 1.8e308"),
        ("[[cameras]]", "[cameras]", "cameras: expected a list"),
    ],
)
def test_what_means_nothing_names_file_and_field(before: str, after: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "arm.toml"
    path.write_text(FILE)
    assert load(path).name == "my-arm"
    path.write_text(FILE.replace(before, after))
    with pytest.raises(ConfigError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
