"""Captioned pictures of the simulator: sentences in several languages, pointing questions."""
