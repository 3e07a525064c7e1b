import pytest
import torch

from kinetune.errors import ConfigError
from kinetune.model.normaliser import FeatureNormaliser


def test_minmax_scales_to_unit_range_and_clips():
    rows = torch.tensor([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]])
    normaliser = FeatureNormaliser("paper", 2, "minmax")
    normaliser.fit(rows)
    torch.testing.assert_close(normaliser(rows)[:, 0], torch.tensor([0.0, 1.0, 0.5]))
    assert normaliser(torch.tensor([9.0, 5.0])).tolist() == [1.0, 0.0]


def test_standard_gives_mean_zero_and_deviation_one():
    rows = torch.randn(500, 3) * 4 + 7
    normaliser = FeatureNormaliser("rhythm", 3, "standard")
    normaliser.fit(rows)
    torch.testing.assert_close(normaliser(rows).mean(0), torch.zeros(3), atol=1e-2, rtol=0)
    torch.testing.assert_close(normaliser(rows).std(0), torch.ones(3), atol=1e-2, rtol=0)


def test_an_unknown_kind_is_reported():
    with pytest.raises(ConfigError, match="minmax or standard"):
        FeatureNormaliser("rhythm", 3, "robust")
