"""The transformer: shapes, rotary positions, what conditions reach, a checkpoint's round trip."""

import math

import pytest
import torch
from torch.nn import functional

from kinetune.errors import ConfigError
from kinetune.model.networks.transformer import (
    DanceTransformer,
    TransformerBlock,
    rotary_angles,
    rotate,
)


def small(**figures):
    """A transformer whose every exit has been moved away from the zeros it starts at."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DanceTransformer(
            **{"in_channels": 6, "width": 32, "layers": 2, "heads": 4, "condition_channels": 8}
            | figures
        )
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return model.eval()


def arguments(width=12, batch=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {
        "sample": torch.randn(batch, 6, 1, width, generator=generator),
        "timestep": torch.tensor([10, 900][:batch]),
        "encoder_hidden_states": torch.zeros(batch, 3, 8),
        "columns": torch.randn(batch, 8, width, generator=generator),
        "vector": torch.randn(batch, 8, generator=generator),
    }


def test_untrained_it_predicts_zero_of_the_latents_shape():
    given = arguments()
    out = DanceTransformer(in_channels=6, width=32, layers=2, heads=4, condition_channels=8)(
        **given
    ).sample
    assert out.shape == given["sample"].shape
    assert out.eq(0.0).all()


def test_the_default_has_between_20_and_45_million_parameters():
    with torch.device("meta"):
        model = DanceTransformer()
    assert 20e6 < sum(p.numel() for p in model.parameters()) < 45e6


def test_rotation_turns_pairs_by_position_times_speed():
    angles = rotary_angles(5, 4)
    torch.testing.assert_close(
        angles, torch.arange(5.0)[:, None] * torch.tensor([math.pi, math.pi / math.sqrt(1000.0)])
    )
    pair = rotate(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.25]]))
    expected = [math.cos(0.5), -math.sin(0.25), math.sin(0.5), math.cos(0.25)]
    torch.testing.assert_close(pair, torch.tensor([expected]))


def test_rotary_scores_depend_on_distance_alone():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 16, generator=generator).expand(2, 20, 16)
    angles = rotary_angles(20, 16)
    scores = rotate(query, angles) @ rotate(key, angles).T
    for distance in range(-5, 6):
        along = scores.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand(len(along)), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(scores[0, 1], scores[0, 2], atol=1e-3)


def test_a_block_is_the_documented_formula():
    """Pre-norm attention and feed-forward, modulated and gated, against plain torch."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = TransformerBlock(16, heads=2, widening=3)
        block.own.data.normal_()
        tokens, shared = torch.randn(2, 7, 16), [torch.randn(2, 1, 16) for _ in range(6)]
    shift, scale, gate, inner_shift, inner_scale, inner_gate = (
        part + own for part, own in zip(shared, block.own, strict=True)
    )
    no_turn = torch.zeros(7, 4)
    seen = functional.layer_norm(tokens, (16,)) * (1 + scale) + shift
    query, key, value = block.query_key_value(seen).chunk(3, dim=-1)
    heads = []
    for head in (slice(0, 8), slice(8, 16)):
        weights = torch.softmax(query[..., head] @ key[..., head].mT / math.sqrt(8.0), dim=-1)
        heads.append(weights @ value[..., head])
    middle = tokens + gate * block.attention_out(torch.cat(heads, dim=-1))
    seen = functional.layer_norm(middle, (16,)) * (1 + inner_scale) + inner_shift
    inner = functional.relu(block.inner(seen)).square()
    expected = middle + inner_gate * block.inner_out(inner)
    torch.testing.assert_close(
        block(tokens, tuple(shared), no_turn), expected, atol=1e-5, rtol=1e-5
    )


def test_a_column_knows_no_position_of_its_own():
    """With the same input in every column, every column has the same output."""
    model = small()
    given = arguments(width=1)
    same = {
        name: value.expand(*value.shape[:-1], 12) if name in ("sample", "columns") else value
        for name, value in given.items()
    }
    out = model(**same).sample
    torch.testing.assert_close(out, out[..., :1].expand_as(out), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["sample", "columns", "vector", "timestep"])
def test_every_condition_reaches_the_output(name):
    model, given = small(), arguments()
    before = model(**given).sample
    changed = given[name].clone()
    changed[0] = changed[0] + (1 if name == "timestep" else 1.0)
    after = model(**given | {name: changed}).sample
    assert (after[0] - before[0]).abs().mean() > 1e-3
    torch.testing.assert_close(after[1], before[1])


def test_a_columns_condition_acts_where_it_stands():
    """With attention shut, a change of one column's condition changes that column alone."""
    model, given = small(), arguments()
    for block in model.blocks:
        block.attention_out.weight.data.zero_()
    columns = given["columns"].clone()
    columns[:, :, 5] += 1.0
    change = (model(**given | {"columns": columns}).sample - model(**given).sample).abs()
    assert change[..., 5].mean() > 1e-3
    assert change[..., torch.arange(12) != 5].max() < 1e-6


def test_a_checkpoint_comes_back(tmp_path):
    model, given = small(), arguments()
    model.save_pretrained(tmp_path)
    again = DanceTransformer.from_pretrained(tmp_path)
    assert torch.equal(again(**given).sample, model(**given).sample)


def test_heads_need_an_even_number_of_channels():
    with pytest.raises(ConfigError, match="found 30 and 4"):
        small(width=30)
