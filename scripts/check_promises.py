#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the promises of wit/ with the cases that hold them.

A normative sentence of wit/ ends with an id in brackets: [kv-17].  A case names the ids
that it holds, in the table of cases (.holds = "kv-17 kv-18") or in a comment (holds:
kv-17 kv-18).  It is an error if a promise has no case, wit/ has an id twice, or a
case names one that wit/ lacks.

    scripts/check_promises.py             fail where any of these is so
    scripts/check_promises.py --list      those promises, with their sentences
    scripts/check_promises.py --cases ID  the places that name an id
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["types", "kv", "lockd", "sql", "mq", "pubsub", "slight"]
ID = re.compile(r"\b[a-z]+-\d+\b")
MARK = re.compile(r"\[([a-z]+-\d+)\]")
FIELD = re.compile(r"\.holds\s*=\s*(?:\"[^\"]*\"\s*)+")
COMMENT = re.compile(r"\bholds:(?:[ ,]*[a-z]+-\d+)+")
CASES = ["conformance", "tests", "bridge", "wit", "src/*_test.c"]


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout.splitlines()


def paragraphs(text):
    """The doc comments of a WIT file, each paragraph and item as one line."""
    lines = []
    for line in text.splitlines():
        comment = re.match(r" */// ?(.*)$", line)
        words = comment[1].strip() if comment else ""
        if not words:
            lines.append("")
        elif lines and lines[-1] and not words.startswith("- "):
            lines[-1] += " " + words
        else:
            lines.append(words)
    return [line for line in lines if line]


def promises():
    """Each id of wit/ with its sentence, and the ids that stand twice."""
    found, twice = {}, []
    for package in PACKAGES:
        for paragraph in paragraphs((ROOT / "wit" / package / f"{package}.wit").read_text()):
            start = 0
            for mark in MARK.finditer(paragraph):
                if mark[1] in found or mark[1].split("-")[0] != package:
                    twice.append(mark[1])
                sentence = paragraph[start:mark.start()].lstrip(" .;:,-")
                # What stands before it without an id: not a part of the sentence.
                found[mark[1]] = re.split(r"(?<=\.) (?=[A-Z0-9`*])", sentence.strip())[-1]
                start = mark.end()
    return found, twice


def named():
    """Each id that a case names, with the places."""
    places = {}
    for file in tracked(*CASES):
        try:
            text = (ROOT / file).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        if file.endswith(".wit"):
            continue
        for hit in [*FIELD.finditer(text), *COMMENT.finditer(text)]:
            line = text.count("\n", 0, hit.start()) + 1
            for name in ID.findall(hit[0]):
                places.setdefault(name, []).append(f"{file}:{line}")
    return places


def main():
    found, wrong = promises()
    places = named()
    if sys.argv[1:2] == ["--cases"]:
        print("\n".join(places.get(sys.argv[2], [])))
        return
    for name in wrong:
        print(f"wit/: [{name}] is a duplicate, or belongs to another package", file=sys.stderr)
    unknown = sorted(name for name in places if name not in found)
    for name in unknown:
        print(f"{', '.join(places[name])}: {name} is not in wit/", file=sys.stderr)
    missing = [name for name in found if name not in places]
    if sys.argv[1:2] == ["--list"]:
        for name in missing:
            print(f"{name}\t{found[name]}")
    elif missing:
        print(f"{len(missing)} of {len(found)} promises have no case; "
              "scripts/check_promises.py --list shows them", file=sys.stderr)
    sys.exit(bool(wrong or unknown or missing))


main()
