"""A simulator of a page: the cart drives along its rail to a white mark. It needs numpy alone."""

import numpy as np

INSTRUCTION = "drive to the white mark"
SIZE = 64  # pixels of a picture's side
REACH = 0.1  # metres a control step at most
MAX_STEPS = 20


class CartWorld:
    """The rail is one metre long and as wide as the picture; `tolerance` is the distance, in metres, that succeeds."""

    def __init__(self, tolerance: float = 0.05) -> None:
        self.tolerance = tolerance
        self.x = self.mark = 0.0
        self.steps = 0

    def reset(self, seed: int) -> None:
        """The same seed, the same scene: cart and mark at least a quarter of the rail apart."""
        rng = np.random.Generator(np.random.PCG64(seed))
        self.x = float(rng.uniform(0, 1))
        self.mark = float((self.x + rng.uniform(0.25, 0.75)) % 1)
        self.steps = 0

    def step(self, action: np.ndarray) -> bool:
        """Move by action[0] metres, REACH at most. True if the cart then stands on the mark."""
        self.x = float(np.clip(self.x + np.clip(action[0], -REACH, REACH), 0, 1))
        self.steps += 1
        return abs(self.x - self.mark) < self.tolerance

    @property
    def state(self) -> np.ndarray:
        """float32 [2]: the place on the rail, and the open gripper."""
        return np.array([self.x, 1.0], np.float32)

    def picture(self) -> np.ndarray:
        """uint8 [SIZE, SIZE, 3]: the mark in white from top to bottom, the cart a red block below."""
        image = np.full((SIZE, SIZE, 3), 40, np.uint8)
        image[:, column(self.mark)] = 255
        image[SIZE // 2 :, column(self.x)] = (220, 40, 40)
        return image

    def expert(self) -> np.ndarray:
        """float32 [2]: straight to the mark."""
        return np.array([np.clip(self.mark - self.x, -REACH, REACH), 1.0], np.float32)


def column(x: float) -> slice:
    """The pixels, four wide, of a place on the rail."""
    left = int(np.clip(x * SIZE - 2, 0, SIZE - 4))
    return slice(left, left + 4)
