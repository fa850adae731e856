"""Look for words that make readers stop, in everything that people read: `make check` runs this.

The rules and their reasons are in words.yaml beside it; prose.py says what of a file is read.
Usage: .venv/bin/python scripts/check_words.py [--count] [<file or folder> ...]
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import yaml

from prose import READERS

REPO = Path(__file__).resolve().parents[1]
RULES = Path(__file__).with_name("words.yaml")


@dataclass(frozen=True)
class Rule:
    """Words that people should not have to read.

    Attributes:
        rule_id: Its short name.
        pattern: What finds the words; a space in it matches any white space.
        instead: What to write.
        why: Why readers stop at the words.
        bad: A sample that must be found.
        good: A sample that must not.
        allowed: Files that may have the words, as patterns of paths.
    """

    rule_id: str
    pattern: re.Pattern[str]
    instead: str
    why: str
    bad: str
    good: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Words of a file that a rule forbids."""

    file: str
    line: int
    words: str
    rule: Rule


def _compile(pattern: str) -> re.Pattern[str]:
    """Let each space of a pattern match a line break too."""
    return re.compile(pattern.strip().replace(" ", r"\s+"), re.IGNORECASE)


@cache
def read_rules() -> tuple[Rule, ...]:
    """Read the rules, then the sentences that are gone, each as a rule of its own.

    Returns:
        The rules in the order of the file.
    """
    data = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    rules = [
        Rule(
            rule_id=rule["id"],
            pattern=_compile(rule["pattern"]),
            instead=rule["instead"],
            why=rule["why"],
            bad=rule["bad"],
            good=rule["good"],
            allowed=tuple(rule.get("allowed", ())),
        )
        for rule in data["rules"]
    ]
    return (
        *rules,
        *(
            Rule(
                rule_id=name,
                pattern=_compile(re.escape(sentence["was"]).replace(r"\ ", " ")),
                instead=sentence["instead"],
                why="it made readers stop",
                bad=sentence["was"],
                good=sentence["instead"],
            )
            for name, sentence in data["sentences"].items()
        ),
    )


def check_file(file: Path, name: str) -> Iterator[Finding]:
    """Find the words of a file that a rule forbids.

    Args:
        file: The file.
        name: What it is called in the answer, and by the places that a rule allows.

    Yields:
        What was found, in no order.
    """
    text = file.read_text(encoding="utf-8")
    rules = [r for r in read_rules() if not any(fnmatch(name, place) for place in r.allowed)]
    for first, prose in READERS[file.suffix](text):
        for rule in rules:
            for match in rule.pattern.finditer(prose):
                words = " ".join(match[0].split())
                line = first + prose.count("\n", 0, match.start())
                yield Finding(name, line, words, rule)


def _git(folder: Path, *arguments: str) -> str:
    """Ask git about the checkout that a folder is in."""
    return subprocess.run(
        ["git", "-C", folder, *arguments],  # noqa: S607
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def list_files(place: Path) -> Iterator[tuple[Path, str]]:
    """List the files that people read, of those that git knows.

    Args:
        place: A file, or a folder of a checkout.

    Yields:
        Each file, and its path in its checkout.
    """
    data = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    folder = place if place.is_dir() else place.parent
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    names = _git(folder, "ls-files", "--full-name", "-z", str(place.resolve()))
    for name in sorted(names.split("\0")):
        if (
            Path(name).suffix in READERS
            and any(fnmatch(name, pattern) for pattern in data["read"])
            and not any(fnmatch(name, pattern) for pattern in data["passed_over"])
        ):
            yield top / name, name


def main() -> int:
    """Check the files of the command line, or all.

    Returns:
        1 if a rule forbids any words, and otherwise 0.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("places", nargs="*", type=Path, default=[REPO], help="files or folders")
    parser.add_argument("--count", action="store_true", help="print only how often, by rule")
    options = parser.parse_args()
    found = [
        finding
        for place in options.places
        for file, name in list_files(place)
        for finding in sorted(check_file(file, name), key=lambda finding: finding.line)
    ]
    for finding in () if options.count else found:
        rule = finding.rule
        print(
            f"{finding.file}:{finding.line}: {rule.rule_id}: “{finding.words}”, but {rule.why}. "
            f"Write: {rule.instead}"
        )
    counts = Counter(finding.rule.rule_id for finding in found)
    for rule in read_rules():
        if counts[rule.rule_id]:
            print(f"{counts[rule.rule_id]:6} {rule.rule_id}")
    print(f"{len(found):6} in all")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
