"""CALVIN (Mees et al. 2022): chains of five instructions for a Panda arm at a table, in the official simulator."""
