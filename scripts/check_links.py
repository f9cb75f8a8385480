#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check the relative links of every tracked Markdown file: each file, folder and
anchor exists.  Check as well that the files which pages name in code spans exist, and
the pages of docs/ which other files name.
"""
import pathlib
import re
import subprocess
import sys

# They name files of a driver, or of a guest, that the reader writes.
EXAMPLES = ["docs/adding-a-provider.md", "docs/guests.md"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`((?:bench|bridge|cmake|docs|guest|scripts|src|tests|wit)/[\w./-]+)`")
PAGE = re.compile(r"(?<![\w./-])docs/[\w./-]+\.md\b")


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout.splitlines()


def without_code(text):
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", without_code(path.read_text()), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (name := anchor if number == 0 else f"{anchor}-{number}") in found:
            number += 1
        found.add(name)
    return found


def dead_links(page):
    text = re.sub(r"`[^`\n]*`", "``", without_code((ROOT / page).read_text()))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists():
            yield f"{page}: {target}: no such file"
        elif anchor and (path.suffix != ".md" or anchor not in anchors(path)):
            yield f"{page}: {target}: no such heading"


def missing_files(page):
    """Files in code spans; not those with a part in capitals, such as NAME."""
    for name in SPAN.findall(without_code((ROOT / page).read_text())):
        if not re.search(r"[A-Z]{3}", name.replace("CMakeLists", "")) and not (ROOT / name).exists():
            yield f"{page}: {name}: no such file"


def missing_pages(file):
    try:
        text = (ROOT / file).read_text()
    except UnicodeDecodeError:
        return
    for page in sorted(set(PAGE.findall(text))):
        if not (ROOT / page).exists():
            yield f"{file}: {page}: no such file"


def main():
    pages = tracked("*.md")
    wrong = [line for page in pages for line in dead_links(page)]
    wrong += [line for page in pages if page not in EXAMPLES for line in missing_files(page)]
    wrong += [line for file in tracked("*.c", "*.h", "*.rs", "*.sh", "*.py", "*.md", "*.cmake", "*CMakeLists.txt")
              if file not in EXAMPLES and (ROOT / file).exists() for line in missing_pages(file)]
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


main()
