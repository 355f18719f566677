#!/usr/bin/env bash
# Who may read a file that safetensors has written. Whatever the umask says, save_file leaves mode
# 0600, where numpy.save beside it leaves 0644: weights that are put into a shared folder cannot be read
# by the colleague or the service that they are for, and an existing file loses the mode it had.
# Guess: the mode follows the umask, as that of any new file, and an old file keeps its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q numpy==2.4.6 safetensors==0.8.0
cd "$folder"
umask 022
"$folder/env/bin/python" - <<'PYTHON'
import os, numpy, safetensors, safetensors.numpy

mode = lambda name: oct(os.stat(name).st_mode & 0o777)
tensors = {"a": numpy.ones(2)}
numpy.save("x.npy", tensors["a"])
safetensors.numpy.save_file(tensors, "x.safetensors")
print("safetensors", safetensors.__version__, "numpy", numpy.__version__, "umask 022")
print("numpy.save:", mode("x.npy"), " save_file:", mode("x.safetensors"))
assert (mode("x.npy"), mode("x.safetensors")) == ("0o644", "0o600")
os.chmod("x.safetensors", 0o664)
safetensors.numpy.save_file(tensors, "x.safetensors")
print("a file of mode 0o664, written again:", mode("x.safetensors"))
assert mode("x.safetensors") == "0o600"
PYTHON
