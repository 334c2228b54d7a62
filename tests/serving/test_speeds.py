"""What a start measured is known to the next one, for the same model on the same machine alone."""

import logging
from pathlib import Path

import pytest

from polymath.policy import Policy
from polymath.policy.decoding import Decoding
from polymath.serving.speeds import known_speeds, remember_speeds


def test_speeds_are_known_to_the_next_start(tmp_path: Path, policies: dict[str, Policy]) -> None:
    assert known_speeds(tmp_path, policies["plain"]) == {}
    remember_speeds(tmp_path, policies["plain"], {1: 0.25, 8: 0.5})
    remember_speeds(tmp_path, policies["plain"], {2: 0.125, 8: 9.0})
    assert known_speeds(tmp_path, policies["plain"]) == {1: 0.25, 2: 0.125, 8: 9.0}


def test_another_model_and_another_decoding_are_measured_by_themselves(
    tmp_path: Path, policies: dict[str, Policy]
) -> None:
    plain = policies["plain"]
    remember_speeds(tmp_path, plain, {1: 0.25})
    assert known_speeds(tmp_path, policies["streaming"]) == {}
    assert known_speeds(tmp_path, Policy(plain.run, plain.params, "tokens", Decoding("tokens"))) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"1": "x"}', '{"x": 1}', '{"1": null}', "[" * 100_000, f'{{"1": 1{"0" * 400}}}']
)
def test_a_damaged_file_is_logged_and_measured_anew(
    tmp_path: Path, policies: dict[str, Policy], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    remember_speeds(tmp_path, policies["plain"], {1: 0.25})
    (file,) = tmp_path.glob("speeds-*.json")
    file.write_text(text)
    with caplog.at_level(logging.WARNING, "polymath.serving"):
        assert known_speeds(tmp_path, policies["plain"]) == {}
    assert [(record.getMessage(), record.file) for record in caplog.records] == [("speeds not read", str(file))]
    remember_speeds(tmp_path, policies["plain"], {1: 0.5})
    assert known_speeds(tmp_path, policies["plain"]) == {1: 0.5}


def test_times_that_none_can_be_are_measured_anew(tmp_path: Path, policies: dict[str, Policy]) -> None:
    remember_speeds(tmp_path, policies["plain"], {1: 0.25})
    (file,) = tmp_path.glob("speeds-*.json")
    file.write_text('{"1": NaN, "2": -1, "4": 0, "8": 0.5}')
    assert known_speeds(tmp_path, policies["plain"]) == {8: 0.5}


def test_a_folder_that_cannot_be_written_to_is_logged(
    tmp_path: Path, policies: dict[str, Policy], caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with caplog.at_level(logging.WARNING, "polymath.serving"):
        remember_speeds(place, policies["plain"], {1: 0.25})
    assert [record.getMessage() for record in caplog.records] == ["speeds not kept"]
