"""State dictionaries and tensors of PyTorch as inputs."""
import subprocess

import numpy
import pytest
import torch
from checks import command
from torch import nn

import tern

SOURCE = """\
use nn::{Dense, dense}
model Net {
    _0: Dense(3, 2)
}
input x: fix[2, 3] from party 0
input weights: Net from party 1
fn main() {
    output z = dense(x, weights._0) to party 0
    output weights = weights to party 1
}
"""


@pytest.fixture(scope="module")
def program():
    return tern.compile(SOURCE)


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def check(program, given, kept):
    """The program computes what the first layer does, and says what it does not use."""
    x = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
    result = program.emulate({"x": x, "weights": given}, seed=1)
    with torch.no_grad():
        exact = kept[0](x)
    assert numpy.allclose(result["z"], exact.numpy(), atol=2e-3)
    assert len(result.notes) == 4 and not any("num_batches_tracked" in note for note in result.notes)
    return result


def test_modules_state_dictionaries_and_files(program, tmp_path):
    kept = net()
    torch.save(kept.state_dict(), tmp_path / "a.pt")
    torch.save({"epoch": 3, "model_state_dict": kept.state_dict()}, tmp_path / "b.pth")
    numpy.savez(tmp_path / "c.npz", **{name: tensor.numpy() for name, tensor in kept.state_dict().items()})
    for given in [kept, kept.state_dict(), tmp_path / "a.pt", str(tmp_path / "b.pth"), tmp_path / "c.npz", tern.load_state(tmp_path / "c.npz")]:
        result = check(program, given, kept)
    again = net()
    again[0].load_state_dict({name.split(".")[1]: tensor for name, tensor in result.state_dict("weights").items()})
    assert torch.allclose(again[0].weight, kept[0].weight, atol=1e-4)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_narrow_numbers(program, kind, tmp_path):
    kept = net().to(kind)
    torch.save(kept.state_dict(), tmp_path / "a.pt")
    for given in [kept.state_dict(), tmp_path / "a.pt"]:
        check(program, given, kept.float())
        kept = net().to(kind)
    loaded = tern.load_state(tmp_path / "a.pt")
    assert numpy.array_equal(loaded["0.weight"].astype(float), kept.double()[0].weight.detach().numpy())


NORMS = [norm for norm in [
    torch.nn.utils.weight_norm, getattr(torch.nn.utils.parametrizations, "weight_norm", None),
    torch.nn.utils.parametrizations.spectral_norm, torch.nn.utils.parametrizations.orthogonal] if norm]


def saved(state, folder):
    """The same state in each kind of file."""
    torch.save(state, folder / "a.pt")
    numpy.savez(folder / "a.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    return [folder / "a.pt", folder / "a.npz"]


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: f"{norm.__module__}.{norm.__name__}")
def test_parametrised_layers(program, norm, tmp_path):
    """Weight normalisation is undone; what a state dictionary does not say enough of is taken from the module itself."""
    torch.manual_seed(1)
    kept = nn.Sequential(norm(nn.Linear(3, 2)), nn.ReLU()).eval()
    x = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
    exact = kept[0](x).detach().numpy()
    for given in [kept, kept.state_dict(), *saved(kept.state_dict(), tmp_path)]:
        if norm.__name__ != "weight_norm" and given is not kept:
            with pytest.raises(tern.DataError, match='remove_parametrizations\\(module.get_submodule\\("0"\\), "weight"\\)') as raised:
                program.emulate({"x": x, "weights": given})
            assert raised.value.code == "D019"
        else:
            assert numpy.allclose(program.emulate({"x": x, "weights": given}, seed=1)["z"], exact, atol=2e-3)
    with pytest.raises(tern.Unsupported, match="^0: weight is (parametrised|normalised)"):
        tern.from_torch(kept, torch.zeros(2, 3))


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("norm", NORMS[: 1 + hasattr(torch.nn.utils.parametrizations, "weight_norm")], ids=lambda norm: norm.__module__)
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_normalisation(program, norm, dim, tmp_path):
    """Along either axis and over all, in what is loaded, and by the command."""
    torch.manual_seed(1)
    kept = nn.Sequential(norm(nn.Linear(3, 2), dim=dim)).eval()
    x = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
    exact = kept(x).detach().numpy()
    for file in saved(kept.state_dict(), tmp_path):
        loaded = tern.load_state(file)
        assert set(loaded) == {"0.weight", "0.bias"} and numpy.allclose(loaded["0.weight"], kept[0].weight.detach().numpy(), atol=1e-6)
    result = program.emulate({"x": x, "weights": kept.state_dict()}, seed=1)
    assert numpy.allclose(result["z"], exact, atol=2e-3) and len(result.notes) == 1 and "by weight normalisation" in result.notes[0]
    if command():
        (tmp_path / "p.mpc").write_text(SOURCE)
        numpy.save(tmp_path / "x.npy", x.numpy())
        done = subprocess.run([command(), "emulate", "p.mpc", "--data", ".", "--input", "weights=a.npz"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "by weight normalisation" in done.stderr, done.stderr
        assert numpy.allclose(numpy.load(tmp_path / "tern-out" / "z.npz")["z"], exact, atol=2e-3)


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch evil",)


def test_files_that_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Evil()}, "evil.pt")
    torch.save([1, 2], "list.pt")
    (tmp_path / "text.pt").write_text("no tensors")
    for file, text in [("evil.pt", "cannot be read"), ("list.pt", "a list, not tensors by name"), ("text.pt", "cannot be read"), ("none.pt", "cannot be read")]:
        with pytest.raises(tern.DataError, match=text):
            tern.load_state(file)
    assert not (tmp_path / "evil").exists()
    with pytest.raises(tern.DataError, match="D001"):
        tern.load_state("none.npz")
