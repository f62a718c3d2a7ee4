"""Python expressions in plain English, for the offline teacher.

Phrases are short and regular, and use few words, because a small student has to learn them; names and constants are
kept, because a plan has to determine its program. Where several programs mean the same, they may share a phrase.
"""

from __future__ import annotations

import ast
from functools import singledispatch

from codeplan.teacher.offline import idioms
from codeplan.teacher.offline.words import BINARY, COMPARISONS, FUNCTIONS, INPUTS, LAZY, METHODS, UNARY

MAX_CONSTANT_CHARACTERS = 40
"""A longer text or number is truncated."""


def callee(node: ast.expr) -> str:
    """The last name of what is called: ``sqrt`` for ``math.sqrt(x)``; empty where ``node`` is not such a call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def listing(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])) if parts else "nothing"


def say(node: ast.expr) -> str:
    """An expression in plain English: an idiom's phrase where it is one, else made up from its parts."""
    if (read := _read_by(node)) is not None:
        return read
    if (found := idioms.EXPRESSIONS.find(node)) is not None:
        return idioms.fill(*found, say, operand)
    return _compose(node)


def operand(node: ast.expr) -> str:
    """As `say`, in parentheses where it is a combination itself, so that the phrase has one reading."""
    compound = isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.Lambda | ast.GeneratorExp)
    prefixed = isinstance(node, ast.BinOp | ast.GeneratorExp) and idioms.EXPRESSIONS.find(node) is not None
    return f"({say(node)})" if compound and not prefixed else say(node)


def head(node: ast.expr) -> str:
    """As `operand`, for what comes before the words that say what is done to it.

    ``str(len(x))`` is "(the length of x) as text"; "the length of x as text" is ``len(str(x))``.
    """
    said = operand(node)
    ends_open = isinstance(node, ast.Call | ast.Attribute | ast.ListComp | ast.UnaryOp | ast.BinOp)
    return f"({said})" if ends_open and not said.startswith("(") and _read_by(node) is None else said


def _read_by(node: ast.expr) -> str | None:
    # All that reads input is a call or an attribute; writing other expressions out would take time for nothing.
    return INPUTS.get(ast.unparse(node)) if isinstance(node, ast.Call | ast.Attribute) else None


@singledispatch
def _compose(node: ast.expr) -> str:
    # Rare kinds of expressions stay as they are written.
    return ast.unparse(node)


@_compose.register
def _(node: ast.Constant) -> str:
    text = repr(node.value)
    return text if len(text) <= MAX_CONSTANT_CHARACTERS else f"{text[:MAX_CONSTANT_CHARACTERS]}..."


@_compose.register
def _(node: ast.BinOp) -> str:
    if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
        return f"{say(node.left)} filled with {operand(node.right)}"
    return f"{operand(node.left)} {BINARY[type(node.op)]} {operand(node.right)}"


@_compose.register
def _(node: ast.UnaryOp) -> str:
    if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return f"-{say(node.operand)}"
    return f"{UNARY[type(node.op)]} {operand(node.operand)}"


@_compose.register
def _(node: ast.BoolOp) -> str:
    word = " and " if isinstance(node.op, ast.And) else " or "
    return word.join(
        f"({say(value)})" if isinstance(value, ast.BoolOp | ast.IfExp) else say(value) for value in node.values
    )


@_compose.register
def _(node: ast.Compare) -> str:
    links = zip(node.ops, node.comparators, strict=True)
    return " ".join([operand(node.left), *(f"{COMPARISONS[type(op)]} {operand(right)}" for op, right in links)])


@_compose.register
def _(node: ast.IfExp) -> str:
    return f"{operand(node.body)} if {say(node.test)} else {operand(node.orelse)}"


@_compose.register
def _(node: ast.Lambda) -> str:
    names = [argument.arg for argument in node.args.args]
    return f"from {listing(names)} to {say(node.body)}" if names else f"a function that gives {say(node.body)}"


@_compose.register
def _(node: ast.Attribute) -> str:
    return f"{node.attr} of {operand(node.value)}"


@_compose.register
def _(node: ast.Subscript) -> str:
    if not isinstance(node.slice, ast.Slice):
        # Both x[x[x]] and x[x][x] would be "x at x at x", and x[str(y)] would be str(x[y]).
        nested = any(isinstance(part, ast.Subscript | ast.Call) for part in ast.walk(node.slice))
        return f"{head(node.value)} at {f'({say(node.slice)})' if nested else operand(node.slice)}"
    of, cut = head(node.value), node.slice
    lower, upper, step = (say(part) if part is not None else "" for part in (cut.lower, cut.upper, cut.step))
    where = f" from {lower}" * bool(lower) + f" up to {upper}" * bool(upper) + f" in steps of {step}" * bool(step)
    return f"{of}{where}" if where else f"a copy of {of}"


@_compose.register
def _(node: ast.Starred) -> str:
    return f"all of {operand(node.value)}"


@_compose.register(ast.List)
@_compose.register(ast.Tuple)
@_compose.register(ast.Set)
def _(node: ast.List | ast.Tuple | ast.Set) -> str:
    kind = type(node).__name__.lower()
    if not node.elts:
        return f"an empty {kind}"
    inside = ", ".join(operand(item) for item in node.elts)
    return f"the pair {inside}" if kind == "tuple" and len(node.elts) == 2 else f"the {kind} of {inside}"


@_compose.register
def _(node: ast.Dict) -> str:
    if not node.keys:
        return "an empty dict"
    pairs = zip(node.keys, node.values, strict=True)
    return "the dict of " + ", ".join(f"{operand(k)} to {operand(v)}" if k else operand(v) for k, v in pairs)


@_compose.register
def _(node: ast.JoinedStr) -> str:
    parts = [say(value.value) if isinstance(value, ast.FormattedValue) else say(value) for value in node.values]
    return f"the text of {listing(parts)}" if parts else "an empty text"


@_compose.register(ast.ListComp)
@_compose.register(ast.GeneratorExp)
@_compose.register(ast.SetComp)
def _(node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> str:
    prefix = "the distinct items of " if isinstance(node, ast.SetComp) else ""
    loop = node.generators[0]
    if len(node.generators) == 1 and not loop.ifs and ast.unparse(loop.target) == ast.unparse(node.elt):
        return prefix + say(loop.iter)
    return f"{prefix}{operand(node.elt)}{clauses(node.generators)}"


@_compose.register
def _(node: ast.DictComp) -> str:
    return f"the dict of {operand(node.key)} to {operand(node.value)}{clauses(node.generators)}"


@_compose.register
def _(node: ast.Call) -> str:
    name, count, first = callee(node), len(node.args), node.args[0] if node.args else None
    if name in {"list", "tuple"} and first is not None and (callee(first) in LAZY or isinstance(first, ast.ListComp)):
        return say(first)
    if name in {"sorted", "sort"} and count <= 1 and (first or isinstance(node.func, ast.Attribute)):
        return f"{head(first) if first else ''}{order(node)}".strip()
    if not node.keywords and (template := _template(node.func, name, count)):
        parts = [head(argument) if template.startswith("{0}") else operand(argument) for argument in node.args]
        of = node.func.value if isinstance(node.func, ast.Attribute) else None
        return template.format(*parts, o=(head(of) if template.startswith("{o}") else operand(of)) if of else "")
    arguments = [operand(argument) for argument in node.args]
    arguments += [f"{keyword.arg or 'all'} {operand(keyword.value)}" for keyword in node.keywords]
    function = say(node.func)
    return f"{function} of {listing(arguments)}" if arguments else f"the result of {function}"


def _template(function: ast.expr, name: str, count: int) -> str:
    method = METHODS.get((name, count)) if isinstance(function, ast.Attribute) else None
    return method or FUNCTIONS.get((name, count), "")


def order(node: ast.Call) -> str:
    """`` sorted from high to low by length``, from the keyword arguments of ``sorted`` or ``sort``."""
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    backwards = isinstance(flag := given.get("reverse"), ast.Constant) and bool(flag.value)
    by = f" by {say(given['key'])}" if "key" in given else ""
    return f" sorted from {'high to low' if backwards else 'low to high'}{by}"


def clauses(loops: list[ast.comprehension]) -> str:
    """`` for each v of values where v is even``, for the loops of a comprehension."""
    words = []
    for loop in loops:
        words.append(f" for each {targets(loop.target)} of {operand(loop.iter)}")
        words += [f" where {say(test)}" for test in loop.ifs]
    return "".join(words)


def targets(node: ast.expr) -> str:
    """Names that are bound: ``a and b`` for ``a, b``."""
    return listing([targets(item) for item in node.elts]) if isinstance(node, ast.Tuple | ast.List) else say(node)
