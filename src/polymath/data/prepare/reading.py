"""One row that cannot be read or made into documents is a DataError of that row, whatever a library raised for it."""

import errno
import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from av.error import FFmpegError
from jaxtyping import Float
from PIL import Image

from polymath.data.formats.memory import check_vectors
from polymath.data.interface import EpisodeSet, episode_name
from polymath.data.robots.relative import ActionForm
from polymath.data.robots.scaling import Normalization
from polymath.data.robots.statistics import RobotAccumulator, Statistics
from polymath.errors import DataError

# What readers, decoders and number conversions raise for damaged content. A missing package (ImportError), a failed
# assertion or a ConfigError is not a row's fault and ends the job.
ROW_ERRORS = (
    ArithmeticError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
    FFmpegError,
    lzma.LZMAError,
    pa.ArrowException,
    struct.error,
    tarfile.TarError,
    zlib.error,
)
MACHINE_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT)
MOST_CHARACTERS = 500  # of a library's message


@contextmanager
def one_row(where: str) -> Iterator[None]:
    """Turn what a library raises for the row `where` into a DataError of kind 'unexpected'.

    What the machine lacks (open files, disk) passes as it is: it would set every row aside.
    """
    try:
        yield
    except ROW_ERRORS as error:
        if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
            raise
        message = " ".join(str(error).split())[:MOST_CHARACTERS]
        raise DataError(f"{where}: {type(error).__name__}: {message}; repair or drop the row", "unexpected") from error


def vectors(rows: EpisodeSet, row: int) -> tuple[Float[np.ndarray, "T state_dim"], Float[np.ndarray, "T A"]]:
    """States and actions of an episode as float32. Raises DataError if they do not fit together or the robot."""
    where, robot = f"{rows.name}: {episode_name(rows, row)}", rows.embodiment
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which is refused below
        states, actions = (np.asarray(rows.states(row), np.float32), np.asarray(rows.actions(row), np.float32))
    check_vectors(states, robot.state_dim, f"{where}.states", robot)
    check_vectors(actions, robot.action_dim, f"{where}.actions", robot)
    if len(states) != len(actions):
        raise DataError(f"{where}.states: {len(states)} steps, but {len(actions)} actions; record both at every step")
    return states, actions


def good_statistics(rows: EpisodeSet, normalization: Normalization, form: ActionForm) -> Statistics:
    """Of the episodes that can be used; preparing their units says what is wrong with the others.

    Raises DataError if there is none, and for actions that cannot be given to a model in that form.
    """
    total, used = RobotAccumulator(rows.embodiment, form, rows.name), 0
    for row in range(len(rows)):
        name = episode_name(rows, row)
        try:
            with one_row(f"{rows.name}: {name}"):
                states, actions = vectors(rows, row)
            total.add(states, actions, name)
        except DataError:
            continue
        used += 1
    if not used:
        raise DataError(
            f"{rows.name}: none of its {len(rows)} episodes can be used; `polymath data inspect` says what is wrong"
        )
    return total.result(normalization)


def printable(text: str) -> str:
    """The text with what UTF-8 cannot hold (half of a surrogate pair) replaced, so that a table can store it."""
    return text.encode("utf-8", "replace").decode()
