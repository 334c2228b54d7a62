"""Every caption is parsed back and checked against the simulator's own state (MuJoCo poses, camera matrices).

The patterns below are written by hand from the three languages' grammar, not taken from the code that speaks.
"""

import re

import numpy as np
import pytest

from polymath.benchmarks.metaworld.captions import pairs as captions
from polymath.benchmarks.metaworld.captions.languages import LANGUAGES
from polymath.benchmarks.metaworld.captions.pairs import Job, photograph, write_pairs
from polymath.benchmarks.metaworld.captions.sentences import DENSE_SHARE, LANGUAGE_SHARES, Speaker
from polymath.benchmarks.metaworld.scene.scene import DECOY
from polymath.benchmarks.metaworld.scene.tables import TRAIN_TABLES
from polymath.benchmarks.metaworld.scene.tasks import TASKS
from polymath.benchmarks.metaworld.simulator import Simulator
from polymath.data.formats.webdataset.reader import WebDatasetPairs
from polymath.errors import ConfigError

SIDES = {
    "left": r"left|linke|izquierd[oa]",
    "right": r"right|rechte|derech[oa]",
    "only": r"faucet handle|Hahngriff|manija del grifo",
    "gripper": r"^the gripper$|^der Greifer$|^la pinza$",
}
WORDS = r"[^\d.,:]+?"
CELL = re.compile(
    rf"(?:in the picture |im bild ist |en la imagen )?(?P<name>{WORDS}) "
    r"(?:is at |in |está en )?(?:column|Spalte|la columna) (?P<column>\d+), "
    r"(?:row|Zeile|fila) (?P<row>\d+) (?:of|von|de) 64$",
    re.IGNORECASE,
)
ACROSS = r"(?P<across>\d+) cm (?P<x>left|right|links|rechts|a la izquierda|a la derecha)"
ALONG = (
    r"(?P<along>\d+) cm (?P<y>closer to the viewer|closer to the robot|näher beim Betrachter|näher beim Roboter|"
    r"más cerca del observador|más cerca del robot)"
)
VERTICAL = r"(?P<vertical>\d+) cm (?P<z>higher|lower|höher|tiefer|más arriba|más abajo)"
OFFSET = re.compile(rf"(?P<name>.*?){ACROSS}.*?{ALONG} (?:and|und|y) {VERTICAL}$")
HEIGHT = re.compile(r"(\d+) cm (?:above the table|über dem Tisch|por encima de la mesa)$")

POSITIVE = ("left", "links", "a la izquierda", "viewer", "Betrachter", "observador", "higher", "höher", "arriba")


def side_of(name):
    name = re.sub(r"(?i)seen from the gripper|vom greifer aus|desde la pinza|in the picture|im bild ist", "", name)
    name = name.strip(" ,").removesuffix(" is").removesuffix(" ist").removesuffix(" está").strip()
    found = [side for side, words in SIDES.items() if re.search(words, name, re.IGNORECASE)]
    assert len(found) == 1, name
    return found[0]


def truth(simulation):
    """World positions by side, from MuJoCo: the mean of the accent-coloured geoms of each object, and the hand."""
    stage, model, data = simulation._stage, simulation.model, simulation.data
    groups = {"": [], DECOY: []}
    for geom in stage.scene.accent_geoms:
        owner = model.body(model.geom_bodyid[geom]).name
        groups[DECOY if owner.startswith(DECOY) else ""].append(geom)
    places = [data.geom_xpos[geoms].mean(axis=0) for geoms in groups.values() if geoms]
    places.sort(key=lambda p: -p[0])
    names = ("left", "right") if len(places) == 2 else ("only",)
    return dict(zip(names, places, strict=True)) | {"gripper": data.body("hand").xpos.copy()}


def cell_of(simulation, camera, point):
    """The grid cell by MuJoCo's camera frame, derived here anew: tangent of the angles, 64 cells over fovy."""
    model, data = simulation.model, simulation.data
    ident = model.camera(camera).id
    right, up, back = data.cam_xmat[ident].reshape(3, 3).T
    to = point - data.cam_xpos[ident]
    half = np.tan(np.radians(model.cam_fovy[ident]) / 2)
    depth = -(to @ back)
    return 32 * (1 + to @ right / depth / half), 32 * (1 - to @ up / depth / half)


LISTED_CELL = re.compile(rf"(?P<name>{WORDS}) (?P<column>\d\d) (?P<row>\d\d)$")
LISTED_OFFSET = re.compile(
    r"(?P<name>.*?) (?P<across>\d\d) (?P<x>[^\d,]+), (?P<along>\d\d) (?P<y>[^\d,]+), (?P<vertical>\d\d) (?P<z>[^\d,]+)$"
)


def check_list(sentence, simulation, camera):
    """The same for a list: "heading: the left button 12 40; the gripper 30 16", or with offsets in centimetres."""
    places, items = truth(simulation), sentence.partition(": ")[2].split("; ")
    if match := LISTED_CELL.match(items[0]):
        for match in map(LISTED_CELL.match, items):
            expected = (int(match["column"]) + 0.5, int(match["row"]) + 0.5)
            assert cell_of(simulation, camera, places[side_of(match["name"])]) == pytest.approx(expected, abs=0.52)
        return "all cells"
    for match in map(LISTED_OFFSET.match, items):
        offset = 100 * (places[side_of(match["name"])] - places["gripper"])
        for axis, (number, word) in enumerate((("across", "x"), ("along", "y"), ("vertical", "z"))):
            sign = 1 if any(match[word].endswith(p) for p in POSITIVE) else -1
            assert abs(sign * int(match[number]) - offset[axis]) <= 0.51, (sentence, offset)
    return "all offsets"


LIST_HEADINGS = (
    r"columns and rows|where things are|spalten und zeilen|wo im bild|columnas y filas|dónde está todo|, (in|en) cm:"
)


def check(sentence, simulation, camera):
    """Gives the kind of the sentence if it was checked, None if it is of another kind. Asserts that it is true."""
    places = truth(simulation)
    if re.search(LIST_HEADINGS, sentence, re.IGNORECASE):
        return check_list(sentence, simulation, camera)
    if match := HEIGHT.search(sentence):
        assert abs(100 * places["gripper"][2] - int(match[1])) <= 0.51
        return "height"
    if match := OFFSET.match(sentence):
        offset = 100 * (places[side_of(match["name"])] - places["gripper"])
        for axis, (number, word) in enumerate((("across", "x"), ("along", "y"), ("vertical", "z"))):
            sign = 1 if any(match[word].endswith(p) for p in POSITIVE) else -1
            assert abs(sign * int(match[number]) - offset[axis]) <= 0.51, (sentence, offset)
        return "offset"
    if "Würfel" in sentence or "Scheibe" in sentence or re.search(r"cube|disc|cubo|disco", sentence):
        column, row = (int(n) for n in re.findall(r"\d+", sentence)[:2])
        kinds = {"cube": r"cube|Würfel|cubo", "disc": r"disc\b|Scheibe|disco"}
        kind = next(kind for kind, words in kinds.items() if re.search(words, sentence))
        place = simulation.data.body(f"distractor/{kind}").xpos
        assert cell_of(simulation, camera, place) == pytest.approx((column + 0.5, row + 0.5), abs=0.52)
        return "distractor"
    if match := CELL.match(sentence):
        place = places[side_of(match["name"])]
        expected = (int(match["column"]) + 0.5, int(match["row"]) + 0.5)
        assert cell_of(simulation, camera, place) == pytest.approx(expected, abs=0.52), sentence
        return "cell"
    return None


def test_places_in_captions_are_true(monkeypatch):
    """Checked at the moment of each picture, for all tasks and languages, in both cameras."""
    simulation = Simulator(image_size=16, cameras=("front", "top"))
    checked, languages = [], set()

    make = captions._pair

    def make_and_check(simulation, action, aiming, rng):
        made = make(simulation, action, aiming, rng)
        languages.add(made.facts["language"])
        for sentence in made.pair.text.removesuffix(".").split(". "):
            checked.append(check(sentence, simulation, made.facts["camera"]))
        return made

    monkeypatch.setattr(captions, "_pair", make_and_check)
    for seed in range(130):
        photograph(simulation, Job(tuple(TASKS), seed))
    kinds = ("offset", "cell", "height", "distractor", "all cells", "all offsets")
    counts = {kind: checked.count(kind) for kind in kinds}
    assert min(counts.values()) >= 3, counts
    assert counts["all cells"] + counts["all offsets"] >= 520 * DENSE_SHARE
    assert languages == set(LANGUAGE_SHARES)


def test_a_scene_gives_two_moments_in_two_looks_each(simulation):
    """The looks of a moment show the same places; colours, table and light differ, and nothing novel is among them."""
    for seed in range(4):
        facts = [pair.facts for pair in photograph(simulation, Job(("button-press-left",), seed))]
        places = [(each["objects"][0]["position"], each["gripper"]["position"]) for each in facts]
        assert places[0] == places[1]
        assert places[2] == places[3]
        assert len({each["table"] for each in facts}) > 1
        assert {each["table"] for each in facts} <= set(TRAIN_TABLES)


DIRECTIONS = {
    (0, 1): r"left|links|izquierda",
    (0, -1): r"right|rechts|derecha",
    (1, 1): r"viewer|Betrachter|observador",
    (1, -1): r"robot|Roboter",
    (2, 1): r"\bup\b|oben|arriba",
    (2, -1): r"down|unten|abajo",
}


@pytest.fixture(scope="module")
def simulation():
    return Simulator(image_size=16)


@pytest.mark.parametrize("language", LANGUAGES)
def test_motion_is_that_of_the_arm(simulation, language):
    """The sentence names exactly the axes along which the hand then moves by more than a centimetre."""
    rng = np.random.default_rng(0)
    for seed in range(6):
        simulation.reset("reach-left", "train", seed)
        action = np.array([*rng.choice([-1.0, 0.0, 1.0], size=3), 0.0], np.float32)
        speaker = Speaker(LANGUAGES[language], simulation.scene_description(), "front", action, False, rng)
        said = speaker.motion()
        before = simulation.state
        for _ in range(2):
            simulation.step(action)
        moved = (simulation.state - before)[:3]
        for (axis, sign), words in DIRECTIONS.items():
            assert bool(re.search(words, said)) == (sign * moved[axis] > 0.02), (said, moved)


@pytest.mark.parametrize("language", LANGUAGES)
def test_relations_colours_and_aim(simulation, language):
    """Against the drawn variation: which object is nearer to the viewer (+y), colours, and which one is meant."""
    words = LANGUAGES[language].words
    rng = np.random.default_rng(1)
    for seed in range(8):
        name = ("button-press-left", "button-press-right")[seed % 2]
        simulation.reset(name, "train", seed)
        drawn = simulation.variation
        speaker = Speaker(LANGUAGES[language], simulation.scene_description(), "front", np.zeros(4), True, rng)
        assert side_word(speaker.heading()) == simulation.task.side
        assert words[drawn.accent] in speaker.objects()
        assert words[drawn.housing] in speaker.housing()
        closer = speaker.viewer()
        if abs(drawn.left[1] - drawn.right[1]) < 0.03:
            assert closer is None
        else:
            assert side_word(closer) == ("left" if drawn.left[1] > drawn.right[1] else "right")
        assert speaker.pressed() is None
    assert simulation.task.side == "right"
    while not simulation.step(simulation.expert_action()).done:
        pass
    speaker = Speaker(LANGUAGES[language], simulation.scene_description(), "front", np.zeros(4), True, rng)
    assert side_word(speaker.pressed()) == "right"


def side_word(sentence):
    found = [side for side in ("left", "right") if re.search(SIDES[side], sentence)]
    assert len(found) == 1, sentence
    return found[0]


def test_shards_do_not_depend_on_workers(tmp_path):
    for workers in (1, 2):
        write_pairs(tmp_path / str(workers), 10, 3, workers, image_size=32, samples_per_shard=6)
    one, two = (sorted((tmp_path / str(w)).iterdir()) for w in (1, 2))
    assert [p.name for p in one] == [p.name for p in two]
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    pairs = WebDatasetPairs(tmp_path / "1")
    assert len(pairs) == 10
    assert pairs[9].image.shape == (32, 32, 3)
    assert all(1 <= pair.text.count(".") <= 4 for pair in (pairs[i] for i in range(10)))


def test_bad_requests_leave_nothing_behind(tmp_path):
    with pytest.raises(ConfigError, match="at least 1"):
        write_pairs(tmp_path / "out", 0, 0)
    with pytest.raises(ConfigError, match="reach-left"):
        write_pairs(tmp_path / "out", 4, 0, tasks=("reach-lft",))
    assert not list(tmp_path.iterdir())
