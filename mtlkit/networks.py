"""The network of a route: a trunk, how tasks share it, and a head for each; its folder."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mtlkit import encoders, heads, sharing
from mtlkit.batching import Batch
from mtlkit.encoders import Encoder, States
from mtlkit.recipes import Recipe
from mtlkit.routes import TASKS, RouteError

__all__ = ["FORMAT", "ModelError", "Network", "load", "save"]

FORMAT = "mtlkit-model-1"


class ModelError(ValueError):
    """A model folder that cannot be read."""


class Network(nn.Module):
    """An encoder with a head for each task it has met.

    Heads stay when a route moves on to its next stage: forgetting can be measured, and a task that
    returns finds the head it left.  Tasks share all of the encoder until `share` is called.
    """

    def __init__(self, encoder: Encoder, recipe: Recipe, *, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict()
        self.sharing = sharing.Sharing(encoder, ())
        self.shared = "hard"
        self._recipe = recipe
        self.seed = seed

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Task to its label names, in the order of the head's outputs."""
        return {task: head.labels for task, head in self.heads.items()}  # type: ignore[misc]

    @property
    def chance(self) -> dict[str, float]:
        """Task to its loss by chance, in nats."""
        return {task: head.chance for task, head in self.heads.items()}  # type: ignore[misc]

    def add(self, task: str, labels: Sequence[str]) -> None:
        """Give a task its head, unless it has one."""
        if task in self.heads:
            return
        head = heads.build(task, self.encoder, labels, self._recipe, seed=self.seed)
        if isinstance(head, heads.MaskedLMHead):
            head.tie(self.encoder)
        self.heads[task] = head.to(self.encoder.device)

    def forget(self, tasks: Iterable[str]) -> None:
        """Take these tasks' heads away, where they have one: `add` begins them anew."""
        for task in set(tasks) & set(self.heads):
            del self.heads[task]

    def share(self, text: str, tasks: Sequence[str]) -> None:
        """From now on these tasks share the encoder in this way, as `Recipe.sharing` says it."""
        self.sharing = sharing.build(text, self.encoder, tasks, seed=self.seed)
        self.shared = text

    def depths(self) -> dict[int, int]:
        """How far below the top a parameter of a transformer is, by its ``id``: `Encoder.depths`.

        What a way of sharing adds between the layers is as deep as the top one, wherever it is.
        """
        found = {id_: n for each in self.sharing.encoders for id_, n in each.depths().items()}
        return found | {id(p): 0 for p in self.sharing.inside()}

    def trunk(self) -> list[nn.Parameter]:
        """The parameters that several tasks may train and that stand before what heads read."""
        past = ("heads.", "encoder.shape.")
        named = self.named_parameters()
        return [p for name, p in named if p.requires_grad and not name.startswith(past)]

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """What each task's head reads of a batch."""
        return self.sharing.states(batch, tasks)

    def losses(self, batch: Batch, states: Mapping[str, States] | None = None) -> dict[str, Tensor]:
        """The loss of every task the batch is labelled for."""
        states = self.states(batch, batch.targets) if states is None else states
        return {
            task: self.heads[task].loss(states[task], batch, target)  # type: ignore[operator]
            for task, target in batch.targets.items()
        }

    def predict(self, batch: Batch, tasks: Iterable[str]) -> dict[str, list[Any]]:
        """Decoded labels, task by task."""
        states = self.states(batch, tasks := tuple(tasks))
        return {task: self.heads[task].decode(states[task], batch) for task in tasks}  # type: ignore[operator]


def save(model: Network, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write a model folder: ``encoder/`` (transformers), ``heads.safetensors``, ``model.json``."""
    model.encoder.save(folder / "encoder")
    saved = {value.data_ptr() for value in model.encoder.state_dict().values()}
    rest = {
        name: value.contiguous()
        for name, value in model.state_dict().items()
        if not _in_encoder(name) and (name.startswith("encoder.") or value.data_ptr() not in saved)
    }
    save_file(rest, folder / "heads.safetensors")
    description = {
        "format": FORMAT,
        "labels": {task: list(names) for task, names in model.labels.items()},
        "sharing": [model.shared, *model.sharing.tasks],
        **facts,
    }
    (folder / "model.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def _in_encoder(name: str) -> bool:
    """Whether a weight is in the folder's ``encoder/``."""
    return name.startswith("encoder.transformer.") and ".lora_" not in name


def description(folder: Path) -> dict[str, Any]:
    """What a model folder says of itself: its ``model.json``.

    Raises
    ------
    ModelError
        If the folder is not a model folder, or a file is missing or damaged.
    """
    for name in ("model.json", "heads.safetensors", "encoder/config.json"):
        if not (folder / name).is_file():
            raise ModelError(
                f"{folder} is not a whole model folder: {name} is missing; "
                "train it again with `mtlkit train`, or copy the whole folder"
            )
    try:
        facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{folder / 'model.json'} is damaged ({error}); copy the folder again"
        ) from None
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        raise ModelError(
            f"{folder / 'model.json'}: format is {found!r}, "
            f"expected {FORMAT!r}; train the model again with this version"
        )
    return facts


def load(folder: Path, *, recipe: Recipe, seed: int) -> tuple[Network, dict[str, Any]]:
    """Read a model folder; also what its ``model.json`` says.

    Raises
    ------
    ModelError
        If the folder is not a model folder, or a file is missing or damaged.
    """
    facts = description(folder)
    try:
        encoder = encoders.build(
            str(folder.resolve() / "encoder"), texts=(), recipe=recipe, seed=seed
        )
        model = Network(encoder, recipe, seed=seed)
        for task, labels in facts["labels"].items():
            if task not in TASKS:
                raise ModelError(f"{folder / 'model.json'}: unknown task {task!r}")
            model.add(task, labels)
        shared, *tasks = facts.get("sharing", ["hard"])
        model.share(shared, tasks)
        missing, surplus = model.load_state_dict(
            load_file(folder / "heads.safetensors"), strict=False
        )
    except (encoders.EncoderError, RouteError, SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{folder} is damaged ({reason}); copy the folder again or train the model again"
        ) from None
    found = {value.data_ptr() for value in encoder.state_dict().values()}
    state = model.state_dict()
    lost = [name for name in missing if not (_in_encoder(name) or state[name].data_ptr() in found)]
    if lost or surplus:
        raise ModelError(
            f"{folder}/heads.safetensors does not fit model.json: "
            f"{(lost + list(surplus))[0]!r} is on one side only; copy the folder again"
        )
    return model, facts
