"""Musical attributes as a condition of the model."""

import pytest
import torch

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.model.condition import DanceCondition, DanceInput
from kinetune.model.conditioning.attributes import (
    MusicConditions,
    attribute_vector,
    complete_attributes,
)

NAMES = ("instrument:piano", "kit:machine", "tone:dark")


def test_a_whole_piece_has_or_lacks_every_attribute_that_the_model_knows():
    present = ("mode:minor", "kit:machine", "instrument:piano")
    assert complete_attributes(present, NAMES) == {
        "instrument:piano": 1.0, "kit:machine": 1.0, "tone:dark": -1.0,
    }  # fmt: skip


def test_the_vector_is_in_the_models_order_and_zero_where_open():
    vector = attribute_vector({"tone:dark": -1.0, "instrument:piano": 1.0}, NAMES)
    assert vector.tolist() == [1.0, 0.0, -1.0]
    assert attribute_vector({}, ()).shape == (0,)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"instrument:lute": 1.0}, "knows no musical attribute 'instrument:lute'"),
        ({"tone:dark": 2.0}, r"tone:dark: expected -1 \(without\) to 1 \(with\), found 2"),
        ({"tone:dark": float("nan")}, "tone:dark: expected"),
    ],
)
def test_what_the_model_does_not_know_is_refused(attributes, message):
    with pytest.raises(ConfigError, match=message):
        attribute_vector(attributes, NAMES)


def encoder(names=NAMES):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DanceCondition(channels=32, mel_frames=128, attributes=names).eval()


def encoded(network, attributes):
    rows = torch.randn(120, 58, generator=torch.Generator().manual_seed(0))
    beats_s = timebase.beat_times(120.0, 0.25, 4.0)
    dance = DanceInput(rows, "HO", beats_s, 0.25, music=MusicConditions(None, attributes))
    batch = network.gather(dance, 0.0)
    with torch.no_grad():
        return batch, network(batch)


def test_a_new_encoder_answers_as_one_without_attributes():
    _, plain = encoded(encoder(()), {"tone:dark": 1.0})
    _, told = encoded(encoder(), {"tone:dark": 1.0})
    for name, value in plain.items():
        torch.testing.assert_close(told[name], value, rtol=0.0, atol=0.0)


def test_attributes_add_their_rows_to_the_vector_and_the_first_token():
    network = encoder()
    network.attributes_in.weight.data.normal_()
    rows = 4.0 * network.attributes_in.weight.data.T
    _, plain = encoded(network, {})
    batch, told = encoded(network, {"instrument:piano": 1.0, "tone:dark": -1.0})
    change = told["vector"] - plain["vector"]
    torch.testing.assert_close(change[0], rows[0] - rows[2], atol=1e-6, rtol=0.0)
    first = told["encoder_hidden_states"] - plain["encoder_hidden_states"]
    torch.testing.assert_close(first[0, 0], rows[0] - rows[2], atol=1e-6, rtol=0.0)
    assert first[0, 1:].eq(0.0).all()
    torch.testing.assert_close(told["columns"], plain["columns"])
    # Dropped, they are as open ones.
    with torch.no_grad():
        dropped = network(batch.dropped())["vector"]
    open_batch, _ = encoded(network, {})
    with torch.no_grad():
        torch.testing.assert_close(dropped, network(open_batch.dropped())["vector"])
