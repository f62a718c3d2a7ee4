"""Extracting the plan from a teacher's answer, and how much of the solution leaks into it."""

from __future__ import annotations

import ast
import re
import warnings

from codeplan.teacher.reasoning import strip_reasoning

MIN_LINE_CHARACTERS = 10
"""Shorter lines of a solution count as trivial: ``else:`` or ``n = 1`` in a plan is not a leak."""

_FENCED = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*(?P<language>[\w+-]*)[^\n]*\n(?P<inside>.*?)(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PROSE = frozenset({"", "text", "txt", "plain", "plaintext", "markdown", "md", "plan"})
_HEADING = re.compile(
    r"^\W*(?:(?:sure|certainly|okay|of course)\b[^\n]{0,80}|here(?:'s|\u2019s| is| are)\b[^\n]{0,120}:|"
    r"(?:the |a |my )?(?:step[- ]by[- ]step |solution |high[- ]level )?(?:plan|how to solve|steps|approach|explanation)"
    r"(?: (?:is|for|behind|to)\b[^\n]{0,80})?)\s*[:.!*]*\s*$",
    re.IGNORECASE,
)
_WRAPPER = re.compile(
    r"\A\s*<(?P<tag>answer|final_answer|plan|output|response)>(?P<inside>.*?)(?:</(?P=tag)>\s*)?\Z",
    re.DOTALL | re.IGNORECASE,
)
_LABEL = re.compile(r"^\W{0,3}(?:plan|how to solve|steps)\W{0,2}:\W{0,2}\s*(?=\S)", re.IGNORECASE)


def clean_plan(text: str) -> str:
    """A teacher's text as a plan: without reasoning, fences, programs, headings and empty lines; numbering is kept.

    Returns:
        The plan; empty where the text holds none, for example only a program.
    """
    text = strip_reasoning(text.replace("\r\n", "\n"))
    text = _WRAPPER.sub(lambda wrapper: wrapper["inside"], text)
    text = _FENCED.sub(_unfenced, text)
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    while lines and _HEADING.match(lines[0]):
        lines.pop(0)
    if lines:
        lines[0] = _LABEL.sub("", lines[0])
    plan = "\n".join(lines).strip()
    return "" if not re.search(r"\w", plan) or _is_program(plan) else plan


def leakage(plan: str, solution: str) -> float:
    """The fraction of a solution's lines that appear verbatim in a plan, 0 to 1.

    Whitespace is ignored. Short lines, comments and imports do not count, as they give nothing away; a solution of such
    lines alone leaks nothing.
    """
    lines = {"".join(line.split()) for line in solution.splitlines() if not _is_trivial(line.strip())}
    written = "".join(plan.split())
    return sum(line in written for line in lines) / len(lines) if lines else 0.0


def _is_trivial(line: str) -> bool:
    return len("".join(line.split())) < MIN_LINE_CHARACTERS or line.startswith(("#", "import ", "from ", '"""', "'''"))


def _unfenced(block: re.Match[str]) -> str:
    inside = block["inside"]
    return inside if block["language"].lower() in _PROSE and not _is_program(inside) else ""


def _is_program(text: str) -> bool:
    # A single word is valid Python too; a program defines, assigns, calls or loops.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.Import, ast.ImportFrom, ast.For, ast.While, ast.If)
    return any(isinstance(statement, kinds) for statement in tree.body)
