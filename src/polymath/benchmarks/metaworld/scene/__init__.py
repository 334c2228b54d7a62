"""Meta-World's scenes: tasks, shapes, cameras, variation, renderers, and what is where."""
