"""A run's prepared sets of episodes: which robot it drives, and whether they were prepared as the run reads them."""

from collections.abc import Sequence

from polymath.data.loading.prepared import PreparedFolder
from polymath.data.robots.checks import check_grippers
from polymath.data.robots.relative import ActionForm, subtracted_entries
from polymath.data.robots.scaling import Normalization
from polymath.errors import ConfigError


def check_prepared(folder: PreparedFolder, normalization: Normalization, form: ActionForm) -> None:
    """Raise ConfigError, with both sides, unless the folder's actions were given and scaled as the run's are.

    Raises DataError for a gripper outside [-1, 1], and for actions that cannot be given in the run's form.
    """
    robot, statistics = folder.robot()
    check_grippers(robot, statistics.action, str(folder.path))
    subtracted = subtracted_entries(robot, form, str(folder.path))
    ours = {"action_normalization": normalization, "action_representation": form.representation}
    theirs = {"action_normalization": statistics.normalization, "action_representation": form.representation}
    if statistics.subtracted != subtracted:
        theirs["action_representation"] = "delta" if statistics.subtracted else "recorded"
    for field, value in theirs.items():
        if value != ours[field]:
            raise ConfigError(
                f"{folder.path}: was prepared with {field}={value}, but the recipe has {ours[field]}; --set "
                f"{field}={value}, or prepare it again"
            )
    if statistics.subtracted != subtracted:
        stay = [name for name, entry in zip(robot.action_names, statistics.subtracted, strict=True) if entry is None]
        raise ConfigError(
            f"{folder.path}: was prepared with other absolute_actions than the recipe's: {', '.join(stay) or 'none'} "
            "stay absolute there, grippers included; --set absolute_actions to the same, or prepare it again"
        )


def driven_folder(folders: Sequence[PreparedFolder], controls: str | None) -> PreparedFolder:
    """The folder of the robot that the run is for, by its name. ConfigError if there is none, or several."""
    named = ", ".join(f"{folder.path.name} ({folder.robot()[0].name})" for folder in folders) or "none"
    chosen = [folder for folder in folders if controls is None or folder.path.name == controls]
    if not chosen:
        raise ConfigError(f"--data: a run is for one robot, but its episodes are: {named}; name a set of them")
    if len({folder.robot() for folder in chosen}) > 1:
        raise ConfigError(
            f"--data: holds several robots, {named}; choose the one that the run is for with --controls FOLDER"
        )
    return chosen[0]
