"""The page docs/python.md, block by block, and that everything of the package says what it is."""
import inspect
import re

from programs import ROOT

import tern


def test_every_block_of_the_page(tmp_path, monkeypatch):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    names = {}
    for text in blocks:
        exec(compile(text, "docs/python.md", "exec"), names)


def test_everything_is_documented():
    lazy = {"from_onnx", "from_torch", "key", "onnx_module", "to_state_dict", "Unsupported"}  # these need PyTorch
    for name in set(tern.__all__) - lazy:
        thing = getattr(tern, name)
        assert inspect.getdoc(thing), name
        for part, value in vars(thing).items() if inspect.isclass(thing) and issubclass(thing, (tern.Program, tern.Result, tern.Cost)) else []:
            if not part.startswith("_") and (callable(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{name}.{part}"
