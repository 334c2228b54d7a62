"""Multilingual text out of documentation packages of Debian, by language, and word frequencies out of `wordfreq`.

    python examples/tokenizer_256k/corpus.py OUT [--debs DIR]      (needs apt-get, dpkg-deb and requirements.txt)

    OUT/text/LANG.txt            lines of manual pages, help pages, books and translated programs, each line once
    OUT/text/LANG.words.tsv      word <TAB> count, as if WORDS running words had been read, ENGLISH_WORDS of English
    OUT/heldout/LANG.*.txt       quotations, jokes (quotes), small talk (dialogs): no documentation, never trained on

The list of packages is packages.txt, beside this file. `apt-get download` fetches what DIR does not hold yet.
"""

import argparse
import gettext
import gzip
import html
import io
import re
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGES = Path(__file__).with_name("packages.txt")
WORDS, ENGLISH_WORDS = 20_000_000, 80_000_000  # most captions and instructions are English
CAP = 60_000_000  # bytes of one language
HELD_OUT = "fortunes-"
NAMES = {"br": "pt", **dict.fromkeys(("C", "c", "dev", "doc", "faq", "min"), "en")}  # fortunes-br is Portuguese
DIALOGS = {
    **{
        "bengali": "bn",
        "chinese": "zh",
        "dutch": "nl",
        "english": "en",
        "french": "fr",
        "german": "de",
        "hebrew": "he",
    },
    **{"hindi": "hi", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "marathi": "mr"},
    **{"oriya": "or", "persian": "fa", "portuguese": "pt", "russian": "ru", "spanish": "es", "swedish": "sv"},
    **{"tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur"},
}
TAIL = re.compile(r"-([a-z]{2,3})(?:-[a-z]{2})?$")
FOLDER = re.compile(
    r"/(?:man|help|html|locale|LC_MESSAGES|resource|FAQ|developers-reference)/([a-zA-Z]{1,3})(?:[-_@][\w@]+)?/"
)
NO_SPACES = {"zh", "ja"}
TROFF = re.compile(r"\\f[A-Z]|\\f\[\w*\]|\\&|\\/|\\,|^[.']\S*\s*|\\s[-+]?\d|\\m\[\w*\]")
MARKUP = re.compile(r"<(script|style|pre)\b.*?</\1>|<!--.*?-->", re.S | re.I)
BLOCK = re.compile(r"</?(?:p|div|li|td|tr|h\d|br|title|dt|dd|section|note|item)\b[^>]*>", re.I)
TAG = re.compile(r"<[^>]*>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--debs", type=Path, default=None)
    arguments = parser.parse_args()
    debs = arguments.debs or arguments.out / "debs"
    for folder in (debs, arguments.out / "text", arguments.out / "heldout"):
        folder.mkdir(parents=True, exist_ok=True)
    have = {path.name.split("_")[0] for path in debs.glob("*.deb")}
    missing = [name for name in PACKAGES.read_text().split() if name not in have]
    if missing:
        subprocess.run(["apt-get", "download", "-q", *missing], cwd=debs, check=True)
    text, held_out = Lines(arguments.out / "text", ".txt"), Lines(arguments.out / "heldout", ".quotes.txt")
    for deb in sorted(debs.glob("*.deb")):
        package = deb.name.split("_")[0]
        for language, text_of_document in documents(deb, package):
            (held_out if package.startswith(HELD_OUT) else text).add(language, text_of_document)
    text.close()
    held_out.close()
    write_words(arguments.out / "text")
    write_dialogs(arguments.out / "heldout")


class Lines:
    """One file a language; every line once, up to CAP bytes."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        self._files: dict[str, io.TextIOWrapper] = {}
        self._sizes: dict[str, int] = {}
        self._seen: set[int] = set()

    def add(self, language: str, text: str) -> None:
        if language not in self._files:
            self._files[language] = (self._folder / f"{language}{self._suffix}").open("w", encoding="utf-8")
            self._sizes[language] = 0
        for line in text.splitlines():
            line = " ".join(line.split())
            key = zlib.crc32(line.encode()) << 32 | zlib.adler32(line.encode())
            if len(line) < 4 or key in self._seen or self._sizes[language] > CAP:
                continue
            self._seen.add(key)
            self._files[language].write(line + "\n")
            self._sizes[language] += len(line.encode()) + 1

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def documents(deb: Path, package: str) -> Iterator[tuple[str, str]]:
    """(language, text) of every readable file of a package."""
    tail = TAIL.search(package)
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as unpacked,
        tarfile.open(fileobj=unpacked.stdout, mode="r|") as tar,
    ):
        for member in tar:
            text = read(PurePosixPath(member.name), tar, member) if member.isfile() else None
            if text:
                folder = FOLDER.search(member.name)
                name = folder.group(1) if folder else tail.group(1) if tail else "en"
                yield NAMES.get(name, name), text


def read(name: PurePosixPath, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    """The text of a file that holds some, else None."""
    suffix = name.with_suffix("").suffix if name.suffix == ".gz" else name.suffix
    manual = "/man/" in member.name
    quotation = "/fortunes/" in member.name and name.suffix in ("", ".u8") and not name.name.startswith(".")
    skipped = any(word in member.name for word in ("changelog", "copyright", "genindex", "searchindex", "bookmarks"))
    if skipped or not (manual or quotation or suffix in (".html", ".page", ".mo", ".pod")):
        return None
    data = tar.extractfile(member).read()  # type: ignore[union-attr]
    if suffix == ".mo":
        return translations(data)
    text = (gzip.decompress(data) if name.suffix == ".gz" else data).decode("utf-8", errors="ignore")
    if manual:
        return "\n".join(TROFF.sub("", line).replace("\\-", "-") for line in text.splitlines())
    if suffix in (".html", ".page"):
        return html.unescape(TAG.sub("", BLOCK.sub("\n", MARKUP.sub("\n", text).replace("\n", " "))))
    return text.replace("\n%\n", "\n")


def translations(data: bytes) -> str:
    """The translated strings of a gettext catalogue."""
    catalogue = gettext.GNUTranslations(io.BytesIO(data))._catalog  # type: ignore[attr-defined]
    return "\n".join(
        TAG.sub("", text).replace("~", "") for key, text in catalogue.items() if key and isinstance(text, str)
    )


def write_words(out: Path) -> None:
    """Word lists with a space before, as running text has them; a part capitalised, a part at the start of a line."""
    import wordfreq

    for language in sorted(wordfreq.available_languages("best")):
        frequencies = wordfreq.get_frequency_dict(language, "best")
        with (out / f"{language}.words.tsv").open("w", encoding="utf-8") as file:
            for word, frequency in frequencies.items():
                count = frequency * (ENGLISH_WORDS if language == "en" else WORDS)
                forms = [(word, 1.0)] if language in NO_SPACES else variants(word)
                for form, share in forms:
                    if round(count * share):
                        file.write(f"{form}\t{round(count * share)}\n")


def write_dialogs(out: Path) -> None:
    """The sentences of the package chatterbot-corpus, a line each, without its YAML."""
    import chatterbot_corpus

    data = Path(chatterbot_corpus.__file__).parent / "data"
    for folder, language in DIALOGS.items():
        lines = [
            line for path in sorted((data / folder).glob("*.yml")) for line in path.read_text("utf-8").splitlines()
        ]
        sentences = [line.strip().lstrip("- ").strip("\"'") for line in lines if line.strip().startswith("-")]
        (out / f"{language}.dialogs.txt").write_text(
            "\n".join(line for line in sentences if line) + "\n", encoding="utf-8"
        )


def variants(word: str) -> list[tuple[str, float]]:
    capital = word[0].upper() + word[1:]
    if capital == word:
        return [(" " + word, 0.95), (word, 0.05)]
    return [(" " + word, 0.82), (" " + capital, 0.12), (capital, 0.04), (word, 0.02)]


if __name__ == "__main__":
    main()
