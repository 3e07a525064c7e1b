import torch

from kinetune.model.unet import DanceUNet


def small():
    torch.manual_seed(0)
    unet = DanceUNet(
        in_channels=4, sample_size=16, block_out_channels=(16, 32), layers_per_block=1,
        condition_channels=16, cross_attention_dim=16, attention_levels=(False, True),
    )  # fmt: skip
    for parameter in unet.parameters():
        # The exits start at zero; shake them, or nothing would show.
        parameter.data += 0.05 * torch.randn(parameter.shape)
    return unet.eval()


def inputs(batch=2, width=16):
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "sample": (batch, 4, 1, width),
        "encoder_hidden_states": (batch, 5, 16),
        "columns": (batch, 16, width),
        "vector": (batch, 16),
    }
    return {k: torch.randn(v, generator=generator) for k, v in shapes.items()}


def test_the_prediction_has_the_latents_shape_at_other_lengths_too():
    unet = small()
    for width in (16, 24):
        given = inputs(width=width)
        assert unet(timestep=torch.tensor(3), **given).sample.shape == given["sample"].shape


def test_every_input_changes_the_prediction():
    unet, given = small(), inputs()
    base = unet(timestep=torch.tensor(3), **given).sample
    assert not torch.allclose(base, unet(timestep=torch.tensor(700), **given).sample)
    for name, value in given.items():
        other = unet(timestep=torch.tensor(3), **{**given, name: value.flip(0)}).sample
        assert not torch.allclose(base, other, atol=1e-4), name


def test_conditions_are_aligned_to_latent_columns():
    """A change of one column's condition changes the prediction there more than far away."""
    unet, given = small(), inputs(batch=1, width=32)
    columns = given["columns"].clone()
    columns[..., 4] += 3.0
    base = unet(timestep=torch.tensor(3), **given).sample
    change = (unet(timestep=torch.tensor(3), **{**given, "columns": columns}).sample - base).abs()
    change = change.mean(dim=(0, 1, 2))
    assert change[2:7].mean() > 5 * change[16:].mean()


def test_samples_in_a_batch_do_not_mix():
    unet, given = small(), inputs()
    whole = unet(timestep=torch.tensor([3, 500]), **given).sample
    alone = unet(timestep=torch.tensor([500]), **{k: v[1:] for k, v in given.items()}).sample
    torch.testing.assert_close(whole[1:], alone, atol=1e-5, rtol=1e-4)
