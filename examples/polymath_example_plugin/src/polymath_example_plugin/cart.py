"""A robot of our own, a cart on a rail, and how an RLDS data set of it is read."""

from polymath.data.formats.rlds.field_maps import FieldMap, Part
from polymath.types import Conventions, Embodiment

CART = Embodiment(
    name="cart",
    slot=20,  # its <robot:20> token: no other robot of the same training run may have it
    cameras=("front",),
    state_names=("x", "gripper"),
    action_names=("dx", "gripper"),
    gripper_dims=(1,),
    control_hz=10.0,
    action_space="displacement along the rail [m]; gripper -1 closed, 1 open",
    state_space="position on the rail [m]; gripper 0 closed, 1 open",
    conventions=Conventions(
        roles=("primary",),
        state_units=("m", "1"),
        action_units=("m", "1"),
        motion="pose delta",
        rotation="none",
        frame="base",
        gripper="-1 closed 1 open",
    ),
)

# `steps/` is left out of the names; the entry point has the name of the data set.
FIELD_MAP = FieldMap(
    robot=CART,
    images=("observation/front",),
    state=(Part("observation/x"), Part("observation/gripper")),
    action=(Part("action"),),
    instruction="language_instruction",
)
