#!/usr/bin/env python3
"""Make the training text: the King James Bible, printed by Debian's `bible` program.

Needs the Debian packages bible-kjv and bible-kjv-text (tested with 4.38). Writes
three UTF-8 files to --out:

  train.txt      what the model is trained on
  dev.txt        chapters used to choose settings and the step to stop at
  held-out.txt   chapters that no choice was made on; the reported score is on these

Counting the 1189 chapters from 0 in canonical order, chapter i is held out when
i % 20 == 10 and goes to dev when i % 40 == 25. A chapter is a heading line ("Psalms 3"),
an empty line, then one verse a line without numbers; an empty line ends it.
"""
import argparse
import hashlib
import re
import subprocess
from pathlib import Path

BOOKS = {
    "Ge": "Genesis", "Exo": "Exodus", "Lev": "Leviticus", "Num": "Numbers", "Deu": "Deuteronomy",
    "Josh": "Joshua", "Jdgs": "Judges", "Ruth": "Ruth", "1Sm": "1 Samuel", "2Sm": "2 Samuel",
    "1Ki": "1 Kings", "2Ki": "2 Kings", "1Chr": "1 Chronicles", "2Chr": "2 Chronicles",
    "Ezra": "Ezra", "Neh": "Nehemiah", "Est": "Esther", "Job": "Job", "Psa": "Psalms",
    "Prv": "Proverbs", "Eccl": "Ecclesiastes", "SSol": "Song of Solomon", "Isa": "Isaiah",
    "Jer": "Jeremiah", "Lam": "Lamentations", "Eze": "Ezekiel", "Dan": "Daniel", "Hos": "Hosea",
    "Joel": "Joel", "Amos": "Amos", "Obad": "Obadiah", "Jonah": "Jonah", "Mic": "Micah",
    "Nahum": "Nahum", "Hab": "Habakkuk", "Zep": "Zephaniah", "Hag": "Haggai", "Zec": "Zechariah",
    "Mal": "Malachi", "Mat": "Matthew", "Mark": "Mark", "Luke": "Luke", "John": "John",
    "Acts": "Acts", "Rom": "Romans", "1Cor": "1 Corinthians", "2Cor": "2 Corinthians",
    "Gal": "Galatians", "Eph": "Ephesians", "Phi": "Philippians", "Col": "Colossians",
    "1Th": "1 Thessalonians", "2Th": "2 Thessalonians", "1Tim": "1 Timothy", "2Tim": "2 Timothy",
    "Titus": "Titus", "Phmn": "Philemon", "Heb": "Hebrews", "Jas": "James", "1Pet": "1 Peter",
    "2Pet": "2 Peter", "1Jn": "1 John", "2Jn": "2 John", "3Jn": "3 John", "Jude": "Jude",
    "Rev": "Revelation",
}
VERSE = re.compile(r"(\d?[A-Za-z]+)(\d+):(\d+) (.+)")


def chapters() -> list[str]:
    """All 1189 chapters in canonical order, each as 'heading, empty line, verses'."""
    printed = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], check=True,
                             capture_output=True, text=True).stdout
    verses: dict[str, list[str]] = {}
    for line in printed.splitlines():
        match = VERSE.fullmatch(line.strip())
        if not match:
            raise SystemExit(f"not a verse: {line!r}")
        book, chapter, _, text = match.groups()
        verses.setdefault(f"{BOOKS[book]} {chapter}", []).append(" ".join(text.split()))
    return [f"{heading}\n\n" + "\n".join(text) + "\n" for heading, text in verses.items()]


def part(index: int) -> str:
    """The file that chapter `index` (from 0) belongs to."""
    if index % 20 == 10:
        return "held-out"
    return "dev" if index % 40 == 25 else "train"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[str]] = {"train": [], "dev": [], "held-out": []}
    everything = chapters()
    assert len(everything) == 1189, len(everything)
    for index, chapter in enumerate(everything):
        parts[part(index)].append(chapter)
    for name, texts in parts.items():
        data = "\n".join(texts).encode()
        (args.out / f"{name}.txt").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        print(f"{name}.txt: {len(texts)} chapters, {len(data)} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
