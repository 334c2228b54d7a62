"""How close a policy's actions come to recorded ones it has not seen, without a robot and without a simulator.

measure   asks the policy about each step of the episodes
errors    what its answers are worth: errors per dimension and per step of the chunk, accuracy of the gripper
page      the same as one HTML page, with curves of predicted against recorded actions

A low error is no success rate: errors add up in closed loop, and a policy that averages two good ways has a low error
and fails. It finds wrong conventions, wrong cameras and divergence within minutes, before a robot moves.
"""
