"""Is the episode whole?"""

import numpy as np

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

SHORT = 0.2
"""Of the median length of the task's episodes: recording was stopped too early, or begun twice."""
FEWEST = 5  # episodes of a task that can be compared


def length(population: Population) -> list[Finding]:
    """An episode a fifth as long as those of its task, or shorter."""
    tasks = np.array([episode.task for episode in population.episodes])
    lengths = np.array([len(actions) for actions in population.actions])
    findings = []
    for task in np.unique(tasks):
        places = np.flatnonzero(tasks == task)
        usual = float(np.median(lengths[places]))
        if len(places) < FEWEST:
            continue
        for number in places[lengths[places] < SHORT * usual].tolist():
            text = f"{lengths[number]} control steps long, {usual:.0f} are usual for its task"
            findings.append(Finding("length", int(number), "look", text))
    return findings
