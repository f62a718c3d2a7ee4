"""Every command in the documentation exists, and none of a tutorial's escapes the tests that run them."""

from __future__ import annotations

import re

import pytest
import typer.main
from documented_commands import ROOT, SHELL, TUTORIALS, Block, blocks, blocks_of

from codeplan.cli.main import app
from codeplan.config.reference import sections

PAGES = [
    *sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")),
    *("../README.md", "../CONTRIBUTING.md", "../SECURITY.md"),
]
GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands  # type: ignore[attr-defined]
KEYS = {setting.key for section in sections() for setting in section.settings}
PROGRAMS = {
    *("codeplan", "make", "python", "python3", "pip", "ray", "kubectl", "k", "docker"),
    *("export", "cp", "cat", "sed", "ls", "cd", "source", "ssh", "curl", "eval"),
}
COMMAND = re.compile(r"(?:^|[\s(;&])codeplan +(?P<names>[a-z]+(?: *\| *[a-z]+)*)(?P<rest>[^\n]*)", re.MULTILINE)
SETTING = re.compile(r"""-s\s+['"]?(?P<key>[A-Za-z_][\w.]*)=""")
INLINE = re.compile(r"`(codeplan [^`]+)`")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Subcommands of codeplan in a text, with the options that each is given."""
    found = []
    for match in COMMAND.finditer(text.replace("\\\n", " ")):
        rest = re.split(r" #|  +[a-z]", match["rest"])[0]  # without comments and explanations
        options = re.findall(r"(?<=\s)--?[a-z][a-z-]*", re.split(r"[|;&>)]|\$\(", rest)[0])
        found += [(name.strip(), options if "|" not in match["names"] else []) for name in match["names"].split("|")]
    return found


def wrong(text: str) -> list[str]:
    """What a text has that the command line or the configuration does not."""
    problems = []
    for name, options in commands(text):
        if name not in COMMANDS:
            problems.append(f"codeplan {name}")
            continue
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        problems += [f"codeplan {name} {option}" for option in options if option not in known]
    for match in SETTING.finditer(text):
        key = match["key"]
        if key != "key" and not any(known == key or known.startswith(f"{key}.") for known in KEYS):
            problems.append(f"-s {key}")
    for name in re.findall(r"jobs/configs/[\w.]+yaml", text):
        if not (ROOT / name).is_file():
            problems.append(name)
    return problems


@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_options_and_keys_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    shown = [block.text for block in blocks(page) if block.language in SHELL | {"", "text"}]
    assert [problem for part in (*shown, *INLINE.findall(text)) for problem in wrong(part)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("codeplan runn CONFIG.yaml", "codeplan runn"),
        ("$ codeplan run CONFIG.yaml --dry-runs", "codeplan run --dry-runs"),
        ("address=$(codeplan stop --detach JOB)", "codeplan stop --detach"),
        ("codeplan run CONFIG.yaml \\\n  -s training.step=5", "-s training.step"),
        ("codeplan run jobs/configs/none.yaml", "jobs/configs/none.yaml"),
    ],
)
def test_what_does_not_exist_is_found(text: str, said: str) -> None:
    assert wrong(text) == [said]


def escaped(block: Block) -> bool:
    """Whether it shows commands that no test runs and no mark excuses."""
    if block.language in SHELL:
        return block.mark == "not run" and not block.reason
    words = [line.removeprefix("$ ").split(" ")[0] for line in block.text.split("\n")]
    return block.language == "" and any(word in PROGRAMS for word in words)


@pytest.mark.parametrize("page", TUTORIALS)
def test_no_command_of_a_tutorial_escapes(page: str) -> None:
    assert [f"{page}, line {block.line}" for block in blocks(page) if escaped(block)] == []


def test_every_page_of_tutorials_is_listed() -> None:
    written = {f"tutorials/{path.name}" for path in (ROOT / "docs" / "tutorials").glob("*.md")}
    assert written <= set(TUTORIALS)


def test_blocks_have_their_marks() -> None:
    lines = [
        *("<!-- not run: needs a GPU -->", "```sh", "one", "```", "<!-- fails -->", "```sh", "two", "```"),
        *("```", "codeplan run", "```", "<!-- not run: -->", "", "```sh", "three", "```"),
        *("<!-- not run -->", "```sh", "four", "```"),
    ]
    found = blocks_of("page.md", "\n".join(lines))
    assert [(block.text, block.mark, block.runs) for block in found] == [
        ("one", "not run", False),
        ("two", "fails", True),
        ("codeplan run", "", False),
        ("three", "", True),  # the comment is not directly above
        ("four", "not run", False),
    ]
    assert [escaped(block) for block in found] == [False, False, True, False, True]
