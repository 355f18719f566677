"""Makes the files beside this script, each by the real package: make.py FOLDER

Needs Python with the packages of PACKAGES; R, Octave, sqlite3, node and a Python with PyTorch are
called as commands (PYTORCH with TORCH_PACKAGES, NODE_PATH). What is missing is skipped and said. The values are the
same everywhere: X, 3 rows of 2 numbers; LABELS, FLAGS, and IMAGES with the channel last.
"""
import gzip
import importlib.metadata
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

import numpy as np

PACKAGES = ["numpy", "pandas", "polars", "pyarrow", "duckdb", "scikit-learn", "scipy", "h5py",
            "safetensors", "ml_dtypes", "openpyxl", "onnx", "keras", "idx2numpy"]
X = np.array([[1.5, -2.25], [0.5, 100.0], [-0.125, 3.0]])
LABELS = np.array([2, 0, 1])
FLAGS = np.array([[True, False], [False, True], [True, True]])
IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
DENSE = {"a.weight": np.array([[1.0, 0.5], [-2.0, 0.25]]), "a.bias": np.array([1.0, 0.0])}


def numpy_files():
    np.savetxt("numpy_savetxt.txt", X)
    np.savetxt("numpy_savetxt_header.txt", X, header="a b", fmt="%.4f")
    np.savetxt("numpy_savetxt.csv", X, delimiter=",", fmt="%g")
    np.savetxt("numpy_savetxt_wide.txt", X, fmt="%12.5f")
    np.savetxt("numpy_savetxt_labels.txt", LABELS, fmt="%d")
    np.savetxt("numpy_savetxt_complex.txt", X * 1j)
    np.save("numpy_c.npy", X)
    np.save("numpy_fortran.npy", np.asfortranarray(X))
    np.save("numpy_big_endian.npy", X.astype(">f8"))
    np.save("numpy_float16.npy", X.astype("f2"))
    np.save("numpy_float32.npy", X.astype("f4"))
    np.save("numpy_longdouble.npy", X.astype("g"))
    np.save("numpy_int64.npy", LABELS)
    np.save("numpy_bool.npy", FLAGS)
    np.save("numpy_complex.npy", X.astype("c16"))
    np.save("numpy_text.npy", X.astype("U6"))
    np.save("numpy_objects.npy", X.astype(object), allow_pickle=True)
    np.save("numpy_dates.npy", np.array(["2020-01-01", "2020-01-02"], "M8[D]"))
    np.save("numpy_records.npy", np.rec.fromarrays(X.T, names="a,b"))
    np.save("numpy_channel_last.npy", IMAGES)
    np.save("numpy_one_hot.npy", np.eye(3)[LABELS])
    np.savez("numpy_savez.npz", x=X, y=LABELS)
    np.savez("numpy_savez_unnamed.npz", X)
    np.savez_compressed("numpy_savez_compressed.npz", x=X, y=LABELS)
    X.tofile("numpy_tofile.bin")
    with gzip.open("numpy.npy.gz", "wb") as file:
        np.save(file, X)


def ml_dtypes_files():
    import ml_dtypes
    np.save("ml_dtypes_bfloat16.npy", X.astype(ml_dtypes.bfloat16))
    np.save("ml_dtypes_float8.npy", X.astype(ml_dtypes.float8_e4m3fn))


def pandas_files():
    import pandas as pd
    table = pd.DataFrame(X, columns=["a", "b"])
    table.to_csv("pandas_default.csv")
    table.to_csv("pandas_no_index.csv", index=False)
    table.to_csv("pandas_bare.csv", index=False, header=False)
    table.to_csv("pandas_german.csv", index=False, sep=";", decimal=",")
    table.to_csv("pandas.csv.gz", index=False)
    table.to_csv("pandas.csv.bz2", index=False)
    table.to_csv("pandas.csv.xz", index=False)
    table.to_csv("pandas_csv.zip", index=False)
    pathlib.Path("pandas_to_string.txt").write_text(table.to_string() + "\n")
    pd.DataFrame(X).to_csv("pandas_array.csv")
    pd.DataFrame(X).to_csv("pandas_array_no_index.csv", index=False)
    pd.DataFrame(np.c_[X, X]).to_csv("pandas_array_four.csv", index=False)
    pd.Series(LABELS).to_csv("pandas_array_labels.csv", index=False)
    holes = table.mask(table == 100.0)
    holes.to_csv("pandas_missing.csv", index=False)
    holes.to_csv("pandas_missing_na.csv", index=False, na_rep="NA")
    holes[["b"]].to_csv("pandas_missing_column.csv", index=False)
    pd.DataFrame(FLAGS, columns=["a", "b"]).to_csv("pandas_bool.csv", index=False)
    pd.get_dummies(pd.Series(LABELS)).to_csv("pandas_dummies.csv", index=False)
    table.assign(c=["u", "v", "w"]).to_csv("pandas_text.csv", index=False)
    table.to_json("pandas.json")
    table.to_json("pandas.jsonl", orient="records", lines=True)
    table.to_parquet("pandas.parquet")
    table.to_feather("pandas.feather")
    table.to_pickle("pandas.pkl")
    table.to_excel("pandas.xlsx", index=False)
    table.to_stata("pandas.dta", write_index=False)


def other_tables():
    import csv

    import duckdb
    import openpyxl
    import polars as pl
    import pyarrow as pa
    import pyarrow.csv
    table = pl.DataFrame(X, schema=["a", "b"], orient="row")
    table.write_csv("polars.csv")
    pl.DataFrame({"a": [1.5, None, -0.125]}).write_csv("polars_missing_column.csv")
    pl.DataFrame(FLAGS, schema=["a", "b"], orient="row").write_csv("polars_bool.csv")
    table.write_ndjson("polars.ndjson")
    pa.csv.write_csv(pa.table({"a": X[:, 0], "b": X[:, 1]}), "pyarrow.csv")
    pa.csv.write_csv(pa.table({"a": [1.5, None, -0.125]}), "pyarrow_missing_column.csv")
    duckdb.sql(f"COPY (VALUES {rows()}) TO 'duckdb.csv'")
    duckdb.sql("COPY (SELECT unnest([1.5, NULL, -0.125]) AS a) TO 'duckdb_missing_column.csv'")
    sheet = openpyxl.Workbook()
    for row in X.tolist():
        sheet.active.append(row)
    sheet.save("openpyxl.xlsx")
    with open("openpyxl_rows.csv", "w", newline="") as file:
        csv.writer(file).writerows(openpyxl.load_workbook("openpyxl.xlsx").active.values)
    with open("csv_quote_all.csv", "w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *X.tolist()])


def rows():
    return ", ".join(f"({a}, {b})" for a, b in X.tolist())


def scientific_files():
    import joblib
    import scipy.io
    import scipy.sparse
    from sklearn.datasets import dump_svmlight_file
    dump_svmlight_file(X, LABELS, "sklearn.svmlight")
    joblib.dump(X, "joblib.joblib")
    scipy.io.savemat("scipy_v5.mat", {"x": X})
    scipy.io.savemat("scipy_v4.mat", {"x": X}, format="4")
    scipy.sparse.save_npz("scipy_sparse.npz", scipy.sparse.csr_matrix(X))
    scipy.io.mmwrite("scipy_dense.mtx", X)
    scipy.io.mmwrite("scipy_sparse.mtx", scipy.sparse.coo_matrix(X))
    with scipy.io.netcdf_file("scipy.nc", "w") as file:
        file.createDimension("row", 3)
        file.createVariable("x", "d", ("row",))[:] = X[:, 0]


def model_files():
    import ml_dtypes
    import safetensors.numpy
    for name, dtype in [("float64", "f8"), ("float32", "f4"), ("float16", "f2"),
                        ("bfloat16", ml_dtypes.bfloat16), ("float8", ml_dtypes.float8_e4m3fn)]:
        tensors = {key: value.astype(dtype) for key, value in DENSE.items()}
        safetensors.numpy.save_file(tensors, f"safetensors_{name}.safetensors")
    np.savez("numpy_weights.npz", **DENSE)
    import h5py
    with h5py.File("h5py.h5", "w") as file:
        file["x"] = X
    import onnx
    from onnx import helper, numpy_helper
    tensor = numpy_helper.from_array(DENSE["a.weight"], "a.weight")
    graph = helper.make_graph([], "net", [], [], initializer=[tensor])
    onnx.save(helper.make_model(graph), "onnx.onnx")
    os.environ["KERAS_BACKEND"] = "numpy"
    import keras
    net = keras.Sequential([keras.Input([2]), keras.layers.Dense(2, name="a")])
    net.set_weights([DENSE["a.weight"].T, DENSE["a.bias"]])
    net.save("keras.keras")
    net.save("keras.h5")
    net.save_weights("keras.weights.h5")


def idx_files():
    import idx2numpy
    idx2numpy.convert_to_file("idx2numpy_labels.idx", LABELS.astype(np.uint8))
    idx2numpy.convert_to_file("idx2numpy_doubles.idx", X)


def packed_files():
    plain = pathlib.Path("pandas_no_index.csv").read_bytes()
    pathlib.Path("gzip_members.csv.gz").write_bytes(gzip.compress(plain[:9]) + gzip.compress(plain[9:]))
    with tarfile.open("tarfile.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("x.csv")
        entry.size = len(plain)
        archive.addfile(entry, io.BytesIO(plain))
    pathlib.Path("utf16.csv").write_bytes(plain.decode().encode("utf-16"))
    pathlib.Path("utf8_mark.csv").write_bytes(plain.decode().encode("utf-8-sig"))


R = """
x <- data.frame(a = c(1.5, 0.5, -0.125), b = c(-2.25, 100, 3))
write.table(x, "r_write_table.txt")
write.table(x, "r_write_table_plain.txt", quote = FALSE)
write.table(x, "r_write_table_bare.txt", row.names = FALSE, col.names = FALSE)
write.table(x, "r_write_table_commas.csv", sep = ",")
write.csv(x, "r_write_csv.csv")
write.csv(x, "r_write_csv_no_names.csv", row.names = FALSE)
write.csv2(x, "r_write_csv2.csv", row.names = FALSE)
write.table(x["a"], "r_decimal_comma_column.txt", dec = ",", row.names = FALSE)
write.csv(data.frame(a = c(NA, 0.5, -0.125)), "r_missing.csv", row.names = FALSE)
write.table(data.frame(a = c(NA, 0.5, -0.125)), "r_missing_bare.txt", row.names = FALSE,
            col.names = FALSE)
write.csv(data.frame(a = c(TRUE, FALSE, TRUE)), "r_logical.csv", row.names = FALSE)
rownames(x) <- c("Mazda RX4", "Datsun 710", "Valiant")
write.table(x, "r_row_names.txt")
save(x, file = "r.RData")
saveRDS(x, "r.rds")
saveRDS(x, "r_plain.rds", compress = FALSE)
dput(x, "r_dput.R")
"""
OCTAVE = """
x = [1.5 -2.25; 0.5 100; -0.125 3];
csvwrite("octave_csvwrite.csv", x);
dlmwrite("octave_dlmwrite.txt", x, "\\t");
save("-text", "octave_text.txt", "x");
save("-ascii", "octave_ascii.txt", "x");
save("-v7", "octave_v7.mat", "x");
save("-hdf5", "octave_hdf5.h5", "x");
"""
SQLITE = [
    ("sqlite_csv.csv", ".mode csv"), ("sqlite_csv_headers.csv", ".mode csv\n.headers on"),
    ("sqlite_tabs.tsv", ".mode tabs"), ("sqlite_list.txt", ".mode list"),
]
NODE = """
const fs = require("fs"), xlsx = require("xlsx"), papa = require("papaparse");
const x = [[1.5, -2.25], [0.5, 100], [-0.125, 3]], table = x.map(([a, b]) => ({a, b}));
fs.writeFileSync("sheetjs.csv", xlsx.utils.sheet_to_csv(xlsx.utils.json_to_sheet(table)));
fs.writeFileSync("papaparse.csv", papa.unparse(table));
fs.writeFileSync("node.json", JSON.stringify(x));
for (const p of ["xlsx", "papaparse"])
  console.log(p, JSON.parse(fs.readFileSync(process.env.NODE_PATH + "/" + p + "/package.json")).version);
"""
TORCH = """
import numpy, torch
from torch import nn
net = nn.Sequential()
net.add_module("a", nn.Linear(2, 2))
with torch.no_grad():
    net.a.weight.copy_(torch.tensor([[1.0, 0.5], [-2.0, 0.25]]))
    net.a.bias.copy_(torch.tensor([1.0, 0.0]))
torch.save(net.state_dict(), "torch.pth")
torch.save(net.state_dict(), "torch_old.pth", _use_new_zipfile_serialization=False)
torch.jit.script(net).save("torch_script.pt")
net.add_module("n", nn.BatchNorm1d(2))
numpy.savez("torch_batch_norm.npz", **{k: v.numpy() for k, v in net.state_dict().items()})
try:
    from safetensors.torch import save_file
    del net.n
    save_file(net.half().state_dict(), "torch_half.safetensors")
    save_file(net.bfloat16().state_dict(), "torch_bfloat16.safetensors")
except ImportError:
    print("no safetensors for PyTorch: skipped")
"""


def run(command, text, **env):
    """What another program prints, or nothing where it is not there."""
    if shutil.which(command[0]) is None:
        return print(f"{command[0]} is not here: skipped") or ""
    env = {**os.environ, **env}
    done = subprocess.run(command, input=text, text=True, check=True, capture_output=True, env=env)
    return done.stdout.strip()


def main():
    os.chdir(sys.argv[1])
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    for make in [numpy_files, ml_dtypes_files, pandas_files, other_tables, scientific_files,
                 model_files, idx_files, packed_files]:
        make()
    run(["Rscript", "-"], R)
    versions.append("R " + run(["Rscript", "-e", "cat(as.character(getRversion()))"], ""))
    run(["octave", "--no-gui", "--quiet"], OCTAVE)
    octave = pathlib.Path("octave_text.txt") # its first line names the user and the machine
    if octave.exists():
        octave.write_text(re.sub("<.*>", "<user@host>", octave.read_text()))
    versions.append("Octave " + run(["octave", "--no-gui", "--quiet", "--eval", "disp(version)"], ""))
    for name, mode in SQLITE:
        query = f"{mode}\n.output {name}\nSELECT * FROM (VALUES {rows()});\n"
        run(["sqlite3"], query)
    run(["sqlite3", "sqlite.db"], f"DROP TABLE IF EXISTS x; CREATE TABLE x AS VALUES {rows()};")
    versions.append("sqlite3 " + run(["sqlite3", "--version"], "").split()[0])
    versions += run(["node", "-e", NODE], "").splitlines()
    torch = os.environ.get("PYTORCH", sys.executable)
    versions.append("torch " + run([torch, "-c", "import torch; print(torch.__version__)"], ""))
    run([torch, "-c", TORCH], "", PYTHONPATH=os.environ.get("TORCH_PACKAGES", ""))
    pathlib.Path("VERSIONS").write_text("\n".join(versions) + "\n")


main()
