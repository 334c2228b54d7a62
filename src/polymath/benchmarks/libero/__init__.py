"""LIBERO: 130 manipulation tasks of a Panda in robosuite, and LIBERO-PRO's variations of 40 of them."""
