"""The robot of a LeRobotDataset: ours where meta/embodiment.json describes it, else derived from info.json."""

from dataclasses import replace
from pathlib import Path

from polymath import config
from polymath.data.formats.lerobot.info import Info, dimension_names
from polymath.data.formats.lerobot.keys import Keys
from polymath.errors import ConfigError, DataError
from polymath.types import Embodiment


def read_embodiment(root: Path, info: Info, keys: Keys) -> tuple[Embodiment, Keys]:
    """The robot, and the keys with its cameras in its order. Raises DataError if the two do not fit."""
    file = root / "meta" / "embodiment.json"
    if not file.is_file():
        return derive_embodiment(info, keys), keys
    try:
        robot = config.load(Embodiment, file)
    except ConfigError as error:
        raise DataError(str(error)) from None
    shorts = {feature.short for feature in info.features.values() if feature.is_picture}
    for camera in robot.cameras:
        if camera not in shorts:
            raise DataError(f"{info.file}, features: no camera {camera!r}, but {file} names it; correct one", "schema")
    places = [place for place, camera in enumerate(robot.cameras) if camera in keys.cameras]
    if not places:
        raise DataError(f"{file}, cameras: none of {', '.join(keys.cameras)} is among {', '.join(robot.cameras)}")
    if len(places) < len(robot.cameras):
        robot = _with_cameras(robot, places)
    return robot, replace(keys, cameras={camera: keys.cameras[camera] for camera in robot.cameras})


def _with_cameras(robot: Embodiment, places: list[int]) -> Embodiment:
    """The robot with some of its cameras, each in its role."""
    conventions = robot.conventions
    if conventions is not None:
        roles = tuple(role for place, role in enumerate(conventions.roles) if place in places)
        conventions = replace(conventions, roles=roles)
    return replace(robot, cameras=tuple(robot.cameras[place] for place in places), conventions=conventions)


def derive_embodiment(info: Info, keys: Keys) -> Embodiment:
    """An embodiment from info.json alone, for sets recorded elsewhere; slot 0, every action dimension normalised."""
    return Embodiment(
        name=info.robot_type,
        slot=0,
        cameras=tuple(keys.cameras),
        state_names=_names(info, keys.state),
        action_names=_names(info, keys.action),
        gripper_dims=(),
        control_hz=info.fps,
        action_space="as recorded",
        state_space="as recorded",
    )


def _names(info: Info, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The dimensions of all columns, end to end; with the column before them where that tells two apart."""
    features = [info.vector(column) for column in columns]
    names = [(feature.short, name) for feature in features for name in dimension_names(feature)]
    plain = tuple(name for _, name in names)
    return plain if len(set(plain)) == len(plain) else tuple(f"{column}.{name}" for column, name in names)
