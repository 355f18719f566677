#!/usr/bin/env bash
# An array of bfloat16 (ml_dtypes, which JAX and TensorFlow use) in a npy file. numpy.save accepts it
# and writes the type V2, two bytes without a meaning; numpy.load gives them back as raw bytes, which
# astype refuses, also where ml_dtypes is imported. The bits are right, only a view knows what they are.
# Guess: what numpy.save takes without a word numpy.load gives back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q numpy==2.4.6 ml_dtypes==0.6.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import ml_dtypes, numpy

print("numpy", numpy.__version__, "ml_dtypes", ml_dtypes.__version__)
numpy.save("x.npy", numpy.array([1.5, -2.25], ml_dtypes.bfloat16))
back = numpy.load("x.npy")
print("written as bfloat16, read as", back.dtype, back)
assert b"'<V2'" in open("x.npy", "rb").read() and back.dtype == numpy.dtype("V2")
try:
    back.astype("f4")
except ValueError as error:
    print("astype:", error)
else:
    raise AssertionError("astype converts it")
viewed = back.view(ml_dtypes.bfloat16).astype("f4")
print("viewed as bfloat16:", viewed)
assert viewed.tolist() == [1.5, -2.25]
PYTHON
