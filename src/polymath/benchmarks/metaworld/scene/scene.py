"""One compiled MuJoCo scene per family and shape: Meta-World's model, a second object, distractors, cameras, texture.

Everything that differs from episode to episode (places, colours, light, cameras, distractors) is then changed in the
compiled model at run time (`variation.py` draws it, `apply.py` writes it).

Geom groups: 1 visible and fixed, 2 visible and moving, 4 collision only. The ray caster relies on them.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from metaworld.asset_path_utils import full_V3_path_for

from polymath.benchmarks.metaworld.scene.cameras import add_cameras
from polymath.benchmarks.metaworld.scene.families import Family
from polymath.benchmarks.metaworld.scene.shapes import reshape

DECOY = "decoy/"
FIXED_GROUP, MOVING_GROUP, COLLISION_GROUP = 1, 2, 4
TABLE_TEXTURE, TABLE_PIXELS = "table", 128
HIDDEN, HIDDEN_OTHER = (0.0, 0.0, 20.0), (5.0, 0.0, 20.0)
"""Out of sight and reach: where objects wait that an episode does not use (below the floor they would collide)."""

_ARM, _FINGERS, _GRIPPER = (0.30, 0.31, 0.36), (0.95, 0.95, 0.95), (0.16, 0.16, 0.18)
_FLOOR, _WALL = (0.30, 0.30, 0.30), (0.62, 0.62, 0.62)

DISTRACTORS: dict[str, tuple[mujoco.mjtGeom, tuple[float, float, float], float]] = {
    "cube": (mujoco.mjtGeom.mjGEOM_BOX, (0.022, 0.022, 0.022), 0.022),
    "disc": (mujoco.mjtGeom.mjGEOM_CYLINDER, (0.03, 0.012, 0.0), 0.012),
    "capsule": (mujoco.mjtGeom.mjGEOM_CAPSULE, (0.016, 0.035, 0.0), 0.016),
    "egg": (mujoco.mjtGeom.mjGEOM_ELLIPSOID, (0.036, 0.024, 0.024), 0.024),
    "plank": (mujoco.mjtGeom.mjGEOM_BOX, (0.065, 0.014, 0.012), 0.012),
}
"""name -> geom type, size, height of its centre above the table. The first two are the training kinds."""


@dataclass(frozen=True)
class Scene:
    """A compiled scene and the ids of the geoms that take the accent and the housing colour."""

    model: mujoco.MjModel
    family: Family
    shape: str
    accent_geoms: tuple[int, ...]
    housing_geoms: tuple[int, ...]


def compile_scene(family: Family, shape: str) -> Scene:
    """Build the scene (about 0.1 s of CPU)."""
    spec = _load(family, shape)
    if family.gap is not None:
        other = _load(family, shape)
        _keep_meshes(other, other.body(family.body))
        spec.worldbody.add_frame().attach_body(other.body(family.body), DECOY, "")
    _add_distractors(spec)
    _add_table_texture(spec)
    add_cameras(spec)
    model = spec.compile()
    model.light_castshadow[:] = 0
    accents, housings = _material_geoms(model, family.accents), _material_geoms(model, family.housings)
    _flatten_colours(model)
    _group_geoms(model)
    return Scene(model, family, shape, accents, housings)


def _load(family: Family, shape: str) -> mujoco.MjSpec:
    spec = mujoco.MjSpec.from_file(full_V3_path_for(f"sawyer_xyz/{family.xml}.xml"))
    _drop_textures(spec)
    if family.name == "reach":
        _add_marker(spec, family)
    reshape(spec, spec.body(family.body), family.name, shape)
    return spec


def _drop_textures(spec: mujoco.MjSpec) -> None:
    """Meta-World's textures are not drawn here (every geom is plain), but they are 40 % of a model's memory."""
    for material in spec.materials:
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = ""
    for texture in list(spec.textures):
        texture.delete()


def _add_marker(spec: mujoco.MjSpec, family: Family) -> None:
    """The visible block that stands for the reach goal (Meta-World's goal is a site, which pictures do not show)."""
    spec.add_material(name="marker", rgba=(0.5, 0.5, 0.5, 1))
    body = spec.worldbody.add_body(name=family.body)
    body.add_geom(material="marker", type=mujoco.mjtGeom.mjGEOM_BOX, size=(0.02,) * 3, group=1)


def _keep_meshes(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """Drop every mesh outside `body` so that attaching it does not copy the robot's meshes."""
    used = _mesh_names(body)
    for other in list(spec.worldbody.bodies):
        if other.name != body.name:
            spec.detach_body(other)
    for mesh in list(spec.meshes):
        if mesh.name not in used:
            mesh.delete()


def _mesh_names(body: mujoco.MjsBody) -> set[str]:
    names = {geom.meshname for geom in body.geoms if geom.meshname}
    return names.union(*(_mesh_names(child) for child in body.bodies))


def _add_distractors(spec: mujoco.MjSpec) -> None:
    for name, (kind, size, _) in DISTRACTORS.items():
        body = spec.worldbody.add_body(name=f"distractor/{name}", pos=HIDDEN)
        quat = (0.7071068, 0, 0.7071068, 0) if kind == mujoco.mjtGeom.mjGEOM_CAPSULE else (1, 0, 0, 0)
        body.add_geom(name=f"distractor/{name}", type=kind, size=size, quat=quat, rgba=(1, 1, 1, 1), group=1)


def _add_table_texture(spec: mujoco.MjSpec) -> None:
    """A texture of one square metre, repeated over the table top; its pixels are rewritten at run time."""
    spec.add_texture(
        name=TABLE_TEXTURE,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        width=TABLE_PIXELS,
        height=TABLE_PIXELS,
    )
    material = spec.add_material(name=TABLE_TEXTURE, texuniform=True, texrepeat=(1, 1))
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = TABLE_TEXTURE
    top = next(g for g in spec.body("tablelink").geoms if g.type == mujoco.mjtGeom.mjGEOM_BOX and g.group == 1)
    top.material, top.name = TABLE_TEXTURE, TABLE_TEXTURE


def _material_geoms(model: mujoco.MjModel, materials: tuple[str, ...]) -> tuple[int, ...]:
    names = {*materials, *(DECOY + name for name in materials)}
    ids = range(model.ngeom)
    return tuple(g for g in ids if model.geom_matid[g] >= 0 and model.mat(model.geom_matid[g]).name in names)


def _flatten_colours(model: mujoco.MjModel) -> None:
    """Every geom but the table top takes a plain colour (its material's) and no material; the arm becomes slate."""
    has_material = model.geom_matid >= 0
    model.geom_rgba[has_material] = model.mat_rgba[model.geom_matid[has_material]]
    model.geom_matid[:] = -1
    model.geom(TABLE_TEXTURE).matid = model.mat(TABLE_TEXTURE).id
    model.geom_rgba[model.geom(TABLE_TEXTURE).id] = 1
    model.geom_rgba[model.geom("floor").id, :3] = _FLOOR
    model.geom_rgba[model.geom_bodyid == model.body("RetainingWall").id, :3] = _WALL
    visible = model.geom_rgba[:, 3] > 0
    for geom in range(model.ngeom):
        name = model.body(model.geom_bodyid[geom]).name
        if not visible[geom]:
            continue
        if name in ("rightclaw", "leftclaw", "rightpad", "leftpad"):
            model.geom_rgba[geom, :3] = _FINGERS
        elif name in ("hand", "right_hand"):
            model.geom_rgba[geom, :3] = _GRIPPER
        elif name.startswith("right_") or name == "head":
            model.geom_rgba[geom, :3] = _ARM


def _group_geoms(model: mujoco.MjModel) -> None:
    """Sort the geoms into the groups named in the module's docstring."""
    moving = model.body_weldid[model.geom_bodyid] != 0
    hidden = (model.geom_group >= 3) | (model.geom_rgba[:, 3] == 0)
    hidden |= (model.geom_bodyid == model.body("tablelink").id) & (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH)
    model.geom_group[:] = np.where(hidden, COLLISION_GROUP, np.where(moving, MOVING_GROUP, FIXED_GROUP))
