"""Is one task named in two ways?"""

import re
import unicodedata
from collections import Counter, defaultdict

from polymath.data.looking.doctor.findings import Finding
from polymath.data.looking.doctor.population import Population

ARTICLES = {"a", "an", "the"}
LONG = 4  # letters of a word that may be misspelt
RARE = 0.25  # of the episodes of the text it resembles
FEW = 2  # episodes of a misspelt text at most
PLACEHOLDERS = {"", "test", "todo", "task", "dummy", "default", "none", "na", "instruction", "untitled", "asdf", "xxx"}


def naming(population: Population) -> list[Finding]:
    """Instructions that differ from a more frequent one only in case, punctuation, articles or one misspelt letter.

    Red and blue, left and right are different tasks: a misspelling is a word of four letters or more that occurs in at
    most two episodes and nowhere else in the set, one letter away from a word that is four times as frequent there.
    """
    texts = [episode.instruction for episode in population.episodes]
    counts = Counter(texts)
    merged: dict[str, list[str]] = defaultdict(list)
    for text in counts:
        merged[normalised(text)].append(text)
    usual = {each: max(group, key=lambda t: counts[t]) for group in merged.values() for each in group}
    words = Counter(word for text in texts for word in set(normalised(text).split()))
    for text in counts:
        if usual[text] == text and counts[text] <= FEW:
            usual[text] = _corrected(text, counts, words) or text
    findings = []
    for number, text in enumerate(texts):
        if normalised(text).replace(" ", "") in PLACEHOLDERS:
            findings.append(Finding("naming", number, "look", f"instruction {text!r} says nothing of the task"))
        elif usual[text] != text:
            other = usual[text]
            message = f"instruction {text!r} looks like {other!r}, which {counts[other]} episodes have: one task?"
            findings.append(Finding("naming", number, "look", message))
    return findings


def normalised(text: str) -> str:
    """Lower case, compatibility forms, no punctuation, no articles, single spaces."""
    plain = re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(word for word in plain.split() if word not in ARTICLES)


def _corrected(text: str, counts: Counter[str], words: Counter[str]) -> str | None:
    """The frequent text of which this one is a misspelling."""
    mine = normalised(text).split()
    for other, count in counts.most_common():
        theirs = normalised(other).split()
        if counts[text] > RARE * count or len(theirs) != len(mine):
            continue
        different = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
        if len(different) == 1 and _misspelt(*different[0]) and words[different[0][0]] <= counts[text]:
            return other
    return None


def _misspelt(word: str, other: str) -> bool:
    """One letter changed, left out, put in, or two neighbours exchanged; the first letter is right, numbers are not."""
    if min(len(word), len(other)) < LONG or word[0] != other[0] or not (word.isalpha() and other.isalpha()):
        return False
    if len(word) == len(other):
        places = [i for i in range(len(word)) if word[i] != other[i]]
        if len(places) == 2 and places[1] == places[0] + 1:
            return word[places[0]] == other[places[1]] and word[places[1]] == other[places[0]]
        return len(places) == 1
    longer, shorter = sorted((word, other), key=len, reverse=True)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
