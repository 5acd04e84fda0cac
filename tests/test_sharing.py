"""Ways to share: each begins where it says, follows its formula, and comes back from disk."""

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tiny
import torch
from tiny import WAYS
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import AutoModel, BertConfig, BertModel, ModernBertModel

from mtlkit import networks, sharing
from mtlkit.batching import Batch, collate, encode
from mtlkit.encoders import Encoder, EncoderError, States, parameters
from mtlkit.networks import Network
from mtlkit.routes import RouteError
from mtlkit.sharing import SHARINGS, CrossStitch, Twins

TASKS = ("pos", "ner", "dep")
RECIPE = tiny.RECIPE.replace(layers=2)
WIDTH, LAYERS, COUNT = RECIPE.width, RECIPE.layers, len(TASKS)


def test_every_way_has_a_row() -> None:
    assert {name: text.partition(":")[0] for name, text in WAYS.items()} == {n: n for n in SHARINGS}


def scratch() -> Encoder:
    return tiny.encoder(tiny.sentences(), recipe=RECIPE)


def bert() -> Encoder:
    """Such an encoder as there are many published ones, but small, and of random weights."""
    subwords = scratch().subwords
    config = BertConfig(
        vocab_size=len(subwords.tokenizer), hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=2, intermediate_size=2 * WIDTH, max_position_embeddings=128,
    )  # fmt: skip
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Encoder(BertModel(config, add_pooling_layer=False), subwords, RECIPE)


MAKERS = [scratch, bert]


def model(text: str, make: Callable[[], Encoder] = scratch, *, moved: bool = True) -> Network:
    """A model whose tasks share in this way; ``moved``: what was added is not at its beginning."""
    made = Network(make(), RECIPE, seed=0)
    for task in (*TASKS, "sentiment"):
        made.add(task, tiny.labels(task, tiny.sentences()))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        nn.init.normal_(made.encoder.mixture)
        nn.init.normal_(made.encoder.shape.weight)
        before = {id(p) for p in made.parameters()}
        made.share(text, TASKS)
        for p in made.parameters():
            if moved and id(p) not in before:
                p.data += 0.1 * torch.randn_like(p)
    return made.eval()


def batch_of(network: Network, count: int = 5, tasks: tuple[str, ...] = TASKS) -> Batch:
    items = encode(tiny.sentences(count), network.encoder.subwords, network.labels)
    return collate(items, tasks, padding=network.encoder.subwords.tokenizer.pad_token_id)


def assert_same(one: States, two: States, batch: Batch) -> None:
    """The same numbers wherever there is something to read."""
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(one.subwords[batch.mask], two.subwords[batch.mask], **close)
    torch.testing.assert_close(one.mixed[batch.mask], two.mixed[batch.mask], **close)
    torch.testing.assert_close(one.words[batch.words], two.words[batch.words], **close)
    torch.testing.assert_close(one.sentence, two.sentence, **close)


def differ(one: States, two: States, batch: Batch) -> bool:
    return not torch.allclose(one.mixed[batch.mask], two.mixed[batch.mask], atol=1e-4)


# ---- what all ways have in common


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "text", ["twins", "cross-stitch:own=1", "experts", "adapters", "lora", "lower:pos=2"]
)
def test_it_begins_as_hard_sharing(text: str, make: Callable[[], Encoder]) -> None:
    network, hard = model(text, make, moved=False), model("hard", make)
    batch = batch_of(network)
    plain = hard.states(batch, TASKS)
    found = network.states(batch, TASKS)
    assert list(found) == list(TASKS)
    for task in TASKS:
        assert_same(found[task], plain[task], batch)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", SHARINGS)
def test_tasks_of_the_stage_share_and_others_read_the_trunk(
    name: str, make: Callable[[], Encoder]
) -> None:
    network, hard = model(WAYS[name], make), model("hard", make)
    batch = batch_of(network)
    trunk = hard.encoder(batch)
    found = network.states(batch, ("sentiment", *TASKS))
    assert list(found) == ["sentiment", *TASKS]
    assert_same(found["sentiment"], trunk, batch)
    own = {"hard": (), "lower": ("pos",), "twins": ("ner", "dep")}.get(name, TASKS)
    assert tuple(task for task in TASKS if differ(found[task], trunk, batch)) == own
    # And one task has what it has together with the others.
    for task in TASKS:
        assert_same(network.states(batch, [task])[task], found[task], batch)


@pytest.mark.parametrize("name", SHARINGS)
def test_what_a_task_reads_depends_on_its_own_additions_alone(name: str) -> None:
    """Else what one task learns in a part of its own would disturb another."""
    own = {
        "twins": "sharing.columns.ner.transformer.layers",
        "cross-stitch": "sharing.columns.ner.mixture",
        "experts": "sharing.gates.ner",
        "adapters": "sharing.adapters.ner",
        "lora": "lora_B.ner",
    }.get(name)
    network = model(WAYS[name])
    batch = batch_of(network)
    before = network.states(batch, TASKS)
    assert all(states.mixed.isfinite().all() for states in before.values())  # computed, now
    changed = [p for each, p in network.named_parameters() if own and own in each]
    assert bool(changed) == bool(own)
    for p in changed:
        p.data += torch.linspace(-3, 3, p.numel()).view_as(p)
    after = network.states(batch, TASKS)
    moved = [task for task in TASKS if differ(before[task], after[task], batch)]
    assert moved == (["ner"] if own else [])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("name", SHARINGS)
def test_a_folder_comes_back_as_it_was(
    name: str, make: Callable[[], Encoder], tmp_path: Path
) -> None:
    network = model(WAYS[name], make)
    networks.save(network, tmp_path, {})
    read, facts = networks.load(tmp_path, recipe=RECIPE, seed=9)
    read.eval()
    assert facts["sharing"] == [WAYS[name], *TASKS]
    states = network.state_dict()
    assert read.state_dict().keys() == states.keys()
    assert all(torch.equal(tensor, states[key]) for key, tensor in read.state_dict().items())
    batch = batch_of(network)
    tasks = (*TASKS, "sentiment")
    with torch.no_grad():
        assert read.predict(batch, tasks) == network.predict(batch, tasks)
        # The folder of the encoder is the trunk, for whoever knows nothing of ways to share.
        plain = AutoModel.from_pretrained(tmp_path / "encoder").eval()
        last = plain(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
        trunk = network.states(batch, ["sentiment"])["sentiment"].subwords
        torch.testing.assert_close(last[batch.mask], trunk[batch.mask], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", SHARINGS)
def test_random_weights_depend_on_the_seed_alone(name: str) -> None:
    state = torch.random.get_rng_state()
    one = model(WAYS[name], moved=False).state_dict()
    torch.rand(3)
    two = model(WAYS[name], moved=False).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)
    torch.random.set_rng_state(state)
    sharing.build(WAYS[name], scratch(), TASKS, seed=3)
    assert torch.equal(torch.random.get_rng_state(), state), "global randomness is left alone"


def additions() -> Mapping[str, int]:
    encoder = scratch()
    table = encoder.transformer.embeddings
    column = parameters(encoder) - parameters(table)
    linear = (  # of ModernBERT: queries, keys and values; what they give; gated units
        (WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (2 * WIDTH, WIDTH),
    )  # fmt: skip
    return {
        "hard": 0,
        "lower": 0,
        "twins": (COUNT - 1) * column,
        "cross-stitch": (COUNT - 1) * column + LAYERS * COUNT**2,
        "experts": (WIDTH + 1) * 24 + 24 * WIDTH + COUNT * (WIDTH + 1) * 3,
        "adapters": COUNT * LAYERS * (4 * (WIDTH + 1) + WIDTH * (4 + 1)),
        "lora": COUNT * LAYERS * sum(3 * (rows + columns) for rows, columns in linear),
    }


@pytest.mark.parametrize("name", SHARINGS)
def test_what_is_added_is_counted(name: str) -> None:
    added = parameters(model(WAYS[name])) - parameters(model("hard"))
    assert added == additions()[name]


def reached(network: Network, task: str) -> set[str]:
    """The parameters that have a gradient from a task's loss which is not zero."""
    network.zero_grad()
    network.losses(batch_of(network))[task].backward()
    named = network.named_parameters()
    return {name for name, p in named if p.grad is not None and p.grad.any()}


TRUNK = {name for name, _ in model("hard").encoder.transformer.named_parameters()}
LAYER = {n: {name for name in TRUNK if name.startswith(f"layers.{n}.")} for n in range(LAYERS)}
TABLE = {name for name in TRUNK if name.startswith("embeddings.")}


def in_trunk(names: set[str]) -> set[str]:
    return {f"encoder.transformer.{name}" for name in names}


@pytest.mark.parametrize("name", SHARINGS)
def test_a_loss_moves_what_it_should(name: str) -> None:
    """Of the transformer and of what is added; nothing is moved that is another task's own."""
    network = model(WAYS[name])
    columns = {f"sharing.columns.{t}.transformer.{n}" for t in TASKS[1:] for n in TRUNK - TABLE}
    for task in TASKS:
        found = {
            n.replace(".base_layer", "")
            for n in reached(network, task)
            if not n.startswith("heads.") and not n.endswith((".shape.weight", ".mixture"))
        }
        expected = in_trunk(TRUNK)
        if name == "lower" and task == "pos":
            expected = in_trunk(TABLE | LAYER[0])
        if name == "twins" and task != "pos":
            own = {n for n in columns if n.startswith(f"sharing.columns.{task}.")}
            expected = in_trunk(TABLE) | own
        if name == "cross-stitch":
            last = {n for n in expected | columns if n.endswith("final_norm.weight")}
            stitches = {"sharing.stitches"}
            expected = expected | columns | stitches
            assert last <= expected
        if name == "experts":
            gate = {f"sharing.gates.{task}.{part}" for part in ("weight", "bias")}
            expected |= gate | {"sharing.inner.weight", "sharing.inner.bias", "sharing.outer"}
        if name == "adapters":
            expected |= {
                f"sharing.adapters.{task}.{layer}.{place}.{part}"
                for layer in range(LAYERS) for place in (0, 2) for part in ("weight", "bias")
            }  # fmt: skip
        if name == "lora":
            linear = {n.removesuffix(".weight") for n in LAYER[0] | LAYER[1] if "norm" not in n}
            expected |= in_trunk({f"{n}.lora_{ab}.{task}.weight" for n in linear for ab in "AB"})
        assert found == expected, task


@pytest.mark.parametrize("name", SHARINGS)
def test_depths_and_trunk_are_those_of_the_encoders(name: str) -> None:
    """What is added between layers learns as the top one, what is added elsewhere as heads do."""
    network = model(WAYS[name])
    depths, trunk = network.depths(), {id(p) for p in network.trunk()}
    for full, p in network.named_parameters():
        within = full.partition(".transformer.")[2]
        if ".lora_" in within or ".adapters." in full:
            assert depths[id(p)] == 0, full
        elif not within:
            assert id(p) not in depths, full
        else:
            layer = re.match(r"layers\.(\d)", within)
            below = LAYERS - 1 - int(layer[1]) if layer else LAYERS * ("embeddings" in within)
            assert depths[id(p)] == below, full
        assert (id(p) in trunk) != full.startswith(("heads.", "encoder.shape.")), full


@pytest.mark.parametrize("name", SHARINGS)
def test_a_frozen_trunk_is_frozen_whatever_is_added(name: str) -> None:
    network = Network(scratch(), RECIPE, seed=0)
    network.encoder.tune("frozen")
    network.share(WAYS[name], TASKS)
    learns = {n for n, p in network.named_parameters() if p.requires_grad}
    of_transformers = {n for n in learns if ".transformer." in n and ".lora_" not in n}
    assert not of_transformers
    added = {"twins": 0, "cross-stitch": LAYERS * COUNT**2}.get(name, additions()[name])
    count = sum(p.numel() for n, p in network.named_parameters() if n in learns)
    heads = parameters(network.encoder.shape) + network.encoder.mixture.numel()
    columns = (COUNT - 1) * heads if name in ("twins", "cross-stitch") else 0
    assert count == added + heads + columns


# ---- each by its formula


def plain(encoder: Encoder, batch: Batch) -> tuple[Tensor, ...]:
    output = encoder.transformer(
        batch.ids, attention_mask=batch.mask.long(), output_hidden_states=True
    )
    return tuple(output.hidden_states)


def layer(encoder: Encoder, batch: Batch, number: int, x: Tensor) -> Tensor:
    """What transformers' own layer makes of a state, the norm at the end included."""

    def put(module: nn.Module, given: tuple, named: dict) -> tuple[tuple, dict]:
        return (x, *given[1:]), named

    hook = encoder.layers[number].register_forward_pre_hook(put, with_kwargs=True)
    try:
        return plain(encoder, batch)[number + 1]
    finally:
        hook.remove()


def assert_reads(states: States, encoder: Encoder, read: list[Tensor], batch: Batch) -> None:
    assert_same(states, States(encoder, batch, read), batch)


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_lower_tasks_read_the_lower_layers(make: Callable[[], Encoder]) -> None:
    network = model("lower:pos=1,dep=2", make)
    batch, encoder = batch_of(network), network.encoder
    read = list(plain(encoder, batch))
    found = network.states(batch, TASKS)
    assert_reads(found["pos"], encoder, read[:2], batch)
    shares = encoder.mixture[:2].exp() / encoder.mixture[:2].exp().sum()
    normal = [nn.functional.layer_norm(x, (WIDTH,)) for x in read[:2]]
    mixed = shares[0] * normal[0] + shares[1] * normal[1]
    torch.testing.assert_close(found["pos"].mixed[batch.mask], mixed[batch.mask])
    for task in ("ner", "dep"):
        assert_reads(found[task], encoder, read, batch)


def test_twins_are_pulled_towards_their_mean() -> None:
    strength = 0.3
    network = model(f"twins:strength={strength}")
    twins = network.sharing
    assert isinstance(twins, Twins)
    columns = [[*each.layers.parameters()] for each in twins.encoders]
    means = [sum(same[1:], same[0]) / COUNT for same in zip(*columns, strict=True)]
    distance = sum(
        ((p - mean) ** 2).sum() for column in columns for p, mean in zip(column, means, strict=True)
    )
    everything = [p for column in columns for p in column]
    expected = torch.autograd.grad(strength / 2 * distance, everything)
    others = {id(p) for p in network.parameters()} - {id(p) for p in everything}
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    twins.pull()
    for p, gradient in zip(everything, expected, strict=True):
        torch.testing.assert_close(p.grad, 1 + gradient, atol=1e-6, rtol=1e-5)
    assert all(bool((p.grad == 1).all()) for p in network.parameters() if id(p) in others)


def test_only_twins_that_learn_are_pulled() -> None:
    """In turn, tasks have gradients in turn; and one that has none is not moved."""
    network = model("twins:strength=0.3")
    network.sharing.pull()
    assert all(p.grad is None for p in network.parameters())
    network.losses(batch_of(network, tasks=("ner",)))["ner"].backward()
    before = [p.grad.clone() for p in network.sharing.columns["ner"].layers.parameters()]
    network.sharing.pull()
    after = [p.grad for p in network.sharing.columns["ner"].layers.parameters()]
    assert not any(torch.equal(one, two) for one, two in zip(before, after, strict=True))
    for part in (network.encoder, network.sharing.columns["dep"]):
        assert all(p.grad is None for p in part.layers.parameters())


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_columns_are_stitched_after_every_layer(make: Callable[[], Encoder]) -> None:
    network = model(WAYS["cross-stitch"], make)
    batch, way = batch_of(network), network.sharing
    assert isinstance(way, CrossStitch)
    states = [plain(way.column(task), batch)[0] for task in TASKS]
    read = [states]
    for number in range(LAYERS):
        states = [
            layer(way.column(t), batch, number, x) for t, x in zip(TASKS, states, strict=True)
        ]
        alpha = way.stitches[number].tolist()
        states = [sum(alpha[k][j] * states[j] for j in range(COUNT)) for k in range(COUNT)]
        read.append(states)
    found = network.states(batch, TASKS)
    for k, task in enumerate(TASKS):
        assert_reads(found[task], way.column(task), [each[k] for each in read], batch)


def test_stitches_begin_with_mostly_the_own_column() -> None:
    way = sharing.build("cross-stitch", scratch(), TASKS, seed=0)
    expected = torch.full((COUNT, COUNT), 0.05).fill_diagonal_(0.9)
    torch.testing.assert_close(way.stitches.detach(), expected.repeat(LAYERS, 1, 1))
    alone = sharing.build("cross-stitch", scratch(), ["pos"], seed=0)
    assert alone.stitches.tolist() == [[[1.0]]] * LAYERS


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_experts_are_mixed_by_each_task_s_gate(make: Callable[[], Encoder]) -> None:
    network = model(WAYS["experts"], make)
    batch, way = batch_of(network), network.sharing
    x = network.encoder(batch).mixed
    found = network.states(batch, TASKS)
    inner = way.inner(x)  # [batch, subword, expert · width]
    outputs = [gelu(inner[..., 8 * e : 8 * e + 8]) @ way.outer[e] for e in range(3)]
    for task in TASKS:
        gates = way.gates[task](x).softmax(-1)
        mixture = x + sum(gates[..., e, None] * outputs[e] for e in range(3))
        torch.testing.assert_close(found[task].mixed, mixture, atol=1e-5, rtol=1e-5)
        seen = batch.mask[..., None].float()
        mean = (mixture * seen).sum(1) / seen.sum(1)
        torch.testing.assert_close(found[task].sentence, mean, atol=1e-5, rtol=1e-5)
        assert torch.equal(found[task].subwords, network.encoder(batch).subwords)


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_adapters_stand_after_every_layer(make: Callable[[], Encoder]) -> None:
    network = model(WAYS["adapters"], make)
    batch, encoder = batch_of(network), network.encoder
    found = network.states(batch, TASKS)
    for task in TASKS:
        read = [plain(encoder, batch)[0]]
        for number, (first, _, second) in enumerate(network.sharing.adapters[task]):
            x = layer(encoder, batch, number, read[-1])
            inner = x @ first.weight.T + first.bias
            read.append(x + gelu(inner) @ second.weight.T + second.bias)
        assert_reads(found[task], encoder, read, batch)


@pytest.mark.parametrize("make", MAKERS)
@torch.no_grad()
def test_low_rank_changes_are_those_of_merged_weights(make: Callable[[], Encoder]) -> None:
    network = model(WAYS["lora"], make)
    batch = batch_of(network)
    found = network.states(batch, TASKS)
    state = network.encoder.transformer.state_dict()
    for task in TASKS:
        merged = model("hard", make).encoder
        changed = 0
        for name, p in merged.transformer.named_parameters():
            part = name.removesuffix(".weight")
            if f"{part}.lora_A.{task}.weight" in state:
                low = state[f"{part}.lora_A.{task}.weight"]
                high = state[f"{part}.lora_B.{task}.weight"]
                assert low.shape == (3, p.shape[1]) and high.shape == (p.shape[0], 3)
                p += high @ low * 7 / 3
                changed += 1
        assert (
            changed
            == LAYERS * {"ModernBertModel": 4, "BertModel": 6}[type(merged.transformer).__name__]
        )
        assert_reads(found[task], merged, list(plain(merged, batch)), batch)


@pytest.mark.parametrize("name", SHARINGS)
def test_a_copy_of_a_network_is_apart_from_it(name: str) -> None:
    network = model(WAYS[name])
    batch = batch_of(network)
    network.states(batch, TASKS)  # whatever is kept for later has been kept
    other = copy.deepcopy(network)
    before = network.states(batch, TASKS)
    with torch.no_grad():
        for p in other.parameters():
            p += torch.linspace(-1, 1, p.numel()).view_as(p)
    after, moved = network.states(batch, TASKS), other.states(batch, TASKS)
    for task in TASKS:
        assert torch.equal(before[task].mixed, after[task].mixed)
        assert differ(before[task], moved[task], batch)


# ---- what cannot be


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soft", "unknown sharing 'soft': expected one of hard, lower, twins, cross-stitch, "),
        ("twin", "unknown sharing 'twin': did you mean 'twins'?"),
        ("hard:a=1", "unknown setting of hard 'a'"),
        ("twins:own=1", "unknown setting of twins 'own': expected one of strength"),
        ("twins:encoder=1", "unknown setting of twins 'encoder': expected one of strength"),
        ("lower:tasks=1", "unknown setting of lower 'tasks'"),
        ("lora:rank", "sharing 'lora:rank' has 'rank': expected settings as in lora:key=1,other=0"),
        ("lower:pos=3", "sharing 'lower:pos=3': pos=3: expected a whole number from 1 to 2"),
        ("lower:pos=0", "sharing 'lower:pos=0': pos=0: expected a whole number from 1 to 2"),
        ("lower:pos=1.5", "sharing 'lower:pos=1.5': pos=1.5: expected a whole number from 1 to 2"),
        ("lower:xpos=1", "sharing 'lower:xpos=1': no task 'xpos': expected one of pos, ner, dep"),
        ("twins:strength=-1", "sharing 'twins:strength=-1': strength is -1: expected 0 or more"),
        ("experts:number=0", "sharing 'experts:number=0': number and width are 0 and 64: expected"),
        ("experts:width=0", "sharing 'experts:width=0': number and width are 4 and 0: expected 1"),
        ("adapters:width=0", "sharing 'adapters:width=0': width is 0: expected 1 or more"),
        ("lora:rank=0", "sharing 'lora:rank=0': rank is 0: expected 1 or more"),
    ],
)
def test_a_way_to_share_that_cannot_be_says_why(text: str, message: str) -> None:
    with pytest.raises(RouteError, match="^" + re.escape(message)):
        sharing.build(text, scratch(), TASKS, seed=0)


@pytest.mark.parametrize("name", ["cross-stitch", "adapters"])
def test_states_of_other_models_cannot_be_changed_between_layers(name: str) -> None:
    network = Network(scratch(), RECIPE, seed=0)
    network.share(WAYS[name], TASKS)
    batch = batch_of(network, tasks=())
    network.states(batch, TASKS)
    for module in network.modules():
        if isinstance(module, ModernBertModel):
            module.config.hidden_activation = "relu"
    with pytest.raises(EncoderError) as caught:
        network.states(batch, TASKS)
    assert str(caught.value) == (
        "this sharing changes states between layers, which is written out for BERT and ModernBERT; "
        "here is ModernBertModel"
    )


@pytest.mark.parametrize("name", ["twins", "cross-stitch"])
def test_columns_need_a_table_that_they_can_have_in_common(name: str) -> None:
    encoder = scratch()
    encoder.transformer = nn.Sequential()
    with pytest.raises(RouteError) as caught:
        sharing.build(name, encoder, TASKS, seed=0)
    assert str(caught.value) == (
        f"sharing {name!r}: soft sharing needs an encoder with a module 'embeddings' that its "
        "columns can have in common; Sequential has none"
    )
