"""A format of our own: one folder an episode, a table of numbers beside a picture a step.

FOLDER/push_left/instruction.txt    one sentence
FOLDER/push_left/steps.csv          x,gripper,dx,gripper_command and a row a control step
FOLDER/push_left/front/0.jpg …      the picture of each step
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from polymath.data.files.images import Fit, decode, fit
from polymath.data.files.quarantine import OnBad, refuse
from polymath.data.formats.memory import check_vectors
from polymath.data.formats.opening import Format
from polymath.errors import DataError
from polymath_example_plugin.cart import CART

COLUMNS = "x,gripper,dx,gripper_command"


class CsvEpisodes:
    """The episodes below a folder, as `polymath.data.interface.EpisodeSet`: nothing needs to be inherited."""

    embodiment = CART

    def __init__(
        self, path: Path, image_size: int | None = None, on_bad: OnBad = refuse, image_fit: Fit = "stretch"
    ) -> None:
        self.name, self._image_size, self._image_fit = str(path), image_size, image_fit
        self._folders: list[Path] = []
        self._rows: list[np.ndarray] = []
        self._sentences: list[str] = []
        for file in sorted(path.glob("*/steps.csv")):
            try:
                self._add(file)
            except DataError as error:
                on_bad(str(file), file.parent.name, error)  # raises here, or notes it in a preparation's quarantine

    def __len__(self) -> int:
        return len(self._folders)

    def episode_name(self, episode: int) -> str:
        """What errors and quarantine call it, and what `?episodes=` takes."""
        return self._folders[episode].name

    def instruction(self, episode: int) -> str:
        return self._sentences[episode]

    def task(self, episode: int) -> str:
        return self._folders[episode].name

    def states(self, episode: int) -> Float[np.ndarray, "T state_dim"]:
        return self._rows[episode][:, :2]

    def actions(self, episode: int) -> Float[np.ndarray, "T A"]:
        return self._rows[episode][:, 2:]

    def frames(self, episode: int, steps: Sequence[int]) -> UInt8[np.ndarray, "n C height width 3"]:
        pictures = [self._picture(self._folders[episode] / "front" / f"{step}.jpg") for step in steps]
        return np.stack(pictures)[:, None]

    def _picture(self, file: Path) -> UInt8[np.ndarray, "height width 3"]:
        try:
            picture = decode(file.read_bytes(), str(file))
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror}); copy the pictures too", "picture") from None
        return picture if self._image_size is None else fit(picture, self._image_size, self._image_fit)

    def _add(self, file: Path) -> None:
        header, _, body = file.read_text().partition("\n")
        sentence = file.with_name("instruction.txt")
        if header.strip() != COLUMNS or not body.strip():
            raise DataError(f"{file}: the columns are not {COLUMNS} with rows below them", "schema")
        if not sentence.is_file() or not sentence.read_text().strip():
            raise DataError(f"{sentence}: is missing or empty; write what the robot was told", "instruction")
        try:
            rows = np.loadtxt(body.splitlines(), np.float32, delimiter=",", ndmin=2)
        except ValueError as error:
            raise DataError(f"{file}: not a table of numbers ({error}); repair or drop the episode", "schema") from None
        check_vectors(rows, 4, str(file), self.embodiment)
        self._folders.append(file.parent)
        self._rows.append(rows)
        self._sentences.append(sentence.read_text().strip())


def _holds_episodes(path: Path) -> bool:
    return next(iter(path.glob("*/steps.csv")), None) is not None


FORMAT = Format("csv", "episodes", _holds_episodes, CsvEpisodes, "*/steps.csv")
