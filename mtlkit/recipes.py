"""How a route is trained, the `Recipe`, and one training exactly, the `Run`.

A `Run` is route, recipe, seed and the corpora's checksums; its id is a hash of all that.
"""

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Self, TypeVar, get_args

from mtlkit.routes import TASKS, Route, RouteError, unknown

__all__ = ["Recipe", "Run", "made"]

_Method = TypeVar("_Method")

_LATER = {
    "averaging": 0.0, "decoding": "argmax", "layer_decay": 1.0, "spelling": "shape",
    "sampling": "temperature", "mixing": "alternating", "surgery": "none",
    "space": "representations", "lookahead": 0, "anchor": 0.0, "last_rate": 1.0,
    "mlm_masks": "subwords", "mlm_length": 0, "heads": "all",
}  # fmt: skip
"""Fields that recipes have not always had, and what was done before: so it is where they are not
said, and a run that does so has the name that it always had."""


@dataclass(frozen=True)
class Recipe:
    """How a route is trained, the same in every stage; `RouteError` for a value out of range.

    Each field with the source of its default (a name stands for name et al.; on arXiv are Kurin
    2201.04122, Lee 1911.03090, Mosbach 2006.04884, Peters 1903.05987, Turc 1908.08962, Zhang
    2006.05987); "ours" is a value that no source gives, chosen for small encoders on two cores.

    - epochs: passes over a stage's labelled sentences; ours: what minutes on two cores allow
    - min_updates: a small stage repeats its data to get so many per stratum; ours (see Zhang 2021)
    - batch_tokens: sub-words in a batch with padding, counted as by Ott 2018; the size is ours
    - evaluations, dev_sentences: evaluations in a stage; what each reads of dev, 0 for all; ours
    - encoder_lr: peak rate of the top layer (AdamW, Loshchilov & Hutter 2019); ours, on dev of GUM
    - head_lr: peak rate of the heads, five times the top layer's; ours, on dev of GUM
    - layer_decay: of a pretrained layer, its rate by that of the one above (Howard & Ruder 2018)
    - warmup: share of updates with rising rates, then linear decay (Devlin 2019; Mosbach 2021)
    - weight_decay, clip: decoupled; largest gradient norm; of Devlin 2019 (A.2) and its code
    - dropout, head_dropout: in the encoder, none (ours: faster); in heads (Devlin 2019, A.2)
    - sharing, weighting: of parameters, "hard" (Caruana 1997); of losses, "uniform" (Kurin 2022)
    - surgery: of conflicting gradients, "none": their sum (Kurin 2022), or a method of `surgery`
    - space: of surgery, "representations" (ours: one backward), "parameters" (Yu 2020, algorithm 1)
    - lookahead: measure tasks' affinity every so many updates, 0 for never (Fifty 2021, section 3)
    - mixing: batches of one kind of sentences take turns, "alternating" (Liu 2019), or are "joint"
    - sampling: whose turn it is: by "temperature" alone (Arivazhagan 2019), "annealed", "dynamic"
    - temperature: tasks are drawn by size ** (1 / temperature); inf is uniform (Arivazhagan 2019)
    - tuning: of the encoder in the last stage, "full" (Devlin 2019), "frozen" (Peters 2019),
      "last:N" layers (Lee 2019), or "gradual", from the top down (Howard & Ruder 2018, 3.3)
    - heads: of earlier stages that the last one takes over, "all", "target" or "none"; ours
    - last_rate: factor on the encoder's rate in a route's last stage, 1: none; ours
    - anchor: pull to the weights at the start of the last stage, 0: none (Li 2018, L2-SP)
    - averaging: share of a stage's updates, the last ones, whose mean is its end (Izmailov 2018)
    - decoding: of tags of spans, "strict", only what can follow (Gardner 2018), or "argmax"
    - mlm_updates, mlm_tokens, mlm_seed: of mlm stages; one seed for those that begin a route; ours
    - mlm_lr, mlm_rate: peak rate (Geiping & Goldstein 2023); share masked (Devlin 2019, 3.1)
    - mlm_masks: what is masked, whole "words" (Cui 2021, section 3.1) or "subwords" one by one
    - mlm_length: sub-words in a sequence of packed sentences (Liu 2019b, 4.2), 0: not packed
    - layers, width, vocabulary: the scratch encoder; BERT-Mini of Turc 2019; Gowda & May 2020
    - spelling: what a word's vector learns of it, "shape": case and digits (Collobert 2011); "none"
    - target: task whose dev score picks the checkpoint; None, ours: macro mean of error reductions
    - precision: "bf16" (Kalamkar 2019), "fp32", or "auto", bf16 where the processor computes in it
    """

    epochs: Annotated[float, 0, 1e6] = 5.0
    min_updates: Annotated[int, 0, 1e9] = 200
    batch_tokens: Annotated[int, 1, 1e9] = 512
    evaluations: Annotated[int, 1, 1e9] = 3
    dev_sentences: Annotated[int, 0, 1e9] = 0
    encoder_lr: Annotated[float, 1e-9, 1] = 6e-4
    head_lr: Annotated[float, 1e-9, 1] = 3e-3
    layer_decay: Annotated[float, 0.01, 1] = 0.8
    warmup: Annotated[float, 0, 1] = 0.1
    weight_decay: Annotated[float, 0, 1] = 0.01
    clip: Annotated[float, 1e-9, math.inf] = 1.0
    dropout: Annotated[float, 0, 0.99] = 0.0
    head_dropout: Annotated[float, 0, 0.99] = 0.1
    sharing: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "hard"
    weighting: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "uniform"
    surgery: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "none"
    space: Annotated[str, "representations|parameters"] = "representations"
    lookahead: Annotated[int, 0, 1e9] = 0
    mixing: Annotated[str, "alternating|joint"] = "alternating"
    sampling: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "temperature"
    temperature: Annotated[float, 0.01, math.inf] = 1.0
    tuning: Annotated[str, "full|frozen|gradual|last:[1-9][0-9]*"] = "full"
    heads: Annotated[str, "all|target|none"] = "all"
    last_rate: Annotated[float, 0, 1] = 1.0
    anchor: Annotated[float, 0, math.inf] = 0.0
    averaging: Annotated[float, 0, 1] = 0.0
    decoding: Annotated[str, "strict|argmax"] = "strict"
    mlm_updates: Annotated[int, 1, 1e9] = 2000
    mlm_tokens: Annotated[int, 1, 1e9] = 4096
    mlm_seed: Annotated[int, 0, 1e9] = 0
    mlm_lr: Annotated[float, 1e-9, 1] = 1e-3
    mlm_rate: Annotated[float, 0.01, 0.99] = 0.15
    mlm_masks: Annotated[str, "words|subwords"] = "words"
    mlm_length: Annotated[int, 0, 512] = 128
    layers: Annotated[int, 1, 1000] = 4
    width: Annotated[int, 1, 1e6] = 256
    vocabulary: Annotated[int, 1, 1e9] = 8000
    spelling: Annotated[str, "shape|none"] = "shape"
    target: Annotated[str | None, "a task"] = None
    precision: Annotated[str, "auto|bf16|fp32"] = "auto"

    def __post_init__(self) -> None:
        for each in fields(self):
            value, kind = getattr(self, each.name), type(each.default)
            low, *top = get_args(each.type)[1:]
            if each.name == "target":
                low = "|".join(TASKS)  # as they are now: one's own may have come since
            if not top:
                rule = f"text of the form {low}"
                good = value == each.default or re.fullmatch(low, str(value))
            else:
                rule = f"a {'whole ' * (kind is int)}number from {low:g} to {top[0]:g}"
                number = isinstance(value, kind | int) and type(value) is not bool
                good = number and low <= value <= top[0]
            if not good:
                raise RouteError(f"{each.name} is {value!r}: expected {rule}")
            if kind is float:  # 6 and -0.0 become 6.0 and 0.0: equal recipes have equal ids
                object.__setattr__(self, each.name, float(value) + 0)
        if not self.epochs and not self.min_updates:
            raise RouteError("epochs and min_updates are both 0: expected one above 0")

    def replace(self, **changes: Any) -> Self:
        """This recipe with some fields changed; a number may be given as text."""
        for name, value in changes.items():
            if name not in vars(self):
                raise RouteError(unknown("recipe field", name, vars(self)))
            if isinstance(value, str) and not isinstance(vars(self)[name], str | None):
                with suppress(ValueError):  # text that is no number is refused with its range
                    changes[name] = type(vars(self)[name])(value)
        return replace(self, **changes)

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Self:
        """The default recipe with settings ``key=value``; ``target=none`` means None."""
        changes: dict[str, str | None] = {}
        for setting in settings:
            name, sign, value = (part.strip() for part in setting.partition("="))
            if not sign or name in changes:
                raise RouteError(f"cannot use {setting!r}: expected key=value, each key once")
            changes[name] = None if (name, value) == ("target", "none") else value
        return cls().replace(**changes)


@dataclass(frozen=True)
class Run:
    """One training, exactly; ``corpora`` are (corpus, SHA-256) of all that it reads, sorted."""

    route: Route
    recipe: Recipe
    seed: int
    corpora: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if type(self.seed) is not int or self.seed < 0:
            raise RouteError(f"seed is {self.seed!r}: expected a whole number, 0 or more")
        object.__setattr__(self, "corpora", tuple(sorted((c, sha) for c, sha in self.corpora)))
        if len(dict(self.corpora)) < len(self.corpora):
            raise RouteError(f"corpora name a corpus twice: {self.corpora}")

    @property
    def id(self) -> str:
        """SHA-256, in hex, of the run's canonical JSON: keys sorted, no spaces, inf as "inf"."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The run as plain JSON values; `from_json` reads them back."""
        said = {k: v for k, v in vars(self.recipe).items() if k not in _LATER or v != _LATER[k]}
        recipe = {name: "inf" if v == math.inf else v for name, v in said.items()}
        route, corpora = str(self.route), dict(self.corpora)
        return {"route": route, "recipe": recipe, "seed": self.seed, "corpora": corpora}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """A run from `to_json`; no other key may be missing: its default may have changed since."""
        settings = {**_LATER, **data.get("recipe", {})}
        for given, kind in ((data, cls), (settings, Recipe)):
            names = {each.name for each in fields(kind)}
            if set(given) != names:
                what, wrong = kind.__name__.lower(), ", ".join(sorted(set(given) ^ names))
                raise RouteError(f"{what} of another version of mtlkit: missing or new is {wrong}")
        route, recipe = Route.parse(data["route"]), Recipe().replace(**settings)
        return cls(route, recipe, data["seed"], tuple(data["corpora"].items()))


def made(
    what: str, text: str, methods: Mapping[str, Callable[..., _Method]], **given: Any
) -> _Method:
    """A method by its name, with its settings: ``cagrad:c=0.4`` is ``methods["cagrad"](c=0.4)``.

    Settings are numbers, and the method's own keyword arguments; one that has ``**settings`` takes
    any.  ``given`` are the arguments that are no settings.  `RouteError` for a name or a setting
    that there is not; ``what`` says there what kind of method it is.
    """
    name, _, rest = text.partition(":")
    if name not in methods:
        raise RouteError(unknown(what, name, methods))
    settings: dict[str, float] = {}
    for part in rest.split(",") if rest else ():
        key, _, value = part.partition("=")
        try:
            settings[key] = float(value)
        except ValueError:
            rule = f"expected settings as in {name}:key=1,other=0.5"
            raise RouteError(f"{what} {text!r} has {part!r}: {rule}") from None
    known = inspect.signature(methods[name]).parameters
    free = any(p.kind is p.VAR_KEYWORD for p in known.values())
    own = [key for key, p in known.items() if key not in given and p.kind is p.KEYWORD_ONLY]
    if wrong := [key for key in settings if key not in own and (key in given or not free)]:
        raise RouteError(unknown(f"setting of {name}", wrong[0], own))
    try:
        return methods[name](**given, **settings)
    except ValueError as error:
        raise RouteError(f"{what} {text!r}: {error}") from None
