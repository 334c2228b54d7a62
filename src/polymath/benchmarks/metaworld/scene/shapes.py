"""The object's shapes and sizes: one standard shape per family for training, three held-out ones for novel objects.

A shape is an edit of the object's geoms in an MjSpec before compilation. What the scripted expert aims at (body and
site positions) never moves, so the expert works on every shape.
"""

from collections.abc import Callable, Iterator

import mujoco
from mujoco import mjtGeom

STANDARD = "standard"

BOX, CYLINDER, SPHERE = mjtGeom.mjGEOM_BOX, mjtGeom.mjGEOM_CYLINDER, mjtGeom.mjGEOM_SPHERE
CAPSULE, ELLIPSOID = mjtGeom.mjGEOM_CAPSULE, mjtGeom.mjGEOM_ELLIPSOID

Edit = Callable[[mujoco.MjSpec, mujoco.MjsBody], None]


def reshape(spec: mujoco.MjSpec, body: mujoco.MjsBody, family: str, shape: str) -> None:
    """Give `body`, the object of `family` inside `spec`, the named shape. In place."""
    SHAPES[family][shape](spec, body)


def held_out_shapes(family: str) -> tuple[str, ...]:
    return tuple(name for name in SHAPES[family] if name != STANDARD)


def _keep(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """Meta-World's own shape."""


def _geoms(body: mujoco.MjsBody, material: str) -> Iterator[mujoco.MjsGeom]:
    yield from (geom for geom in body.geoms if geom.material == material)
    for child in body.bodies:
        yield from _geoms(child, material)


def _primitive(
    geom: mujoco.MjsGeom, kind: mjtGeom, size: tuple[float, float, float], pos: tuple[float, float, float]
) -> None:
    """Replace a mesh geom by a primitive whose axis is the body's y (cylinder, capsule) or which has no axis."""
    geom.meshname = ""
    geom.type, geom.size, geom.pos = kind, size, pos
    geom.quat = (0.7071068, 0.7071068, 0.0, 0.0) if kind in (CYLINDER, CAPSULE) else (1.0, 0.0, 0.0, 0.0)


def _button_box(half_width: float, cap_scale: float, cap_kind: mjtGeom | None, housing_kind: mjtGeom | None) -> Edit:
    """A push-button on a housing of width 2*half_width. Kinds None keep Meta-World's meshes, scaled."""

    def edit(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        lateral = half_width / 0.12  # Meta-World's housing is 24 cm wide
        spec.mesh("stopbot").scale = (lateral, 1, lateral)
        spec.mesh("stoptop").scale = (lateral, 1, lateral)
        spec.mesh("stopbutton").scale = (cap_scale, cap_scale, 1)
        _wall_in(body, half_width)
        radius = 0.043 * cap_scale
        for geom in _geoms(body, "btn_col"):
            if geom.type == CYLINDER and geom.size[0] > 0.04:
                geom.size = (radius, geom.size[1], 0)
        if cap_kind is not None:
            for geom in _geoms(body, "btn_red"):
                _primitive(geom, cap_kind, _cap_size(cap_kind, radius), (0, -0.176, 0))
        if housing_kind is not None:
            for material, size, pos in (("btn_black", 0.074, 0.040), ("btn_yellow", 0.03, -0.06)):
                lid = next(g for g in _geoms(body, material) if g.meshname in ("stopbot", "stoptop"))
                dims = (half_width, size, half_width) if housing_kind == BOX else (half_width, size, 0)
                _primitive(lid, housing_kind, dims, (0, pos, 0))

    return edit


def _cap_size(kind: mjtGeom, radius: float) -> tuple[float, float, float]:
    return {BOX: (radius, 0.018, radius), ELLIPSOID: (radius, 0.018, radius)}[kind]


def _wall_in(body: mujoco.MjsBody, half_width: float) -> None:
    """Resize the four invisible collision boxes around the button's rod (half-width of the hole: 2.4 cm)."""
    for geom in _geoms(body, "btn_col"):
        if geom.type != BOX:
            continue
        along_x = abs(geom.pos[0]) > 0.01
        inner = 0.026 if along_x else 0.024
        middle, half = (half_width + inner) / 2, (half_width - inner) / 2
        if along_x:
            geom.pos = (middle if geom.pos[0] > 0 else -middle, geom.pos[1], 0)
            geom.size = (half, geom.size[1], 0.024)
        else:
            geom.pos = (0, geom.pos[1], middle if geom.pos[2] > 0 else -middle)
            geom.size = (half_width, geom.size[1], half)


def _narrow_press(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """Meta-World's handle press at 75 % of its width (the meshes' z is the body's x)."""
    spec.mesh("handle_press_base").scale = (1, 1, 0.75)
    spec.mesh("handle_press_grip").scale = (1, 1, 0.75)
    for geom in _geoms(body, "hdlprs_col"):
        if geom.type == CYLINDER:
            geom.size = (geom.size[0], 0.0525, 0)


def _handle(kind: mjtGeom, size: tuple[float, float, float], housing: tuple[float, float, float] | None) -> Edit:
    """Another grip on the press: a primitive along x, and, where given, a plain box of these half sizes as its base."""

    def edit(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        _narrow_press(spec, body)
        for geom in _geoms(body, "hdlprs_red"):
            _primitive(geom, kind, size, (0, -0.166, 0))
            if kind == CAPSULE:
                geom.quat = (0.7071068, 0, 0.7071068, 0)
        if housing is not None:
            for geom in _geoms(body, "hdlprs_metal0"):
                _primitive(geom, BOX, housing, (0, 0.11 - housing[1], housing[2]))

    return edit


def _coffee(kind: mjtGeom, size: tuple[float, float, float], half_width: float, round_base: bool) -> Edit:
    """A button on a coffee machine of width 2*half_width (Meta-World's is 20 cm wide), perhaps on a round base."""

    def edit(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        for geom in _geoms(body, "cmgrey"):
            _primitive(geom, kind, size, (0, -0.19 if kind == CYLINDER else -0.2, 0.3))
        for mesh in ("body1", "body2", "bodypiece1"):
            spec.mesh(mesh).scale = (half_width / 0.1, 1, 1)
        for geom in _geoms(body, "cm_col"):
            _narrow_machine_wall(geom, half_width)
        if round_base:
            base = next(geom for geom in _geoms(body, "cmred") if geom.meshname == "body1")
            _primitive(base, CYLINDER, (half_width, 0.115, 0), (0, 0, 0.115))
            base.quat = (1, 0, 0, 0)

    return edit


def _narrow_machine_wall(geom: mujoco.MjsGeom, half_width: float) -> None:
    """Resize one collision geom; the two walls beside the button keep their inner faces at 3.8 cm."""
    if geom.type != BOX:
        return
    if abs(geom.pos[0]) > 0.01:
        middle = (half_width + 0.038) / 2
        geom.pos = (middle if geom.pos[0] > 0 else -middle, geom.pos[1], geom.pos[2])
        geom.size = ((half_width - 0.038) / 2, geom.size[1], geom.size[2])
    else:
        geom.size = (half_width, geom.size[1], geom.size[2])


def _faucet(kind: mjtGeom, size: tuple[float, float, float], base: mjtGeom | None) -> Edit:
    """Another lever on the faucet and, where given, a plain base."""

    def edit(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        for geom in _geoms(body, "faucet_red"):
            _primitive(geom, kind, size, (0, -0.12, 0.001))
        if base is not None:
            foot = next(geom for geom in _geoms(body, "faucet_metal") if geom.meshname == "faucetbase")
            _primitive(foot, base, (0.04, 0.05, 0.0) if base == CYLINDER else (0.04, 0.04, 0.05), (0, 0, 0.05))
            foot.quat = (1, 0, 0, 0)

    return edit


def _marker(kind: mjtGeom, size: tuple[float, float, float]) -> Edit:
    """Another block to reach for; it stands on the table whatever its height."""

    def edit(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        for geom in _geoms(body, "marker"):
            geom.type, geom.size = kind, size
            geom.pos = (0, 0, size[1] if kind == CYLINDER else size[0] if kind == SPHERE else size[2])

    return edit


_PUSH_BUTTON: dict[str, Edit] = {
    STANDARD: _button_box(0.084, 1.0, None, None),
    "small square button": _button_box(0.07, 0.75, BOX, None),
    "large dome on a round housing": _button_box(0.092, 1.3, ELLIPSOID, CYLINDER),
    "large round button": _button_box(0.094, 1.3, None, BOX),
}

SHAPES: dict[str, dict[str, Edit]] = {
    "button-press-topdown": _PUSH_BUTTON,
    "button-press": _PUSH_BUTTON,
    "handle-press": {
        STANDARD: _narrow_press,
        "square bar": _handle(BOX, (0.054, 0.024, 0.02), None),
        "thick short bar": _handle(CAPSULE, (0.03, 0.025, 0), None),
        "bar on a box": _handle(CAPSULE, (0.02, 0.052, 0), (0.085, 0.085, 0.1)),
    },
    "coffee-button": {
        STANDARD: _coffee(CYLINDER, (0.032, 0.03, 0), 0.07, False),
        "square button": _coffee(BOX, (0.028, 0.02, 0.028), 0.06, False),
        "large dome on a round base": _coffee(ELLIPSOID, (0.042, 0.022, 0.042), 0.075, True),
        "wide machine": _coffee(CYLINDER, (0.026, 0.03, 0), 0.085, False),
    },
    "faucet": {
        STANDARD: _keep,
        "flat lever": _faucet(BOX, (0.024, 0.07, 0.01), None),
        "thick lever": _faucet(CAPSULE, (0.023, 0.05, 0), CYLINDER),
        "lever on a box": _faucet(CYLINDER, (0.015, 0.07, 0), BOX),
    },
    "reach": {
        STANDARD: _marker(BOX, (0.03, 0.03, 0.025)),
        "ball": _marker(SPHERE, (0.032, 0, 0)),
        "drum": _marker(CYLINDER, (0.034, 0.02, 0)),
        "large slab": _marker(BOX, (0.04, 0.04, 0.018)),
    },
}
