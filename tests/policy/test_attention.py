"""What `Attention` shows is the model's own attention over the pictures that the model itself is shown."""

import numpy as np
import pytest

from polymath.data.files.images import fit
from polymath.errors import DataError
from polymath.model import polymath_v
from polymath.policy import Policy
from polymath.policy.attention import Attention

from .conftest import observation
from .stored_runs import stored


@pytest.fixture(scope="module")
def policy(run, params):
    return Policy(run, params, "p")


def test_it_is_the_models_attention_over_the_fitted_pictures(policy, run, params):
    seen = observation(0)
    look = Attention(policy)(seen)
    assert np.array_equal(look.images[0], fit(seen.images["front"], run.recipe.layout.image_size))
    expected = polymath_v.latent_attention(params, run.recipe.model, look.images)
    assert np.allclose(look.weights, expected, atol=1e-6)
    assert look.weights.shape[:2] == (1, run.recipe.model.resampler.latents)
    assert np.allclose(look.weights.sum(axis=-1), 1, atol=1e-5)


def test_a_policy_in_8_bits_is_looked_at_too(policy, run, params, tmp_path):
    pytest.importorskip("qwix")
    in_int8 = Policy.load(stored(tmp_path / "p", run, run.recipe, params), dtype="int8")
    full, small = (Attention(each)(observation(0)).weights for each in (policy, in_int8))
    assert np.abs(full - small).max() < 0.05


def test_a_blind_policy_looks_at_black_pictures(policy):
    assert not Attention(policy.ablated("blind", blank_images=True))(observation(0)).images.any()


def test_a_camera_that_is_missing_is_named(policy):
    with pytest.raises(DataError, match="no camera 'front'"):
        Attention(policy)(observation(0).__class__({}, observation(0).state, "go", observation(0).embodiment))
