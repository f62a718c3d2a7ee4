"""Example tests in the text of an APPS question: parsed where that is unambiguous, else left out."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import Any

from codeplan.problems import syntax
from codeplan_sandbox import long_integers

_HEADING = re.compile(r"^-----([^\n]*)-----[ \t]*$\n?", re.MULTILINE)
_INPUT, _OUTPUT = (
    re.compile(rf"^(?:{name}|Sample {name} \d+:)[ \t]*$\n?", re.MULTILINE) for name in ("Input", "Output")
)
_HEADED_INPUT, _HEADED_OUTPUT = (
    re.compile(rf"(?:Sample|Example) {name} ?\d*:?", re.IGNORECASE) for name in ("Input", "Output")
)
_INPUT_OUTPUT = re.compile(r"^Input:(.*)\n\s*Output:(.*)$", re.MULTILINE)
_JSON_NAMES = {"true": True, "false": False, "null": None}


def stdin_examples(question: str) -> list[tuple[str, str]]:
    """Inputs and outputs of the blocks under ``-----Examples-----``, or under separate headings.

    Empty where there are none, and where an explanation may follow an output without a heading between them.
    """
    sections = _sections(question.replace("\r\n", "\n"))
    section = next((text for heading, text in sections if heading in ("Example", "Examples")), None)
    if section is not None:
        return [_with_one_newline(pair) for pair in _blocks(section)]
    headed = [
        _with_one_newline((input_, output))
        for (heading, input_), (next_heading, output) in pairwise(sections)
        if _HEADED_INPUT.fullmatch(heading) and _HEADED_OUTPUT.fullmatch(next_heading)
    ]
    return [] if any("\n\n" in output for _, output in headed) else headed


def _sections(question: str) -> list[tuple[str, str]]:
    """The texts between headings such as ``-----Input-----``, each with the heading before it."""
    headings = list(_HEADING.finditer(question))
    starts = [*(heading.start() for heading in headings), len(question)]
    return [
        (heading.group(1), question[heading.end() : end]) for heading, end in zip(headings, starts[1:], strict=True)
    ]


def _blocks(section: str) -> list[tuple[str, str]]:
    """Each text between a line ``Input`` and a line ``Output``, and what follows up to the next ``Input``."""
    blocks = [_OUTPUT.split(block, maxsplit=1) for block in _INPUT.split(section)[1:]]
    if any(len(block) < 2 for block in blocks):
        return []  # an input without an output: ambiguous
    return [(block[0], block[1]) for block in blocks]


def _with_one_newline(pair: tuple[str, str]) -> tuple[str, str]:
    input_, output = pair
    return input_.strip("\n") + "\n", output.strip("\n") + "\n"


def call_examples(question: str, starter_code: str, hidden: list[tuple[Any, Any]]) -> list[tuple[list[Any], Any]]:
    """Arguments and results of ``Input: nums = [2, 7], target = 9`` followed by ``Output: [0, 1]``.

    Args:
        question: the question's text.
        starter_code: has the function's parameters; without them no example is unambiguous.
        hidden: the hidden tests, as (arguments, expected).

    Returns:
        All of the question's examples, or none: where one of them cannot be parsed, where the hidden tests put quotes
        into their strings (then the question's values are not what the function gets), or where a hidden test with the
        same arguments expects another result.
    """
    parameters = _parameters(starter_code)
    question = question.replace("\r\n", "\n")
    shown = _INPUT_OUTPUT.findall(question)
    if parameters is None or len(shown) != len(re.findall(r"^Input:", question, re.MULTILINE)):
        return []
    if any(_is_quoted(argument) for arguments, _ in hidden if isinstance(arguments, list) for argument in arguments):
        return []
    expected = {long_integers.dumps(arguments): result for arguments, result in hidden}
    examples = []
    for arguments_text, result_text in shown:
        try:
            arguments, result = _arguments(arguments_text, parameters), _value(result_text)
            agrees = expected.get(long_integers.dumps(arguments), result) == result
        except (ValueError, RecursionError):
            return []  # prose, or a value that is not JSON: ambiguous
        if not agrees:
            return []
        examples.append((arguments, result))
    return examples


def _parameters(starter_code: str) -> list[str] | None:
    # Starter code ends where the body of its function begins.
    tree = syntax.module(f"{starter_code.rstrip()} pass")
    functions = [node for node in (ast.walk(tree) if tree else ()) if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1:
        return None
    return [parameter.arg for parameter in functions[0].args.args if parameter.arg != "self"]


def _arguments(text: str, parameters: list[str]) -> list[Any]:
    """The values of ``a = 1, b = [2]`` or of ``1, [2]``; raises ValueError where they do not match the parameters."""
    call = syntax.expression(f"f({text})")
    if not isinstance(call, ast.Call):
        raise ValueError(f"{text!r} is not a list of arguments")
    names = [keyword.arg for keyword in call.keywords]
    if len(call.args) + len(names) != len(parameters) or (names and (call.args or names != parameters)):
        raise ValueError(f"{text!r} does not match the parameters {parameters}")
    return [_literal(node) for node in (*call.args, *(keyword.value for keyword in call.keywords))]


def _value(text: str) -> Any:
    node = syntax.expression(text.strip())
    if node is None:
        raise ValueError(f"{text!r} is not an expression")
    return _literal(node)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _JSON_NAMES:
        return _JSON_NAMES[node.id]
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    value = syntax.literal(node)
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise ValueError(f"{value!r} is not a JSON value")
    return value


def _is_quoted(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"'
