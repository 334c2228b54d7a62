"""The wire formats of the clients that robots have: one module each, with one function `serve`."""
