"""Python statements as steps in plain English, for the offline teacher."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import NamedTuple

from codeplan.teacher.offline import idioms
from codeplan.teacher.offline.phrases import callee, listing, operand, order, say, targets
from codeplan.teacher.offline.words import ACTS, UPDATES

_INPUT_LINE = re.compile(r"\b(?:sys\.)?stdin\.readline\(\)|\braw_input\(\)")

MAX_KNOWN_STEPS = 10_000
"""Statements whose steps are kept, by their source; when there are more, all are forgotten."""

_KNOWN_STEPS: dict[str, str] = {}

_FIXED: dict[type[ast.stmt], str] = {
    ast.Try: "Try:",
    ast.TryStar: "Try:",
    ast.Break: "Leave the loop.",
    ast.Continue: "Go on with the next round.",
    ast.Pass: "Do nothing.",
}


class PlanStep(NamedTuple):
    """One step of a plan, and how many blocks it is nested in."""

    depth: int
    text: str


def steps_of(body: Sequence[ast.stmt], lines: Sequence[str] = (), depth: int = 0) -> Iterator[PlanStep]:
    """The steps of a block, in order; the bodies of compound statements follow one level deeper.

    Args:
        body: the block's statements.
        lines: the lines of the program's source, by which equal statements are known again; none where they are not
            known. They change nothing but the time that it takes.
        depth: how many blocks it is nested in.
    """
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _branches(statement, lines, depth)
            continue
        text = _step_of(statement, lines)
        if text:
            yield PlanStep(depth, text)
        yield from steps_of(getattr(statement, "body", []), lines, depth + 1)
        for handler in getattr(statement, "handlers", []):
            yield PlanStep(depth, f"On {say(handler.type)}:" if handler.type else "On any error:")
            yield from steps_of(handler.body, lines, depth + 1)
        for case in getattr(statement, "cases", []):
            yield PlanStep(depth + 1, f"In the case {ast.unparse(case.pattern)}:")
            yield from steps_of(case.body, lines, depth + 2)
        for name, word in (("orelse", "If that ended without a break or an error:"), ("finalbody", "Finally:")):
            if block := getattr(statement, name, []):
                yield PlanStep(depth, word)
                yield from steps_of(block, lines, depth + 1)


def _branches(statement: ast.If, lines: Sequence[str], depth: int) -> Iterator[PlanStep]:
    word, branch = "If", statement
    while True:
        yield PlanStep(depth, f"{word} {say(branch.test)}:")
        yield from steps_of(branch.body, lines, depth + 1)
        if len(branch.orelse) != 1 or not isinstance(branch.orelse[0], ast.If):
            break
        word, branch = "Otherwise, if", branch.orelse[0]
    if branch.orelse:
        yield PlanStep(depth, "Otherwise:")
        yield from steps_of(branch.orelse, lines, depth + 1)


def _step_of(statement: ast.stmt, lines: Sequence[str]) -> str:
    # Generated programs are made of few different statements: each is explained once per process.
    source = lines[statement.lineno - 1] if lines and statement.lineno == statement.end_lineno else ""
    if not source.isascii():  # columns count bytes
        return _explain(statement)
    source = source[statement.col_offset : statement.end_col_offset]
    if not source:
        return _explain(statement)
    if source not in _KNOWN_STEPS:
        if len(_KNOWN_STEPS) >= MAX_KNOWN_STEPS:
            _KNOWN_STEPS.clear()
        _KNOWN_STEPS[source] = _explain(statement)
    return _KNOWN_STEPS[source]


@singledispatch
def _explain(statement: ast.stmt) -> str:
    return _FIXED.get(type(statement)) or f"{ast.unparse(statement).splitlines()[0]}."


@_explain.register(ast.Import)
@_explain.register(ast.ImportFrom)
def _(statement: ast.Import | ast.ImportFrom) -> str:
    names = listing([alias.name + f" as {alias.asname}" * bool(alias.asname) for alias in statement.names])
    return f"Take {names} from {statement.module}." if isinstance(statement, ast.ImportFrom) else f"Use {names}."


@_explain.register(ast.FunctionDef)
@_explain.register(ast.AsyncFunctionDef)
def _(statement: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = statement.args
    names = [argument.arg for argument in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    names += [f"all {argument.arg}" for argument in (arguments.vararg, arguments.kwarg) if argument]
    return f"Define {statement.name} of {listing(names)}:"


@_explain.register
def _(statement: ast.ClassDef) -> str:
    bases = f" from {listing([say(base) for base in statement.bases])}" if statement.bases else ""
    return f"Define {statement.name} as a class{bases}:"


@_explain.register
def _(statement: ast.Return) -> str:
    return f"Return {say(statement.value)}." if statement.value else "Return."


@_explain.register
def _(statement: ast.AugAssign) -> str:
    target, value = say(statement.target), operand(statement.value)
    template = UPDATES.get(type(statement.op))
    if template:
        return template.format(value, target)
    whole = ast.BinOp(ast.parse(ast.unparse(statement.target), mode="eval").body, statement.op, statement.value)
    return f"Let {target} be {say(whole)}."


@_explain.register
def _(statement: ast.AnnAssign) -> str:
    return f"Let {say(statement.target)} be {say(statement.value)}." if statement.value else ""


@_explain.register
def _(statement: ast.Assign) -> str:
    names = [targets(target) for target in statement.targets]
    first, value = statement.targets[0], statement.value
    if len(names) == 1:
        if step := _input_step(names[0], value) or _change_step(ast.unparse(first), value):
            return step
        if isinstance(first, ast.Tuple) and isinstance(value, ast.Tuple):
            if {ast.unparse(item) for item in first.elts} == {ast.unparse(item) for item in value.elts}:
                return f"Swap: let {names[0]} be {listing([operand(item) for item in value.elts])}."
            return f"Let {names[0]} be {listing([operand(item) for item in value.elts])}."
    return f"Let {listing(names)} be {say(value)}."


def _input_step(names: str, value: ast.expr) -> str:
    # ``Read a list of integers into values.`` where one line of input is read and converted; else empty.
    source = _INPUT_LINE.sub("input()", ast.unparse(value))
    if "input()" not in source:
        return ""
    found = idioms.READS.find(ast.parse(source, mode="eval").body)
    return f"Read {found[0]} into {names}." if found else ""


def _change_step(name: str, value: ast.expr) -> str:
    # What an assignment of a new value, made from the old one, does to a name; empty for any other assignment.
    for table, frame in ((idioms.CHANGES, "{}"), (idioms.PARTS, "Keep {}.")):
        found = table.find(value)
        if found and ast.unparse(found[1]["X"]) == name:
            return frame.format(idioms.fill(*found, say, operand))
    return ""


@_explain.register
def _(statement: ast.For | ast.AsyncFor) -> str:
    if ast.unparse(statement.target) == "_" and callee(statement.iter) == "range":
        arguments = statement.iter.args if isinstance(statement.iter, ast.Call) else []
        if len(arguments) == 1:
            return f"Repeat {operand(arguments[0])} times:"
    return f"For each {targets(statement.target)} of {say(statement.iter)}:"


@_explain.register
def _(statement: ast.While) -> str:
    return "Repeat:" if ast.unparse(statement.test) in {"True", "1"} else f"While {say(statement.test)}:"


@_explain.register
def _(statement: ast.With | ast.AsyncWith) -> str:
    names = [f" as {targets(item.optional_vars)}" if item.optional_vars else "" for item in statement.items]
    items = zip(statement.items, names, strict=True)
    return f"With {listing([say(item.context_expr) + name for item, name in items])}:"


@_explain.register
def _(statement: ast.Match) -> str:
    return f"Look at {say(statement.subject)}:"


@_explain.register
def _(statement: ast.Assert) -> str:
    return f"Check that {say(statement.test)}."


@_explain.register
def _(statement: ast.Raise) -> str:
    return f"Raise {say(statement.exc)}." if statement.exc else "Raise the error again."


@_explain.register
def _(statement: ast.Delete) -> str:
    return f"Delete {listing([say(target) for target in statement.targets])}."


@_explain.register
def _(statement: ast.Global | ast.Nonlocal) -> str:
    return f"Share {listing(statement.names)}."


@_explain.register
def _(statement: ast.Expr) -> str:
    if isinstance(statement.value, ast.Constant):  # a docstring
        return ""
    if isinstance(statement.value, ast.Yield):
        return f"Hand out {say(statement.value.value)}." if statement.value.value else "Hand out nothing."
    return _call_step(statement.value) if isinstance(statement.value, ast.Call) else f"Work out {say(statement.value)}."


def _call_step(call: ast.Call) -> str:
    name, arguments = callee(call), [operand(argument) for argument in call.args]
    if name == "print":
        return _print_step(call, arguments)
    if _INPUT_LINE.sub("input()", ast.unparse(call)) == "input()":
        return "Skip a line."
    if isinstance(call.func, ast.Attribute):
        of = operand(call.func.value)
        if name == "sort":
            return f"Sort {of}{order(call).removeprefix(' sorted')}."
        if (template := ACTS.get((name, len(arguments)))) and not call.keywords:
            return template.format(*arguments, o=of)
    arguments += [f"{keyword.arg or 'all'} {operand(keyword.value)}" for keyword in call.keywords]
    return f"Call {say(call.func)}" + (f" with {listing(arguments)}." if arguments else ".")


def _print_step(call: ast.Call, arguments: list[str]) -> str:
    given = {keyword.arg: say(keyword.value) for keyword in call.keywords}
    after = f" with separator {given['sep']}" if "sep" in given else ""
    after += f" with end {given['end']}" if "end" in given else ""
    if len(call.args) == 1 and isinstance(call.args[0], ast.Starred):
        return f"Print {say(call.args[0].value)} in one line{after}."
    if len(call.args) == 1:
        return f"Print {say(call.args[0])}{after}."
    return f"Print {listing(arguments)}{after}." if arguments else f"Print an empty line{after}."
