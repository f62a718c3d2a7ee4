"""What tests get in place of a program's functions and objects, which live in another process.

A stand-in hands calls on, and nothing else: whatever would ask a program's object to compare, convert or describe
itself ends the test as unseparable.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol


class Caller(Protocol):
    """Reaches the program's process."""

    def call(self, function: Function, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a function of the program; gives plain data, or an `Instance` where it is a class."""

    def attribute(self, instance: Instance, name: str) -> Any:
        """What an object of the program has under a name: plain data, or an `Instance`."""

    def refuse(self, name: str) -> NoReturn:
        """End the test: it does something with a stand-in that it cannot do."""


Target = str | int
"""What a stand-in stands for: a name that the program defines, or the number of an object that its process keeps."""


class Function:
    """Stands for something of the program that is no plain data; it can be called and passed on, nothing else."""

    __slots__ = ("_caller", "_name", "_target")

    def __init__(self, caller: Caller, name: str, target: Target) -> None:
        object.__setattr__(self, "_caller", caller)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_target", target)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the program's function."""
        return caller_of(self).call(self, arguments, keywords)

    def __getattr__(self, _: str) -> Any:
        _refuse(self)

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        _refuse(self)  # what isinstance asks for


class Instance(Function):
    """Stands for an object that a test created; it has methods and plain attributes besides."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            _refuse(self)
        return caller_of(self).attribute(self, name)


def caller_of(stand_in: Function) -> Caller:
    """How a stand-in reaches the program."""
    caller: Caller = object.__getattribute__(stand_in, "_caller")
    return caller


def name_of(stand_in: Function) -> str:
    """What a stand-in is called in messages."""
    name: str = object.__getattribute__(stand_in, "_name")
    return name


def target_of(stand_in: Function) -> Target:
    """What it stands for."""
    target: Target = object.__getattribute__(stand_in, "_target")
    return target


def _refuse(stand_in: Function, *_: Any) -> NoReturn:
    caller_of(stand_in).refuse(name_of(stand_in))


_REFUSED = """
eq ne lt le gt ge bool hash len iter next reversed contains getitem setitem delitem setattr delattr
str repr format bytes int float complex index neg pos abs invert round trunc floor ceil
enter exit aenter aexit aiter anext await instancecheck subclasscheck copy deepcopy reduce reduce_ex
add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand rxor ror
"""
for _operation in _REFUSED.split():
    setattr(Function, f"__{_operation}__", _refuse)
