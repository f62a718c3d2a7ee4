"""Example tests that stand in the text of an APPS question: read where that is certain, else left out."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

_SECTION = re.compile(r"^-----Examples?-----[ \t]*\n(.*?)(?=^-----[^\n]*-----[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_INPUT, _OUTPUT = (rf"(?:{name}|Sample {name} \d+:)[ \t]*" for name in ("Input", "Output"))
_BLOCK = re.compile(rf"^{_INPUT}\n(.*?)^{_OUTPUT}\n(.*?)(?=^{_INPUT}$|\Z)", re.MULTILINE | re.DOTALL)
_HEADED = re.compile(
    r"^-----(?:Sample|Example) Input ?\d*:?-----[ \t]*\n(.*?)"
    r"^-----(?:Sample|Example) Output ?\d*:?-----[ \t]*\n(.*?)(?=^-----[^\n]*-----[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_SHOWN = re.compile(r"^Input:[ \t]*(\S.*?)[ \t]*\n\s*Output:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_JSON_NAMES = {"true": True, "false": False, "null": None}


def stdin_examples(question: str) -> list[tuple[str, str]]:
    """Inputs and outputs of the blocks under ``-----Examples-----``, or under headings of their own.

    Empty where there are none, and where an explanation may follow an output without a heading between them.
    """
    question = question.replace("\r\n", "\n")
    section = _SECTION.search(question)
    blocks = _BLOCK.findall(section.group(1)) if section else _HEADED.findall(question)
    examples = [(given.strip("\n") + "\n", wanted.strip("\n") + "\n") for given, wanted in blocks]
    if not section and any("\n\n" in wanted for _, wanted in examples):
        return []
    return examples


def call_examples(question: str, starter_code: str, hidden: list[tuple[Any, Any]]) -> list[tuple[list[Any], Any]]:
    """Arguments and results of ``Input: nums = [2, 7], target = 9`` followed by ``Output: [0, 1]``.

    Args:
        question: the question's text.
        starter_code: where the function's parameters stand; without them nothing can be read with certainty.
        hidden: the hidden tests, as (arguments, expected).

    Returns:
        All of the question's examples, or none: where one of them cannot be read, where the hidden tests put quotes
        into their texts (then the question's values are not what the function gets), or where a hidden test with the
        same arguments expects something else.
    """
    parameters = _parameters(starter_code)
    shown = _SHOWN.findall(question.replace("\r\n", "\n"))
    if parameters is None or len(shown) != len(re.findall(r"^Input:", question, re.MULTILINE)):
        return []
    if any(_is_quoted(argument) for given, _ in hidden if isinstance(given, list) for argument in given):
        return []
    expected = {json.dumps(given): wanted for given, wanted in hidden}
    examples = []
    for given, wanted in shown:
        try:
            arguments, result = _arguments(given, parameters), _value(wanted)
            agrees = expected.get(json.dumps(arguments), result) == result
        except (ValueError, SyntaxError, TypeError):
            return []  # prose, or a value that is no JSON: nothing here is certain
        if not agrees:
            return []
        examples.append((arguments, result))
    return examples


def _parameters(starter_code: str) -> list[str] | None:
    try:
        # Starter code ends where the body should begin.
        tree = ast.parse(f"{starter_code.rstrip()} pass")
    except SyntaxError:
        return None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1:
        return None
    return [parameter.arg for parameter in functions[0].args.args if parameter.arg != "self"]


def _arguments(text: str, parameters: list[str]) -> list[Any]:
    """The values of ``a = 1, b = [2]`` or of ``1, [2]``; raises ValueError where they do not match the parameters."""
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call):
        raise ValueError(f"{text!r} is no list of arguments")
    names = [keyword.arg for keyword in call.keywords]
    if len(call.args) + len(names) != len(parameters) or (names and (call.args or names != parameters)):
        raise ValueError(f"{text!r} does not match the parameters {parameters}")
    return [_literal(node) for node in (*call.args, *(keyword.value for keyword in call.keywords))]


def _value(text: str) -> Any:
    return _literal(ast.parse(text, mode="eval").body)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id in _JSON_NAMES:
        return _JSON_NAMES[node.id]
    if isinstance(node, ast.List):
        return [_literal(each) for each in node.elts]
    value = ast.literal_eval(node)
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise ValueError(f"{value!r} is no JSON value")
    return value


def _is_quoted(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"'
