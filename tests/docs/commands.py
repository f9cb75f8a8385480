#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command that the documentation shows, and what it shows of its output.

A block of a Markdown file between ``` that has lines with "$ " before them is a
session: those lines are commands, the others what they print.  All sessions of a
file are typed into one shell, in a copy of the file's folder.  A "…" stands for
any text, and what stands behind two blanks and a # is a remark.

A file with commands that PREPARED does not know is a failure, and so is a
command that shows nothing and fails.

Environment: SLIGHT, the program; SL_TEST_GUESTS, the folder of the components;
SL_TEST_SERVICES, what the running services say of themselves.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLIGHT = os.environ["SLIGHT"]
GUESTS = pathlib.Path(os.environ["SL_TEST_GUESTS"])
SERVICES = pathlib.Path(os.environ["SL_TEST_SERVICES"])
SILENT = os.environ.get("SL_TEST_SILENT")  # a program that does nothing: one failure is enough
SECONDS = 1 if SILENT else 120
END = "this command has ended"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def service(name, variable):
    text = (SERVICES / f"{name}.env").read_text()
    return re.search(rf"^{variable}=['\"]?([^'\"\n]*)", text, re.M).group(1)


# --- What is there before the first command of a file ------------------------


def in_root(folder):
    """A copy of what the examples need, with the program where it is built."""
    for name in ("examples", "guest", "wit", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.wasm", "*.db*", "target"))
    for manifest in folder.glob("examples/*/redis.toml"):  # others use the server, too
        manifest.write_text(re.sub('^prefix = "', f'prefix = "{folder.parent.name}', manifest.read_text(), flags=re.M))
    (folder / "build").mkdir()
    (folder / "build/slight").symlink_to(SLIGHT)


def in_readme(folder):
    in_root(folder)
    place = folder / "examples/wordcount-c"  # to which the first session goes
    shutil.copy(GUESTS / "e2e-version.wasm", place / "app.wasm")
    guest = re.search(r"^```c\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S).group(1)
    (place / "hello.c").write_text(guest)


def in_errors(folder):
    shutil.copy(GUESTS / "e2e-reactor.core.wasm", folder / "core.wasm")
    shutil.copy(GUESTS / "e2e-version.wasm", folder / "old.wasm")
    shutil.copy(GUESTS / "e2e-missing.wasm", folder / "shop.wasm")


def before_check(folder):
    (folder / "slightfile.toml").write_text(
        'slight = 1\nnmae = "a"\nname = "a"\n[component]\nsource = "a.wasm"\n'
        '[[resource]]\ntype = "kv.rdis"\nname = "a"\n')


# File: how it is prepared, the folder in which its commands are typed.
PREPARED = {
    "README.md": (in_readme, "."),
    "docs/errors.md": (in_errors, "."),
    **{str(path.relative_to(ROOT)): (in_root, str(path.parent.relative_to(ROOT)))
       for path in ROOT.glob("examples/*/README.md")},
}

# Typed by another test, which is named.
ELSEWHERE = {
    ("docs/guests.md", ""): "e2e.installed",  # outside of the checkout
    ("docs/triggers.md", "slight dead-letters"): "e2e.deliveries",
    ("docs/sandbox.md", "slight check"): "hostile.sandbox",  # the kernel decides what it prints
    ("examples/orders/README.md", "slight run kafka-"): "example.orders.postgres",
}

# What is typed in place of a command that needs another machine, or that
# builds what the tests have built.
INSTEAD = [
    (r"^make run\b", "scripts/run-example.sh wordcount-c /usr/share/common-licenses/GPL-3"),
    (r"^make example NAME=(\S+)", r"cp {guests}/\1-bill.wasm bill.wasm && "
     r"cp {guests}/\1-ship.wasm ship.wasm && cp {guests}/\1-accept.wasm accept/accept.wasm && slight run"),
    (r"^cargo build --release --target wasm32-wasip2",
     r"mkdir -p target/wasm32-wasip2/release && cp {guests}/{example}.wasm target/wasm32-wasip2/release/ && "
     r"cp {guests}/{example}.wasm target/wasm32-wasip2/release/{short}.wasm"),
    (r"rediss?://:\w+@[\w.]+:\d+", "{redis}"),
]


# --- Sessions ------------------------------------------------------------------


def sessions(path):
    """The commands of a file, each with the lines that it prints."""
    found, inside = [], False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if text.startswith("```"):
            inside = text == "```" and not inside
            if inside:
                found.append([])
            continue
        if not inside:
            continue
        block = found[-1]
        if line.startswith("$ "):
            block.append((number, re.sub(r"\s{2,}#.*", "", line[2:]), []))
        elif block and block[-1][1].endswith("\\"):
            before = block.pop()
            block.append((before[0], before[1][:-1] + line.strip(), []))
        elif block and text:
            block[-1][2].append(re.sub(r"\s{2,}#.*", "", line))
    name = str(path.relative_to(ROOT))
    return [command for block in found for command in block
            if not any(name == file and command[1].startswith(begin) for file, begin in ELSEWHERE)]


def pattern(line):
    return ".*".join(re.escape(part) for part in re.split("…", line))


class Shell:
    """A bash that is typed into; what it and its programs print is collected."""

    def __init__(self, folder, environment):
        self.output = folder.parent / "output"
        self.output.write_text("")
        # Not by standard input, which is that of what it starts.
        read, write = os.pipe()
        self.keyboard = open(write, "w")
        self.process = subprocess.Popen(
            ["bash", "-m", f"/dev/fd/{read}"], cwd=folder, env=environment, pass_fds=[read],
            stdin=subprocess.DEVNULL, stdout=open(self.output, "a"), stderr=subprocess.STDOUT,
            start_new_session=True)
        os.close(read)
        self.seen = 0

    def printed(self):
        return self.output.read_text(errors="replace")[self.seen:]

    def type(self, command):
        self.seen = len(self.output.read_text(errors="replace"))
        self.keyboard.write(command + "\n")
        self.keyboard.flush()

    def has_lines(self, lines):
        """Whether all of them have come, in this order."""
        return re.search("(?s:.*?)".join(pattern(line) for line in lines), self.printed()) is not None

    def await_lines(self, lines, seconds=SECONDS):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.has_lines(lines):
                return True
            time.sleep(0.05)
        return False

    def close(self):
        """End it and all that it has started: they are of its session."""
        for number in [signal.SIGTERM, signal.SIGKILL]:
            until = time.monotonic() + 10
            for process in self.session():
                os.kill(process, number)
            while self.session() and time.monotonic() < until:
                time.sleep(0.05)
        self.process.wait()

    def session(self):
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            except OSError:  # it has just ended
                continue
            if int(session) == self.process.pid and state != "Z":
                found.append(int(stat.parent.name))
        return found


def is_server(command, rest):
    """`slight run` in a file that later talks to it, or that goes on with &."""
    return re.search(r"slight run\b|^make example", command) and any("curl" in other[1] for other in rest)


def rewritten(command, path, port):
    words = {
        "guests": str(GUESTS), "redis": service("redis", "SL_TEST_REDIS_URL"),
        "example": path.parent.name, "short": path.parent.name.removesuffix("-rust"),
    }
    for old, new in INSTEAD:
        for name, value in words.items():
            new = new.replace("{" + name + "}", value)
        command = re.sub(old, new, command)
    return re.sub(r"\b(localhost|127\.0\.0\.1):8080\b", rf"\1:{port}", command)


def run_command(shell, command, shown, serves):
    """What is wrong, or None."""
    if serves or command.rstrip().endswith("&"):
        shell.type(command if not serves else command + " &")
        return None if shell.await_lines(shown) else "does not print what is shown"
    # What is only asked for may take a moment to be there.
    if shown and command.startswith("curl ") and not re.search(r" -X| --data", command):
        command = f"for _ in $(seq 100); do {command} > answer; grep -qF '{shown[-1]}' answer && break; sleep 0.1; done; cat answer"
    shell.type(f"{command}\necho \"{END} $?\"")
    if not shell.await_lines([END]):
        return "does not end"
    code = re.search(rf"{END} (\d+)", shell.printed()).group(1)
    # What runs behind it may print after it has ended.
    if not shell.await_lines([line for line in shown if line.strip() != "…"], seconds=10):
        return "prints something else"
    if not shown and code != "0":
        return f"fails with {code}"
    return None


def set_port(folder, port):
    for manifest in folder.rglob("*.toml"):
        text = manifest.read_text()
        if re.search(r'^type = "http"', text, re.M) and "listen" not in text:
            text = re.sub(r'^(type = "http")', rf'\1\nlisten = "127.0.0.1:{port}"', text, count=1, flags=re.M)
        manifest.write_text(re.sub(r"\b8080\b", str(port), text))


def check(name, work):
    path = ROOT / name
    commands = sessions(path)
    prepare, place = PREPARED[name]
    folder = work / "files"
    folder.mkdir(parents=True)
    prepare(folder)
    port = free_port()
    set_port(folder, port)
    environment = {**os.environ, "PATH": f"{work}/bin:{os.environ['PATH']}", "SLIGHT_LOG_FORMAT": "text",
                   "CURL_HOME": str(work)}
    (work / ".curlrc").write_text("silent\n")
    (work / "bin").mkdir()
    (work / "bin/slight").symlink_to(SLIGHT)
    shell = Shell(folder / place, environment)
    failures = 0
    for index, (number, command, shown) in enumerate(commands):
        if name == "docs/errors.md" and command == "slight check":
            before_check(folder)
        typed = rewritten(command, path, port)
        shown = [line.replace(":8080", f":{port}") for line in shown]
        wrong = run_command(shell, typed, shown, is_server(command, commands[index + 1:]))
        if wrong:
            failures += 1
            print(f"FAIL: {name}:{number}: {command}: {wrong}\n{shell.printed()[:2000]}")
            if SILENT:
                break
    shell.close()
    print(f"{name}: {len(commands)} commands")
    return failures


def main():
    files = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/README.md"),
             ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    failures = count = 0
    for path in sorted(files):
        if sys.argv[1:] and sys.argv[1] not in str(path):
            continue
        name = str(path.relative_to(ROOT))
        if not sessions(path):
            continue
        if name not in PREPARED:
            print(f"FAIL: {name} shows commands, and tests/docs/commands.py does not know it")
            failures += 1
            continue
        with tempfile.TemporaryDirectory(prefix="slight-docs-") as work:
            failures += check(name, pathlib.Path(work))
        count += 1
        if SILENT and failures:
            break
    if count < 9 and not sys.argv[1:]:
        print(f"FAIL: only {count} files with commands")
        failures += 1
    sys.exit(failures > 0)


main()
