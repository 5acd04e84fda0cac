"""The commands themselves are tested through the command line, in `test_main`."""

import inspect

from mtlkit import commands


def test_every_command_says_what_it_does_or_is_named_by_it() -> None:
    """Each takes the options of its parser and gives an exit code."""
    for name in set(commands.__all__) - {"EXIT_FAILED", "EXIT_USAGE", "UsageError"}:
        signature = inspect.signature(getattr(commands, name))
        assert list(signature.parameters) == ["options"], name
        assert signature.return_annotation is int, name
