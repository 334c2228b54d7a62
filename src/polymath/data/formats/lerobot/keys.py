"""Which columns of a LeRobot data set are its cameras, its state, its action and its instruction.

Unless named, cameras are all colour pictures, and vectors go by the names that public sets use: observation.state and
action (lerobot), state and actions (openpi).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from polymath.data.formats.lerobot import layout as fmt
from polymath.data.formats.lerobot.info import Feature, Info
from polymath.errors import DataError

STATES = (fmt.STATE, "state", "observation.states", "states")
ACTIONS = (fmt.ACTION, "actions")
TASK = "task_index"


@dataclass(frozen=True)
class Keys:
    """`cameras`: name -> column. Vectors of several columns are laid end to end. `notes` say what was left out."""

    cameras: dict[str, str]
    state: tuple[str, ...]
    action: tuple[str, ...]
    task: str
    notes: tuple[str, ...] = ()


def choose_keys(
    info: Info,
    cameras: str | Sequence[str] | None = None,
    state: str | Sequence[str] | None = None,
    action: str | Sequence[str] | None = None,
    task: str | None = None,
) -> Keys:
    """Each choice is a name, several with commas between them, or a sequence of them; None is the usual column.

    Raises DataError listing what is there for what is not.
    """
    pictures, notes = _cameras(info, _listed(cameras))
    return Keys(
        cameras=pictures,
        state=_vector(info, "state", _listed(state), STATES),
        action=_vector(info, "action", _listed(action), ACTIONS),
        task=task or TASK,
        notes=tuple(notes),
    )


def _listed(choice: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if choice is None:
        return None
    names = choice.split(",") if isinstance(choice, str) else choice
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _cameras(info: Info, chosen: tuple[str, ...] | None) -> tuple[dict[str, str], list[str]]:
    pictures = [feature for feature in info.features.values() if feature.is_picture]
    notes: list[str] = []
    if chosen is None:
        colour = [feature for feature in pictures if not feature.depth]
        notes += [
            f"camera {feature.short!r} is left out: {feature.depth}, no colour picture"
            for feature in pictures
            if feature.depth
        ]
    else:
        colour = [_picture(info, pictures, name) for name in chosen]
        left = [feature.short for feature in pictures if feature not in colour]
        notes += [f"cameras {', '.join(left)} are left out, as chosen"] if left else []
    for feature in colour:
        if feature.info.get("is_depth_map") or feature.info.get("video.is_depth_map"):
            raise DataError(
                f"{info.file}, features.{feature.key}: is a depth map, no colour picture; choose other cameras: "
                + _list(picture.short for picture in pictures if not picture.depth),
                "schema",
            )
        if feature.dtype == "video" and info.video_path is None:
            raise DataError(f"{info.file}, video_path: is missing, but {feature.key} is a video; add it", "schema")
    if not colour:
        left_out = "".join(f"; {note}" for note in notes)
        message = f"{info.file}, features: no camera (dtype image or video) among {_list(info.features)}{left_out}"
        raise DataError(message, "schema")
    names = [feature.short for feature in colour]
    unique = len(set(names)) == len(names)
    return {feature.short if unique else feature.key: feature.key for feature in colour}, notes


def _picture(info: Info, pictures: Sequence[Feature], name: str) -> Feature:
    for feature in pictures:
        if name in (feature.key, feature.short):
            return feature
    raise DataError(
        f"{info.file}, features: no camera {name!r}; the cameras are {_list(picture.short for picture in pictures)}",
        "schema",
    )


def _vector(info: Info, role: str, chosen: tuple[str, ...] | None, usual: tuple[str, ...]) -> tuple[str, ...]:
    vectors = [key for key, feature in info.features.items() if not feature.is_picture and key not in fmt.INDEX_COLUMNS]
    if chosen is None:
        chosen = next(((key,) for key in usual if key in info.features), None)
    if not chosen:
        missing = f"{info.file}, {usual[0]}: is missing; name the columns of the {role} with {role}=NAME,NAME"
        if role == "state":
            missing += ", or add a column of zeros for a robot that measures nothing"
        raise DataError(f"{missing}. There are {_list(vectors)}", "schema")
    for key in chosen:
        if key not in info.features:
            raise DataError(f"{info.file}, features: no {key!r} for the {role}; there are {_list(vectors)}", "schema")
        info.vector(key)
    return chosen


def _list(names: object) -> str:
    return ", ".join(map(str, names)) or "none"  # type: ignore[call-overload]
