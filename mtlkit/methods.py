"""All methods by kind: to share parameters, draw tasks, weigh losses, operate on gradients.

A method is a class in a dictionary of its module, and known by its name everywhere.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mtlkit.sampling import SAMPLINGS
from mtlkit.sharing import SHARINGS
from mtlkit.surgery import SURGERIES
from mtlkit.weighting import WEIGHTINGS

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["KINDS", "listing"]

KINDS: dict[str, Mapping[str, Callable[..., Any]]] = {
    "sharing": SHARINGS,
    "sampling": SAMPLINGS,
    "weighting": WEIGHTINGS,
    "surgery": SURGERIES,
}
"""Field of the recipe to its methods, name to class."""

_GIVEN = {"seed"}  # by the training, not by the recipe


def listing() -> "DataFrame":
    """Every method: the recipe's field, its name with its settings' defaults, and what it does."""
    import pandas  # slow to import

    rows = []
    for kind, methods in KINDS.items():
        for name, method in sorted(methods.items()):
            settings = ",".join(
                f"{each.name}={each.default:g}"
                for each in inspect.signature(method).parameters.values()
                if each.kind is each.KEYWORD_ONLY and each.name not in _GIVEN
            )
            first = " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())
            rows.append({
                "field": kind,
                "method": f"{name}:{settings}" if settings else name,
                "what": first.split(": ``")[0].rstrip("."),  # an example: settings are there
            })  # fmt: skip
    return pandas.DataFrame(rows)
