"""The episodes of one policy on one benchmark, one JSON line each, written as they end; reading it back resumes.

    {"identity": {"benchmark": "metaworld", "policy": "polymath-v", "renderer": "raycast", …, "hash": "3f2a9c0b7d51"}}
    {"task": "button-left", "split": "seen", "seed": 900001, "success": true, "steps": 31, "seconds": 2.1,
     "instruction": "press the left button", "score": 1.0, "measures": {}, "renderer": "raycast",
     "policy": "polymath-v"}
    …

The file belongs to one identity. A line cut short by a crash is dropped on reopening, and its episode run again.
"""

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

from polymath import config
from polymath.errors import ConfigError, DataError
from polymath.evaluation.episode_result import EpisodeResult
from polymath.evaluation.identity import Identity
from polymath.evaluation.rollout import EpisodeKey
from polymath.files import atomic_write, disk_errors


class EpisodeLog:
    """The JSONL file at `path`, created for `identity` if absent; `results` holds all its episodes.

    Raises ConfigError naming the field if the file was written for another identity, DataError naming the line if it is
    not readable.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path, self.identity = Path(path), identity
        if not self.path.exists():
            with atomic_write(self.path) as temporary:
                temporary.write_text(json.dumps({"identity": identity.as_json()}) + "\n")
        recorded, self.results = read_episodes(self.path)
        _check_same(self.path, recorded, identity)
        _drop_cut_line(self.path)

    def append(self, result: EpisodeResult) -> None:
        """Add one episode; it is on disk when this returns."""
        row = result.key._asdict() | {"success": result.success, "steps": result.steps, "seconds": result.seconds}
        row |= {"instruction": result.instruction, "score": result.score, "measures": result.measures}
        row |= {"renderer": self.identity.renderer, "policy": self.identity.policy}
        with disk_errors(self.path), self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.results[result.key] = result


def read_episodes(path: Path) -> tuple[Identity, dict[EpisodeKey, EpisodeResult]]:
    """Identity and episodes of a log, without a cut last line. Raises DataError naming file and line if unreadable."""
    try:
        lines = Path(path).read_text().split("\n")[:-1]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is this an evaluation written by `polymath eval`?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); name an episode log of `polymath eval`") from None
    if not lines:
        raise DataError(f"{path}: empty; remove it and evaluate again")
    header = _json(path, 1, lines[0])
    if "identity" not in header:
        raise DataError(f"{path}, line 1: field 'identity' is missing; is this an episode log of `polymath eval`?")
    identity = config.from_dict(Identity, header["identity"], where=f"{path}, line 1")
    results: dict[EpisodeKey, EpisodeResult] = {}
    for number, line in enumerate(lines[1:], start=2):
        result = _result(path, number, line)
        former = results.setdefault(result.key, result)
        if (former.success, former.score) != (result.success, result.score):
            raise DataError(
                f"{path}, line {number}: {result.key} is there already, with another result; remove one line"
            )
    return identity, results


def _result(path: Path, number: int, line: str) -> EpisodeResult:
    row = _json(path, number, line)
    try:
        key = EpisodeKey(str(row["task"]), str(row["split"]), int(row["seed"]))
        success, steps, seconds = bool(row["success"]), int(row["steps"]), float(row["seconds"])
        score = float(row.get("score", success))
        measures = {str(name): float(value) for name, value in dict(row.get("measures", {})).items()}
        result = EpisodeResult(key, success, steps, seconds, str(row["instruction"]), score, measures)
    except KeyError as error:
        raise DataError(f"{path}, line {number}: field {error} is missing; remove the line to run it again") from None
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}, line {number}: not an episode ({error}); remove the line to run it again") from None
    for name, value in {"score": score, **measures}.items():
        if not math.isfinite(value) or (name == "score" and value < 0):
            raise DataError(f"{path}, line {number}: {name} is {value}; remove the line to run it again")
    return result


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not JSON ({error}); remove the line to run it again") from None


def _drop_cut_line(path: Path) -> None:
    data = path.read_bytes()
    complete = data.rfind(b"\n") + 1
    if complete < len(data):
        os.truncate(path, complete)


def _check_same(path: Path, recorded: Identity, ours: Identity) -> None:
    for each in dataclasses.fields(Identity):
        there, here = getattr(recorded, each.name), getattr(ours, each.name)
        if there != here:
            raise ConfigError(
                f"{path}: its episodes were run with {each.name} = {there!r}, this evaluation has {here!r}; "
                "evaluate into another directory, or remove the file to start afresh"
            )
