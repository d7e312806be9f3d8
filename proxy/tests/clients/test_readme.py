"""Every command that a README shows as `console` runs, and says what the README says it does.

In such a block a line that begins with `$ ` is a command (a trailing backslash continues it), and what follows is its output, where `…`
stands for whatever differs from run to run. Without output only success is asked for. Addresses of the quickstart and of release
binaries become those of this run; of `make` only the target is looked up.
"""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from running import EXAMPLES, ROOT, Forebay, binary, environment

NOT_OURS = {"target", ".cache", ".git", "node_modules"}


def readmes():
    for folder, inside, files in os.walk(ROOT):
        inside[:] = sorted(set(inside) - NOT_OURS)
        if "README.md" in files:
            yield pathlib.Path(folder, "README.md")


def commands(text):
    """Pairs of a command and the output shown for it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for command, output in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            yield command, output


def shown():
    for file in readmes():
        place = file.relative_to(ROOT).parent
        for number, (command, output) in enumerate(commands(file.read_text()), 1):
            yield pytest.param(command, output, id=f"{place}-{number}")


@pytest.fixture(scope="module")
def as_shipped():
    """The quickstart itself, on other ports."""
    with Forebay(EXAMPLES / "quickstart.yaml", "--set", "listen.api=127.0.0.1:0", "--set", "listen.admin=127.0.0.1:0") as forebay:
        yield forebay.when_ready()


def of_this_run(command, forebay):
    admin = forebay.admin.removeprefix("http://")
    for written, here in (("127.0.0.1:8080", forebay.address), ("127.0.0.1:9901", admin), ("target/release/", f"{binary().parent}/")):
        command = command.replace(written, here)
    return command


def as_pattern(output):
    return ".*?".join(re.escape(part) for part in output.strip().split("…"))


def test_the_first_page_shows_commands_to_try():
    assert list(commands((ROOT / "README.md").read_text()))


@pytest.mark.parametrize(("command", "output"), list(shown()))
def test_every_command_does_what_is_shown(as_shipped, command, output):
    if command.startswith("make"):
        subprocess.run(["make", "--dry-run", *shlex.split(command, comments=True)[1:]], cwd=ROOT, check=True, capture_output=True)
        return
    tools = f"{ROOT}/.cache/venv/bin:{ROOT}/.cache/bin:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", of_this_run(command, as_shipped)],
        cwd=ROOT,
        env={**environment(), "PATH": tools},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = ran.stdout + ran.stderr
    if output.strip():
        assert re.fullmatch(as_pattern(output), said.strip(), re.DOTALL), f"{said}\nreturned {ran.returncode}"
    else:
        assert ran.returncode == 0, said
