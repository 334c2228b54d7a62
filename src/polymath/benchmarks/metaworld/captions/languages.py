"""The words of the captions in English, German and Spanish: sentence patterns and a little grammar.

Directions are those of the picture: left and right as seen, "closer to the viewer" is +y (away from the robot). The
patterns need the nominative only; colours stand where no language inflects them ("de color rojo", "ist rot").
"""

from dataclasses import dataclass

from polymath.benchmarks.metaworld.scene.facts import Entity
from polymath.benchmarks.metaworld.scene.tables import TRAIN_TABLES
from polymath.benchmarks.metaworld.scene.variation import TRAIN_DISTRACTOR_COLOURS


@dataclass(frozen=True)
class Language:
    """Patterns by kind of sentence, and words by English word.

    named     "noun/side" -> the entity with its article and side, nominative
    offsets   direction (right, left, viewer, robot, up, down) -> words after the centimetres
    moves     direction -> adverb, joined by `joiner`
    """

    patterns: dict[str, tuple[str, ...]]
    words: dict[str, str]
    plurals: dict[str, str]
    named: dict[str, str]
    offsets: dict[str, str]
    moves: dict[str, str]
    joiner: str

    def name(self, entity: Entity) -> str:
        """The entity with its article and side, nominative: "the left button", "der linke Knopf"."""
        return self.named[f"{entity.noun}/{entity.side}"]

    def fill(self, pattern: str, **slots: object) -> str:
        """The pattern with its slots filled, a capital at the start."""
        text = pattern.format(**slots).replace(" a el ", " al ").replace(" de el ", " del ")
        return text[0].upper() + text[1:]


_EN_NOUNS = {"button": "button", "handle": "handle", "coffee button": "coffee button", "block": "block"}
_DE_NOUNS = {"button": "Knopf", "handle": "Griff", "coffee button": "Kaffeeknopf", "block": "Block"}
_ES_NOUNS = {"button": "botón", "handle": "palanca", "coffee button": "botón de café", "block": "bloque"}
_ES_SIDES = {"left": ("izquierdo", "izquierda"), "right": ("derecho", "derecha")}

ENGLISH = Language(
    patterns={
        "two objects": (
            "there are two {colour} {plural} on the {table} table",
            "two {colour} {plural} stand on a {table} table",
            "the table is {table}, both {plural} are {colour}",
        ),
        "one object": (
            "there is one {colour} {noun} on the {table} table",
            "{name} is {colour} and the table is {table}",
        ),
        "housing": ("the housing is {housing}", "the body below it is {housing}"),
        "viewer": ("{name} is closer to the viewer than the other one", "{name} stands nearer to us than the other"),
        "nearest": ("{name} is the one closest to the gripper", "the gripper is closer to {name} than to the other"),
        "distractor": (
            "a {colour} {noun} is at column {column}, row {row} of 64",
            "there is also a {colour} {noun}, column {column}, row {row} of 64",
        ),
        "moves": ("the arm moves {moves}", "the gripper is moving {moves}"),
        "still": ("the arm hardly moves", "the gripper holds still"),
        "heading": ("the gripper is on its way to {name}", "the arm is going to {name}"),
        "pressed": ("{name} is pressed", "{name} is pushed in"),
        "open": ("the gripper is open",),
        "closed": ("the gripper is closed",),
        "height": ("the gripper is {height} cm above the table",),
        "offset": (
            "{name} is {across} of the gripper, {along} and {vertical}",
            "seen from the gripper, {name} is {across}, {along} and {vertical}",
        ),
        "cell": (
            "{name} is at column {column}, row {row} of 64",
            "in the picture {name} is at column {column}, row {row} of 64",
        ),
        "all cells": ("columns and rows: {items}", "where things are in the picture: {items}"),
        "all offsets": ("seen from the gripper, in cm: {items}",),
    },
    words={
        **_EN_NOUNS,
        "faucet handle": "faucet handle",
        "cube": "cube",
        "disc": "disc",
        **{word: word for word in ("red", "green", "blue", "yellow", "black", "brown", "white")},
        **{word: word for word in (*TRAIN_TABLES, *TRAIN_DISTRACTOR_COLOURS)},
    },
    plurals={noun: f"{noun}s" for noun in _EN_NOUNS},
    named={
        **{f"{noun}/{side}": f"the {side} {noun}" for noun in _EN_NOUNS for side in ("left", "right")},
        "faucet handle/only": "the faucet handle",
        "gripper/only": "the gripper",
    },
    offsets={
        "right": "right",
        "left": "left",
        "viewer": "closer to the viewer",
        "robot": "closer to the robot",
        "up": "higher",
        "down": "lower",
    },
    moves={
        "right": "right",
        "left": "left",
        "viewer": "toward the viewer",
        "robot": "toward the robot",
        "up": "up",
        "down": "down",
    },
    joiner=" and ",
)

GERMAN = Language(
    patterns={
        "two objects": (
            "auf dem Tisch stehen zwei {plural}, beide sind {colour}",
            "zwei {plural} sind zu sehen, ihre Farbe ist {colour}, der Tisch ist {table}",
        ),
        "one object": ("{name} ist {colour}, der Tisch ist {table}",),
        "housing": ("das Gehäuse ist {housing}",),
        "viewer": ("{name} ist näher beim Betrachter als der andere",),
        "nearest": ("{name} ist dem Greifer am nächsten",),
        "distractor": ("{noun} in Spalte {column}, Zeile {row} von 64: Farbe {colour}",),
        "moves": ("der Arm bewegt sich {moves}", "der Greifer fährt {moves}"),
        "still": ("der Arm bewegt sich kaum",),
        "heading": ("das Ziel des Greifers: {name}",),
        "pressed": ("{name} ist gedrückt",),
        "open": ("der Greifer ist offen",),
        "closed": ("der Greifer ist geschlossen",),
        "height": ("der Greifer ist {height} cm über dem Tisch",),
        "offset": (
            "{name} ist {across} vom Greifer, {along} und {vertical}",
            "vom Greifer aus ist {name} {across}, {along} und {vertical}",
        ),
        "cell": (
            "{name} ist in Spalte {column}, Zeile {row} von 64",
            "im Bild ist {name} in Spalte {column}, Zeile {row} von 64",
        ),
        "all cells": ("Spalten und Zeilen: {items}", "wo im Bild was ist: {items}"),
        "all offsets": ("vom Greifer aus, in cm: {items}",),
    },
    words={
        **_DE_NOUNS,
        "faucet handle": "Hahngriff",
        "cube": "ein Würfel",
        "disc": "eine Scheibe",
        "red": "rot",
        "green": "grün",
        "blue": "blau",
        "yellow": "gelb",
        "black": "schwarz",
        "brown": "braun",
        "white": "weiß",
        "grey": "grau",
        "beige": "beige",
        "blue-grey": "blaugrau",
        "tan": "hellbraun",
        "dark grey": "dunkelgrau",
        "charcoal": "anthrazit",
        "light grey": "hellgrau",
        "pine": "kieferfarben",
        "sand": "sandfarben",
        "brick": "ziegelrot",
        "rose": "altrosa",
        "moss": "moosgrün",
        "slate blue": "schieferblau",
        "ivory": "elfenbeinfarben",
        "steel blue": "stahlblau",
        "ochre": "ockerfarben",
        "grass green": "grasgrün",
    },
    plurals={"button": "Knöpfe", "handle": "Griffe", "coffee button": "Kaffeeknöpfe", "block": "Blöcke"},
    named={
        **{f"{noun}/left": f"der linke {word}" for noun, word in _DE_NOUNS.items()},
        **{f"{noun}/right": f"der rechte {word}" for noun, word in _DE_NOUNS.items()},
        "faucet handle/only": "der Hahngriff",
        "gripper/only": "der Greifer",
    },
    offsets={
        "right": "rechts",
        "left": "links",
        "viewer": "näher beim Betrachter",
        "robot": "näher beim Roboter",
        "up": "höher",
        "down": "tiefer",
    },
    moves={
        "right": "nach rechts",
        "left": "nach links",
        "viewer": "zum Betrachter hin",
        "robot": "zum Roboter hin",
        "up": "nach oben",
        "down": "nach unten",
    },
    joiner=" und ",
)

SPANISH = Language(
    patterns={
        "two objects": (
            "hay dos {plural} de color {colour} sobre la mesa",
            "sobre una mesa de color {table} hay dos {plural} de color {colour}",
        ),
        "one object": ("{name} es de color {colour} y la mesa es de color {table}",),
        "housing": ("el cuerpo es de color {housing}",),
        "viewer": ("{name} está más cerca del observador que el otro objeto",),
        "nearest": ("lo más cercano a la pinza es {name}",),
        "distractor": ("hay {noun} de color {colour} en la columna {column}, fila {row} de 64",),
        "moves": ("el brazo se mueve {moves}", "la pinza va {moves}"),
        "still": ("el brazo casi no se mueve",),
        "heading": ("la pinza va a {name}", "el destino de la pinza es {name}"),
        "pressed": ("el brazo aprieta {name}", "{name} está a fondo"),
        "open": ("la pinza está abierta",),
        "closed": ("la pinza está cerrada",),
        "height": ("la pinza está {height} cm por encima de la mesa",),
        "offset": (
            "{name} está {across} de la pinza, {along} y {vertical}",
            "desde la pinza, {name} está {across}, {along} y {vertical}",
        ),
        "cell": (
            "{name} está en la columna {column}, fila {row} de 64",
            "en la imagen {name} está en la columna {column}, fila {row} de 64",
        ),
        "all cells": ("columnas y filas: {items}", "dónde está todo en la imagen: {items}"),
        "all offsets": ("desde la pinza, en cm: {items}",),
    },
    words={
        **_ES_NOUNS,
        "faucet handle": "manija del grifo",
        "cube": "un cubo",
        "disc": "un disco",
        "red": "rojo",
        "green": "verde",
        "blue": "azul",
        "yellow": "amarillo",
        "black": "negro",
        "brown": "marrón",
        "white": "blanco",
        "grey": "gris",
        "beige": "beige",
        "blue-grey": "gris azulado",
        "tan": "marrón claro",
        "dark grey": "gris oscuro",
        "charcoal": "antracita",
        "light grey": "gris claro",
        "pine": "pino",
        "sand": "arena",
        "brick": "ladrillo",
        "rose": "rosa viejo",
        "moss": "verde musgo",
        "slate blue": "azul pizarra",
        "ivory": "marfil",
        "steel blue": "azul acero",
        "ochre": "ocre",
        "grass green": "verde hierba",
    },
    plurals={"button": "botones", "handle": "palancas", "coffee button": "botones de café", "block": "bloques"},
    named={
        **{
            f"{noun}/{side}": f"el {word} {_ES_SIDES[side][0]}"
            for noun, word in _ES_NOUNS.items()
            for side in _ES_SIDES
        },
        **{f"handle/{side}": f"la palanca {_ES_SIDES[side][1]}" for side in _ES_SIDES},
        "faucet handle/only": "la manija del grifo",
        "gripper/only": "la pinza",
    },
    offsets={
        "right": "a la derecha",
        "left": "a la izquierda",
        "viewer": "más cerca del observador",
        "robot": "más cerca del robot",
        "up": "más arriba",
        "down": "más abajo",
    },
    moves={
        "right": "hacia la derecha",
        "left": "hacia la izquierda",
        "viewer": "hacia el observador",
        "robot": "hacia el robot",
        "up": "hacia arriba",
        "down": "hacia abajo",
    },
    joiner=" y ",
)

LANGUAGES: dict[str, Language] = {"en": ENGLISH, "de": GERMAN, "es": SPANISH}
