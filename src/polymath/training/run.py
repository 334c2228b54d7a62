"""The run directory: one artefact that train, evaluate and serve read the same way.

RUN/config.json                  the recipe
RUN/tokenizer.json               loads with Hugging Face tokenizers
RUN/embodiment.json              the robot: cameras, state, actions, frequency
RUN/statistics.json              normalisation of state and actions
RUN/data.json                    where the data came from, and the identity of its renderer
RUN/episodes.json                which raw episodes are trained on, and which are held out
RUN/start.json                   which weights the run began with, and their hashes
RUN/loader/PHASE.json            which stream of batches the phase reads: seed, rows, data
RUN/example_batch.safetensors    the first rows of the robot phase, to try the model on
RUN/metrics.jsonl                one line a logged step; RUN/tensorboard holds the same curves
RUN/checkpoints/PHASE/STEP/      weights and optimizer state (orbax)
"""

import errno
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from polymath import config
from polymath.data.robots.statistics import Statistics
from polymath.data.sequences.transforms import RobotTransform
from polymath.errors import CheckpointError, ConfigError
from polymath.files import atomic_write
from polymath.tokenizer import Tokenizer
from polymath.training.claim import clear, has_trained
from polymath.training.continuing import check_continues
from polymath.training.processes import is_first, wait_for_file
from polymath.training.recipe import Recipe
from polymath.types import Batch, Embodiment


@dataclass(frozen=True)
class DataRecord:
    """What a run was trained on. `renderer` is the identity of the simulator's renderer, None for real cameras."""

    pairs: tuple[str, ...]
    robot: tuple[str, ...]
    renderer: str | None = None
    prepared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """An opened run directory. `step`: of the robot checkpoint that was chosen; None: the newest."""

    path: Path
    recipe: Recipe
    tokenizer: Tokenizer
    embodiment: Embodiment
    statistics: Statistics
    data: DataRecord
    step: int | None = None

    @property
    def transform(self) -> RobotTransform:
        """From observations to sequences and from the model's output to actions."""
        recipe = self.recipe
        return RobotTransform(
            recipe.layout, self.tokenizer, self.embodiment, self.statistics, recipe.ablation, recipe.robot.committed
        )

    def checkpoints(self, phase: str) -> Path:
        return self.path / "checkpoints" / phase


def open_run(path: Path) -> Run:
    """Raises ConfigError or DataError naming the file that is missing or does not fit the others."""
    path = Path(path)
    return open_parts(path, config.load(Recipe, path / "config.json"))


def open_parts(path: Path, recipe: Recipe) -> Run:
    """The run of that recipe whose other files stand in the directory. Raises as `open_run` does."""
    tokenizer = Tokenizer.load(path / "tokenizer.json")
    check_tokenizer(recipe, tokenizer, path / "tokenizer.json")
    embodiment = config.load(Embodiment, path / "embodiment.json")
    statistics = config.load(Statistics, path / "statistics.json")
    return Run(path, recipe, tokenizer, embodiment, statistics, config.load(DataRecord, path / "data.json"))


def find_run(
    path: Path, recipe: Recipe, tokenizer: Tokenizer, embodiment: Embodiment, statistics: Statistics, data: DataRecord
) -> Run:
    """The run in that directory if it has trained and learns the same, else a new one, of which nothing is written yet.

    Raises ConfigError naming the first field that cannot change in a run that has trained, see `training.continuing`.
    """
    path = Path(path)
    check_tokenizer(recipe, tokenizer, path / "tokenizer.json")
    if not has_trained(path):
        return Run(path, recipe, tokenizer, embodiment, statistics, data)
    check_continues(config.load(Recipe, path / "config.json"), recipe, path)
    return replace(open_run(path), recipe=recipe)


def create(run: Run) -> Run:
    """Write the run directory, if it has not trained; of several processes the first one does, the others wait for it.

    Of a run that has trained the recipe alone is written, whose execution may have changed.
    """
    path = run.path
    if not is_first():
        wait_for_file(path / "config.json")
    elif has_trained(path):
        config.save(run.recipe, path / "config.json")
    else:
        clear(path)
        run.tokenizer.save(path / "tokenizer.json")
        config.save(run.embodiment, path / "embodiment.json")
        config.save(run.statistics, path / "statistics.json")
        config.save(run.data, path / "data.json")
        config.save(run.recipe, path / "config.json")  # last: its presence says that the directory is complete
    return run


def check_tokenizer(recipe: Recipe, tokenizer: Tokenizer, path: Path) -> None:
    """Raise ConfigError unless the tokenizer has the recipe's vocabulary and control block."""
    for field, size, needed in (
        ("model.decoder.vocabulary", tokenizer.vocab_size, recipe.model.decoder.vocabulary),
        ("control_tokens", tokenizer.control.size, recipe.control_tokens),
    ):
        if size != needed:
            raise ConfigError(
                f"{path}: {size} entries, but {field} of recipe {recipe.name!r} is {needed}; --set "
                f"model.decoder.vocabulary={tokenizer.vocab_size} control_tokens={tokenizer.control.size} makes the "
                "recipe fit it, or leave --tokenizer out"
            )


def save_example_batch(path: Path, batch: Batch) -> None:
    with atomic_write(path) as temporary:
        arrays = {name: np.ascontiguousarray(value) for name, value in batch._asdict().items()}
        save_tensors(temporary, arrays)


def load_example_batch(path: Path) -> Batch:
    """Raises CheckpointError for a file that is missing, damaged or of another kind."""
    try:
        return Batch(**safetensors.numpy.load_file(path))
    except (SafetensorError, OSError, TypeError) as error:
        raise CheckpointError(
            f"{path}: not a whole example batch ({error}); delete it and run `polymath train` again to rewrite it"
        ) from None


def save_tensors(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file. Raises OSError where the library, for a full disk, raises an error of its own."""
    try:
        path.touch()
        mode = path.stat().st_mode  # by the umask; the library writes 0600
        safetensors.numpy.save_file(arrays, path, metadata=metadata)
        path.chmod(mode)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]) if code else errno.EIO, str(error), str(path)) from error
