"""Actors, critics and agents that pickle: as the calls that built them.

Python pickles a function by its name in a module, and the functions inside of an actor
have none. What a `picklable` builder returns therefore pickles as the builder and its
arguments, which build it again in the process that reads the pickle.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Made = TypeVar("Made")


class Call:
    """A call of a builder, and what it builds."""

    def __init__(
        self,
        builder: Callable[..., Any],
        args: Sequence[Any],
        options: Mapping[str, Any],
    ):
        self.builder, self.args, self.options = builder, args, options

    @functools.cached_property
    def made(self) -> Any:
        """What the builder returns: once for all functions of a pickle."""
        return self.builder(*self.args, **self.options)

    def function(self, name: str) -> Any:
        """The function in a field of what the builder returns."""
        return getattr(self.made, name)

    def __reduce__(self) -> Any:
        return Call, (self.builder, self.args, self.options)


class BuiltFunction:
    """A function that a builder made; it pickles as the call and its field."""

    def __init__(self, function: Callable[..., Any], call: Call, name: str):
        self.__wrapped__, self.__name__, self._call = function, name, call

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.__wrapped__(*args, **options)

    def __reduce__(self) -> Any:
        return Call.function, (self._call, self.__name__)

    def __deepcopy__(self, memo: Any) -> "BuiltFunction":
        return self  # as functions are


def picklable(builder: Callable[P, Made]) -> Callable[P, Made]:
    """Decorate a builder of a named tuple of functions, which then pickles.

    Its arguments must pickle. A function that replaces one of the tuple pickles by its
    own name.
    """

    @functools.wraps(builder)
    def build(*args: P.args, **options: P.kwargs) -> Made:
        made: Any = builder(*args, **options)
        call = Call(build, args, options)
        functions = {
            name: BuiltFunction(value, call, name)
            for name, value in made._asdict().items()
            if isinstance(value, FunctionType | functools.partial)
        }
        result: Made = made._replace(**functions)
        return result

    return build
