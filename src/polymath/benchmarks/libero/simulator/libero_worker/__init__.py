"""LIBERO and LIBERO-PRO as simulators of a worker process: `python -m libero_worker --suites libero_object`.

suites.py      tasks by name: their BDDL file, initial states, words and horizon
stage.py       one task's environment: starts an episode, steps it, keeps the moment that the policy sees
pictures.py    draws that moment, through EGL or with the ray caster
ray_caster.py  rays and light; surfaces.py the colours of what they hit
simulator.py   what the worker serves
"""
