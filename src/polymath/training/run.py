"""The run directory: one artefact that train, evaluate and serve read the same way.

RUN/config.json                  the recipe
RUN/tokenizer.json               loads with Hugging Face tokenizers
RUN/embodiment.json              the robot: cameras, state, actions, frequency
RUN/statistics.json              normalisation of state and actions
RUN/robots.json                  of a run of several robots instead of these two: both of each robot
RUN/data.json                    where the data came from, and the identity of its renderer
RUN/episodes.json                which raw episodes are trained on, and which are held out
RUN/changes.jsonl                what was changed on the way of what the run learns (--allow)
RUN/start.json                   which weights the run began with, and their hashes
RUN/loader/PHASE.json            which stream of batches the phase reads: seed, rows, data
RUN/quarantine/PHASE.jsonl       rows that could not be read, for which others stood in
RUN/example_batch.safetensors    the first rows of the robot phase, to try the model on
RUN/metrics.jsonl                one line a logged step; RUN/tensorboard holds the same curves
RUN/checkpoints/PHASE/STEP/      weights and optimizer state (orbax)
"""

import errno
import re
from collections.abc import Sequence
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
from polymath.training import robots
from polymath.training.changes import record
from polymath.training.claim import clear, has_trained
from polymath.training.continuing import changes_of, check_continues
from polymath.training.processes import is_first, wait_for_file
from polymath.training.recipe import Recipe
from polymath.training.robots import Robot, named, only
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
    """An opened run directory, as one of its robots uses it: `of` is the run as another one does.

    `step`: of the robot checkpoint that was chosen; None: the newest. `several`: all robots of a run of several, in the
    order of its sets; empty where the run, or this view of it, has one.
    """

    path: Path
    recipe: Recipe
    tokenizer: Tokenizer
    embodiment: Embodiment
    statistics: Statistics
    data: DataRecord
    step: int | None = None
    several: tuple[Robot, ...] = ()

    @property
    def robots(self) -> tuple[Robot, ...]:
        """The robots that a policy of this run drives."""
        return self.several or (Robot(self.embodiment, self.statistics, self.data.robot, self.data.renderer),)

    def of(self, name: str) -> "Run":
        """The run for one robot alone, with its statistics. Raises ConfigError for another name than the robots'."""
        robot = named(self.robots, name, str(self.path))
        data = replace(self.data, robot=robot.sets, renderer=robot.renderer)
        return replace(self, embodiment=robot.embodiment, statistics=robot.statistics, data=data, several=())

    @property
    def transform(self) -> RobotTransform:
        """From observations to sequences and from the model's output to actions."""
        recipe = self.recipe
        return RobotTransform(
            recipe.layout, self.tokenizer, self.embodiment, self.statistics, recipe.ablation, recipe.robot.committed
        )

    def checkpoints(self, phase: str) -> Path:
        return self.path / "checkpoints" / phase


def open_run(path: Path, embodiment: str | None = None) -> Run:
    """The run for the robot of that name, which a run of one robot needs not name.

    Raises ConfigError or DataError naming the file that is missing or does not fit the others, and ConfigError for an
    unknown robot, or for none of several.
    """
    run = open_whole(path)
    return run.of(only(run.robots, str(path)).name if embodiment is None else embodiment)


def open_run_for(path: Path, robot: str) -> Run:
    """The run for the robot of that name where it has several to choose from, else as it is. Raises as `open_run`."""
    run = open_whole(path)
    return run.of(robot) if run.several else run


def open_whole(path: Path) -> Run:
    """The run with all its robots, for what is the same for each: recipe, tokenizer, weights. Raises as `open_run`."""
    path = Path(path)
    return open_parts(path, config.load(Recipe, path / "config.json"))


def open_parts(path: Path, recipe: Recipe) -> Run:
    """The run of that recipe whose other files stand in the directory. Raises as `open_run` does."""
    tokenizer = Tokenizer.load(path / "tokenizer.json")
    check_tokenizer(recipe, tokenizer, path / "tokenizer.json")
    return of_robots(path, recipe, tokenizer, robots.load(path), config.load(DataRecord, path / "data.json"))


def of_robots(path: Path, recipe: Recipe, tokenizer: Tokenizer, drives: Sequence[Robot], data: DataRecord) -> Run:
    """The run of these robots, one or several."""
    several = tuple(drives) if len(drives) > 1 else ()
    return Run(path, recipe, tokenizer, drives[0].embodiment, drives[0].statistics, data, several=several)


def find_run(
    path: Path,
    recipe: Recipe,
    tokenizer: Tokenizer,
    embodiment: Embodiment,
    statistics: Statistics,
    data: DataRecord,
    several: tuple[Robot, ...] = (),
    allowed: Sequence[str] = (),
) -> Run:
    """The run in that directory if it has trained and learns the same, else a new one, of which nothing is written yet.

    Raises ConfigError naming the first field that cannot change in a run that has trained, see `training.continuing`,
    which has `allowed` too.
    """
    path = Path(path)
    check_tokenizer(recipe, tokenizer, path / "tokenizer.json")
    if not has_trained(path):
        return Run(path, recipe, tokenizer, embodiment, statistics, data, several=several)
    check_continues(config.load(Recipe, path / "config.json"), recipe, path, allowed)
    return replace(open_whole(path), recipe=recipe)


def create(run: Run) -> Run:
    """Write the run directory, if it has not trained; of several processes the first one does, the others wait for it.

    Of a run that has trained the recipe alone is written, whose execution may have changed, and what was declared to
    change of what it learns.
    """
    path = run.path
    if not is_first():
        wait_for_file(path / "config.json")
    elif has_trained(path):
        record(changes_of(config.load(Recipe, path / "config.json"), run.recipe), path)
        config.save(run.recipe, path / "config.json")
    else:
        clear(path)
        run.tokenizer.save(path / "tokenizer.json")
        robots.save(run.robots, path)
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
