"""Captions from scene facts: every sentence is checked against the facts before it is used.

Places are given as an offset from the gripper in centimetres or as a cell of the picture's 64 x 64 grid: these
sentences teach a vision encoder to localise. Most captions are dense, in the way of detection data sets written as text
(Chen et al. 2021, "Pix2seq", arXiv:2109.10852): all cells, all offsets, or both. The others have two to four sentences,
two of them about places.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from polymath.benchmarks.metaworld.captions.languages import LANGUAGES, Language
from polymath.benchmarks.metaworld.scene.facts import GRID, Entity, SceneFacts

LANGUAGE_SHARES = {"en": 0.5, "de": 0.25, "es": 0.25}

DENSE_SHARE = 0.75

_MOVING = 0.2
_CLEARLY = 0.03
_OPEN, _CLOSED = 0.8, 0.5


class Speaker:
    """Says sentences in one language about one moment.

    `action` is what the arm executes next; `aiming`: the expert drives it to the task's object.
    """

    def __init__(
        self,
        language: Language,
        facts: SceneFacts,
        camera: str,
        action: Float[np.ndarray, "4"],
        aiming: bool,
        rng: np.random.Generator,
    ):
        self.language, self.facts, self.camera = language, facts, camera
        self.action, self.aiming, self.rng = action, aiming, rng

    def say(self, kind: str, **slots: object) -> str:
        patterns = self.language.patterns[kind]
        return self.language.fill(patterns[self.rng.integers(len(patterns))], **slots)

    def where(self, entity: Entity) -> str:
        """An offset from the gripper or a grid cell; the gripper has no offset, an entity out of sight has no cell."""
        if entity is self.facts.gripper:
            return self.cell(entity) if self._in_picture(entity) else self.height()
        return self.cell(entity) if self._in_picture(entity) and self.rng.random() < 0.5 else self.offset(entity)

    def offset(self, entity: Entity) -> str:
        """Centimetres from the end effector to the entity, as the front camera's viewer names the directions."""
        x, y, z, words = *self._centimetres(entity), self.language.offsets
        return self.say(
            "offset",
            name=self.language.name(entity),
            across=f"{abs(x)} cm {words['left' if x > 0 else 'right']}",
            along=f"{abs(y)} cm {words['viewer' if y > 0 else 'robot']}",
            vertical=f"{abs(z)} cm {words['up' if z > 0 else 'down']}",
        )

    def cell(self, entity: Entity) -> str:
        column, row = entity.cells[self.camera]
        return self.say("cell", name=self.language.name(entity), column=column, row=row)

    def all_cells(self) -> str:
        """Column and row of everything in the picture, two digits each, in any order."""
        shown = [entity for entity in (*self.facts.objects, self.facts.gripper) if self._in_picture(entity)]
        items = [f"{self.language.name(t)} {t.cells[self.camera][0]:02d} {t.cells[self.camera][1]:02d}" for t in shown]
        return self.say("all cells", items=self._listed(items))

    def all_offsets(self) -> str:
        """Centimetres from the gripper to each object, two digits each, in any order."""
        items = []
        for entity in self.facts.objects:
            x, y, z, words = *self._centimetres(entity), self.language.offsets
            across, along = words["left" if x > 0 else "right"], words["viewer" if y > 0 else "robot"]
            vertical = words["up" if z > 0 else "down"]
            name = self.language.name(entity)
            items.append(f"{name} {abs(x):02d} {across}, {abs(y):02d} {along}, {abs(z):02d} {vertical}")
        return self.say("all offsets", items=self._listed(items))

    def height(self) -> str:
        return self.say("height", height=round(100 * self.facts.gripper.position[2]))

    def objects(self) -> str:
        first, words = self.facts.objects[0], self.language.words
        slots = {"colour": words[first.colour], "table": words[self.facts.table]}
        if len(self.facts.objects) == 2:
            return self.say("two objects", plural=self.language.plurals[first.noun], **slots)
        return self.say("one object", noun=words[first.noun], name=self.language.name(first), **slots)

    def housing(self) -> str | None:
        return self.say("housing", housing=self.language.words[self.facts.housing]) if self.facts.housing else None

    def viewer(self) -> str | None:
        """Which of the two objects is clearly closer to the viewer."""
        return self._of_two("viewer", [-entity.position[1] for entity in self.facts.objects])

    def nearest(self) -> str | None:
        """Which of the two objects is clearly closer to the gripper."""
        gripper = np.array(self.facts.gripper.position)
        return self._of_two("nearest", [float(np.linalg.norm(gripper - t.position)) for t in self.facts.objects])

    def distractor(self) -> str | None:
        if not self.facts.distractors:
            return None
        entity, words = self.facts.distractors[0], self.language.words
        column, row = entity.cells[self.camera]
        if not (0 <= column < GRID and 0 <= row < GRID):
            return None
        return self.say("distractor", colour=words[entity.colour], noun=words[entity.noun], column=column, row=row)

    def motion(self) -> str:
        """The directions of the executed action, the strong ones only."""
        names = (("left", "right"), ("viewer", "robot"), ("up", "down"))
        moves = [
            self.language.moves[forth if value > 0 else back]
            for (forth, back), value in zip(names, self.action[:3], strict=True)
            if abs(value) > _MOVING
        ]
        return self.say("moves", moves=self.language.joiner.join(moves)) if moves else self.say("still")

    def heading(self) -> str | None:
        if not self.aiming:
            return None
        return self.say("heading", name=self.language.name(self.facts.objects[self.facts.meant]))

    def pressed(self) -> str | None:
        entity = next((entity for entity in self.facts.objects if entity.pressed), None)
        return self.say("pressed", name=self.language.name(entity)) if entity else None

    def fingers(self) -> str | None:
        if self.facts.opening > _OPEN:
            return self.say("open")
        return self.say("closed") if self.facts.opening < _CLOSED else None

    def _in_picture(self, entity: Entity) -> bool:
        return all(0 <= cell < GRID for cell in entity.cells[self.camera])

    def _centimetres(self, entity: Entity) -> list[int]:
        offset = 100 * np.subtract(entity.position, self.facts.gripper.position)
        return [int(value) for value in np.round(offset)]

    def _listed(self, items: list[str]) -> str:
        return "; ".join(items[i] for i in self.rng.permutation(len(items)))

    def _of_two(self, kind: str, distances: list[float]) -> str | None:
        if len(distances) < 2 or abs(distances[0] - distances[1]) < _CLEARLY:
            return None
        return self.say(kind, name=self.language.name(self.facts.objects[int(np.argmin(distances))]))


def caption(
    facts: SceneFacts, camera: str, action: Float[np.ndarray, "4"], aiming: bool, rng: np.random.Generator
) -> tuple[str, str]:
    """A caption and its language, drawn with `rng`."""
    language = str(rng.choice(list(LANGUAGE_SHARES), p=list(LANGUAGE_SHARES.values())))
    speaker = Speaker(LANGUAGES[language], facts, camera, action, aiming, rng)
    sentences = _dense(speaker, rng) if rng.random() < DENSE_SHARE else _loose(speaker, rng)
    return " ".join(f"{sentences[i]}." for i in rng.permutation(len(sentences))), language


def _dense(speaker: Speaker, rng: np.random.Generator) -> list[str]:
    """All cells, all offsets, or both."""
    kinds = ([speaker.all_cells], [speaker.all_offsets], [speaker.all_cells, speaker.all_offsets])
    return [say() for say in kinds[rng.integers(len(kinds))]]


def _loose(speaker: Speaker, rng: np.random.Generator) -> list[str]:
    """Two to four sentences of different kinds."""
    facts = speaker.facts
    places = [*facts.objects, facts.gripper]
    chosen = [places[i] for i in rng.permutation(len(places))[:2]]
    sentences = [speaker.where(entity) for entity in chosen]
    others: list[Callable[[], str | None]] = [
        speaker.objects,
        speaker.motion,
        speaker.heading,
        speaker.viewer,
        speaker.nearest,
        speaker.distractor,
        speaker.housing,
        speaker.pressed,
        speaker.fingers,
        speaker.height,
    ]
    count = len(sentences) + int(rng.integers(0, 3))
    for index in rng.permutation(len(others)):
        if len(sentences) == count:
            break
        sentence = others[index]()
        if sentence:
            sentences.append(sentence)
    return sentences
