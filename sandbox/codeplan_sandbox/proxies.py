"""Proxies for a program's functions and objects, which live in another process.

A proxy forwards calls and nothing else: an operation that would let an object of the program compare, convert or
describe itself ends the test as unseparable.
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol


class Remote(Protocol):
    """The connection to the program's process."""

    def call(self, function: FunctionProxy, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a function of the program; returns plain data, or an `ObjectProxy` if it is a class."""

    def attribute(self, instance: ObjectProxy, name: str) -> Any:
        """An attribute of an object of the program: plain data, or an `ObjectProxy`."""

    def refuse(self, name: str) -> NoReturn:
        """End the test as unseparable: it uses a proxy in a way that is not supported."""


Target = str | int
"""What a proxy refers to: a name that the program defines, or the number of an object in its process."""


class FunctionProxy:
    """Refers to something of the program that is not plain data; it can only be called."""

    __slots__ = ("_name", "_remote", "_target")

    def __init__(self, remote: Remote, name: str, target: Target) -> None:
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_target", target)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the program's function."""
        return remote_of(self).call(self, arguments, keywords)

    def __getattr__(self, _: str) -> Any:
        _refuse(self)

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        _refuse(self)  # used by isinstance


class ObjectProxy(FunctionProxy):
    """Refers to an object that a test created; its methods and attributes are accessible, too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            _refuse(self)
        return remote_of(self).attribute(self, name)


def remote_of(proxy: FunctionProxy) -> Remote:
    """The connection that a proxy uses."""
    remote: Remote = object.__getattribute__(proxy, "_remote")
    return remote


def name_of(proxy: FunctionProxy) -> str:
    """The name of a proxy in messages."""
    name: str = object.__getattribute__(proxy, "_name")
    return name


def target_of(proxy: FunctionProxy) -> Target:
    """What a proxy refers to."""
    target: Target = object.__getattribute__(proxy, "_target")
    return target


def _refuse(proxy: FunctionProxy, *_: Any) -> NoReturn:
    remote_of(proxy).refuse(name_of(proxy))


_REFUSED = """
eq ne lt le gt ge bool hash len iter next reversed contains getitem setitem delitem setattr delattr
str repr format bytes int float complex index neg pos abs invert round trunc floor ceil
enter exit aenter aexit aiter anext await instancecheck subclasscheck copy deepcopy reduce reduce_ex
add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand rxor ror
"""
for _operation in _REFUSED.split():
    setattr(FunctionProxy, f"__{_operation}__", _refuse)
