import contextlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kinetune.errors import ModelError
from kinetune.metrics.networks.weights import fit_weights, read_weights

TENSORS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"state_dict": t, "epoch": 3}])
def test_both_kinds_of_file_are_read(tmp_path, wrap):
    torch.save(wrap(TENSORS), tmp_path / "a.pth")
    save_file(TENSORS, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        found = read_weights(tmp_path / name)
        assert found.keys() == TENSORS.keys()
        assert torch.equal(found["weight"], TENSORS["weight"])


def test_code_in_a_file_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("never",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match="can't be read") as caught:
        read_weights(tmp_path / "evil.pth")
    assert "\n" not in str(caught.value)


def test_files_that_contain_no_weights_are_reported(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("text.pth", "text.safetensors"):
        with pytest.raises(ModelError, match="can't be read"):
            read_weights(tmp_path / name)
    with pytest.raises(ModelError, match="expected named tensors, found list"):
        read_weights(tmp_path / "list.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_every_cut_of_a_file_is_one_line_or_weights(tmp_path, zipped):
    path = tmp_path / "a.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for byte in range(0, len(whole), 7):
        path.write_bytes(whole[:byte] + b"\x85\x00R" + whole[byte + 3 :])
        with contextlib.suppress(ModelError):
            read_weights(path)
        path.write_bytes(whole[:byte])
        with contextlib.suppress(ModelError):
            read_weights(path)


def test_fitted_weights_are_float32_and_all_there():
    network = nn.Linear(3, 2).train()
    fit_weights(network, {name: t.half() for name, t in TENSORS.items()}, where="w")
    assert torch.equal(network.weight.detach(), torch.ones(2, 3))
    assert network.weight.dtype == torch.float32
    assert not network.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "lacks weight 'bias'"),
        ({"more": torch.ones(1)}, "has an unknown weight 'more'"),
        ({"bias": torch.ones(3)}, r"expected \(2,\), found \(3,\)"),
        ({"bias": torch.full((2,), torch.nan)}, "holds NaN"),
    ],
)
def test_weights_that_do_not_fit_are_reported(change, message):
    given = {name: t for name, t in {**TENSORS, **change}.items() if t is not None}
    with pytest.raises(ModelError, match=message):
        fit_weights(nn.Linear(3, 2), given, where="w")
