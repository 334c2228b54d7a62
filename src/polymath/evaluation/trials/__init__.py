"""Policies on a real robot, judged by a person who does not know which of them it is.

plan       which policy plays which trial: paired over arrangements, in a random order that a seed fixes
log        one line a verdict, on disk when it is given; reading it back resumes
operator   what the person is told and asked
run        the trials one after the other, on a robot that speaks the worker protocol
"""
