"""The page docs/from-pytorch.md, block by block."""
import code
import os
import pathlib
import re
import subprocess

import pytest
from checks import ROOT, command

PAGE = ROOT / "docs" / "from-pytorch.md"


class Prompt(code.InteractiveConsole):
    """Python's prompt, into which the page is pasted: an empty line ends what is indented. Errors are the test's."""

    def showtraceback(self):
        raise  # what is being handled

    def showsyntaxerror(self, *_, **__):
        raise

    def paste(self, text):
        waits = [self.push(line) for line in [*text.splitlines(), ""]][-1]
        assert not waits, text


@pytest.mark.skipif(command() is None, reason="no tern command")
def test_every_block_of_the_page(tmp_path):
    """The shell's blocks in a shell, Python's at one prompt that stays, all in one folder."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks].count("python") >= 8 and len(blocks) >= 9
    names, here = {}, os.getcwd()
    prompt = Prompt(names)
    (tmp_path / "programs").symlink_to(ROOT / "programs")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "tern").symlink_to(pathlib.Path(command()).resolve())
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    os.chdir(tmp_path)
    try:
        for kind, text in blocks:
            if kind == "python":
                prompt.paste(text)
            else:
                result = subprocess.run(["sh", "-ec", text], env=environment, capture_output=True, text=True)
                assert result.returncode == 0, f"{text}{result.stdout}{result.stderr}"
    finally:
        os.chdir(here)
    assert names["applied"]["result"].shape == (297, 10) and (tmp_path / "tern-out" / "weights.npz").exists()
