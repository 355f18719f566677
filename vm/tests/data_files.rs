//! Files as others write them, each made by the real package (`files/make.py`, versions in `files/VERSIONS`): what becomes of
//! each is the table in docs/data.md, which `UPDATE_EXPECT=1 cargo test` rewrites.

use std::path::{Path, PathBuf};
use tern_vm::data::{Element, InputSpec, Options, Problem, Source, load, load_model};

/// What was written everywhere.
const X: [f64; 6] = [1.5, -2.25, 0.5, 100.0, -0.125, 3.0];
const A: [f64; 3] = [1.5, 0.5, -0.125];
const LABELS: [f64; 3] = [2.0, 0.0, 1.0];
const FLAGS: [f64; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
const ONE_HOT: [f64; 9] = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// The weight and the bias of the model `a: Dense(2, 2)`.
const DENSE: [f64; 6] = [1.0, 0.5, -2.0, 0.25, 1.0, 0.0];

/// The same, and a batch normalisation `n` of two features as it begins.
const NORMALISED: [f64; 14] = [1.0, 0.5, -2.0, 0.25, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0];

/// What should become of a file.
#[derive(Clone, Copy)]
enum Becomes {
    /// It is read.
    Read(&'static [f64]),
    /// It is refused, with this code.
    Error(&'static str),
}
use Becomes::{Error, Read};

/// What a program declares.
#[derive(Clone, Copy)]
enum Declared {
    /// `fix` of this shape.
    Fix(&'static [usize]),
    /// The same, one-hot.
    OneHot(&'static [usize]),
    /// The model with DENSE.
    Model,
    /// The same with batch normalisation behind it.
    Normalised,
}
use Declared::{Fix, Model, Normalised, OneHot};

const TABLE: Declared = Fix(&[3, 2]);
const COLUMN: Declared = Fix(&[3]);

/// Who writes it and how, the file and what `--input` says about it, what the program declares, what becomes of it.
type Case = (&'static str, &'static str, Declared, Becomes);

const TEXTS: &[Case] = &[
    ("NumPy `savetxt`", "numpy_savetxt.txt", TABLE, Read(&X)),
    ("… `header=`, which becomes a comment", "numpy_savetxt_header.txt", TABLE, Read(&X)),
    ("… `fmt=\"%12.5f\"`, with blanks before", "numpy_savetxt_wide.txt", TABLE, Read(&X)),
    ("… of labels", "numpy_savetxt_labels.txt", OneHot(&[3, 3]), Read(&ONE_HOT)),
    ("… `delimiter=\",\"`", "numpy_savetxt.csv", TABLE, Read(&X)),
    ("… of complex numbers", "numpy_savetxt_complex.txt", TABLE, Error("D012")),
    ("pandas `to_csv()`", "pandas_default.csv", TABLE, Error("D022")),
    ("", "pandas_default.csv,index=yes", TABLE, Read(&X)),
    ("… `index=False`", "pandas_no_index.csv", TABLE, Read(&X)),
    ("… `index=False, header=False`", "pandas_bare.csv", TABLE, Read(&X)),
    ("… `sep=\";\", decimal=\",\"`", "pandas_german.csv", TABLE, Read(&X)),
    ("… of an array", "pandas_array.csv", TABLE, Error("D022")),
    ("", "pandas_array.csv,header=yes,index=yes", TABLE, Read(&X)),
    ("… of an array, `index=False`", "pandas_array_no_index.csv", TABLE, Error("D022")),
    ("", "pandas_array_no_index.csv,header=yes", TABLE, Read(&X)),
    ("… of four columns", "pandas_array_four.csv", Fix(&[3, 4]), Error("D022")),
    ("… of labels", "pandas_array_labels.csv", OneHot(&[3, 3]), Error("D022")),
    ("", "pandas_array_labels.csv,header=yes", OneHot(&[3, 3]), Read(&ONE_HOT)),
    ("… of truth values", "pandas_bool.csv", TABLE, Read(&FLAGS)),
    ("… of `get_dummies`", "pandas_dummies.csv", Fix(&[3, 3]), Error("D022")),
    ("", "pandas_dummies.csv,header=yes", Fix(&[3, 3]), Read(&ONE_HOT)),
    ("… with a missing value", "pandas_missing.csv", TABLE, Error("D012")),
    ("… with `na_rep=\"NA\"`", "pandas_missing_na.csv", TABLE, Error("D012")),
    ("… missing in the only column", "pandas_missing_column.csv", COLUMN, Error("D012")),
    ("… with a column of words", "pandas_text.csv", Fix(&[3, 3]), Error("D012")),
    ("pandas `to_string()`", "pandas_to_string.txt", TABLE, Read(&X)),
    ("R `write.csv`", "r_write_csv.csv", TABLE, Error("D022")),
    ("", "r_write_csv.csv,index=yes", TABLE, Read(&X)),
    ("… `row.names = FALSE`", "r_write_csv_no_names.csv", TABLE, Read(&X)),
    ("R `write.csv2`", "r_write_csv2.csv", TABLE, Read(&X)),
    ("R `write.table`", "r_write_table.txt", TABLE, Read(&X)),
    ("… `quote = FALSE`", "r_write_table_plain.txt", TABLE, Read(&X)),
    ("… `row.names = FALSE, col.names = FALSE`", "r_write_table_bare.txt", TABLE, Read(&X)),
    ("… `sep = \",\"`", "r_write_table_commas.csv", TABLE, Read(&X)),
    ("… with names of rows", "r_row_names.txt", TABLE, Read(&X)),
    ("… `dec = \",\"`, one column", "r_decimal_comma_column.txt", COLUMN, Error("D022")),
    ("", "r_decimal_comma_column.txt,decimal=comma", COLUMN, Read(&A)),
    ("… of truth values", "r_logical.csv", COLUMN, Read(&[1.0, 0.0, 1.0])),
    ("… of which the first is missing", "r_missing.csv", COLUMN, Error("D012")),
    ("… without headings", "r_missing_bare.txt", COLUMN, Error("D022")),
    ("R `dput`", "r_dput.R", TABLE, Error("D023")),
    ("Octave `csvwrite`", "octave_csvwrite.csv", TABLE, Read(&X)),
    ("Octave `dlmwrite`, tabulators", "octave_dlmwrite.txt", TABLE, Read(&X)),
    ("Octave `save -text`", "octave_text.txt", TABLE, Read(&X)),
    ("Octave `save -ascii`", "octave_ascii.txt", TABLE, Read(&X)),
    ("SQLite `.mode csv`", "sqlite_csv.csv", TABLE, Read(&X)),
    ("… `.headers on`", "sqlite_csv_headers.csv", TABLE, Read(&X)),
    ("SQLite `.mode tabs`", "sqlite_tabs.tsv", TABLE, Read(&X)),
    ("SQLite `.mode list`", "sqlite_list.txt", TABLE, Read(&X)),
    ("Polars `write_csv`", "polars.csv", TABLE, Read(&X)),
    ("… of truth values", "polars_bool.csv", TABLE, Read(&FLAGS)),
    ("… missing in the only column", "polars_missing_column.csv", COLUMN, Error("D012")),
    ("PyArrow `csv.write_csv`", "pyarrow.csv", TABLE, Read(&X)),
    ("… missing in the only column", "pyarrow_missing_column.csv", COLUMN, Error("D012")),
    ("DuckDB `COPY TO`", "duckdb.csv", TABLE, Read(&X)),
    ("… missing in the only column", "duckdb_missing_column.csv", COLUMN, Error("D012")),
    ("Python `csv` from openpyxl", "openpyxl_rows.csv", TABLE, Read(&X)),
    ("Python `csv`, `QUOTE_ALL`", "csv_quote_all.csv", TABLE, Read(&X)),
    ("SheetJS `sheet_to_csv`", "sheetjs.csv", TABLE, Read(&X)),
    ("Papa Parse `unparse`", "papaparse.csv", TABLE, Read(&X)),
    ("UTF-8 with a mark, as Excel saves", "utf8_mark.csv", TABLE, Read(&X)),
    ("UTF-16, as Excel's Unicode text", "utf16.csv", TABLE, Error("D023")),
    ("Matrix Market, SciPy `mmwrite`", "scipy_dense.mtx", TABLE, Error("D023")),
    ("… of a sparse matrix", "scipy_sparse.mtx", TABLE, Error("D023")),
    ("scikit-learn `dump_svmlight_file`", "sklearn.svmlight", TABLE, Error("D023")),
    ("pandas `to_json`", "pandas.json", TABLE, Error("D023")),
    ("… `orient=\"records\", lines=True`", "pandas.jsonl", TABLE, Error("D023")),
    ("Polars `write_ndjson`", "polars.ndjson", TABLE, Error("D023")),
    ("Node `JSON.stringify`", "node.json", TABLE, Error("D023")),
];

const TENSORS: &[Case] = &[
    ("NumPy `save`", "numpy_c.npy", TABLE, Read(&X)),
    ("… column-major", "numpy_fortran.npy", TABLE, Read(&X)),
    ("… big-endian", "numpy_big_endian.npy", TABLE, Read(&X)),
    ("… `float16`", "numpy_float16.npy", TABLE, Read(&X)),
    ("… `float32`", "numpy_float32.npy", TABLE, Read(&X)),
    ("… `bfloat16` of ml_dtypes, JAX, TensorFlow", "ml_dtypes_bfloat16.npy", TABLE, Read(&X)),
    ("… `float8_e4m3fn` of ml_dtypes", "ml_dtypes_float8.npy", TABLE, Error("D006")),
    ("… `longdouble`", "numpy_longdouble.npy", TABLE, Error("D006")),
    ("… `int64`", "numpy_int64.npy", COLUMN, Read(&LABELS)),
    ("… `bool`", "numpy_bool.npy", TABLE, Read(&FLAGS)),
    ("… complex numbers", "numpy_complex.npy", TABLE, Error("D006")),
    ("… texts", "numpy_text.npy", TABLE, Error("D006")),
    ("… objects", "numpy_objects.npy", TABLE, Error("D006")),
    ("… dates", "numpy_dates.npy", Fix(&[2]), Error("D006")),
    ("… records", "numpy_records.npy", TABLE, Error("D006")),
    ("… images, the channel last", "numpy_channel_last.npy", Fix(&[2, 3, 2, 2]), Error("D004")),
    (
        "",
        "numpy_channel_last.npy,transpose=0312",
        Fix(&[2, 3, 2, 2]),
        Read(&[
            0.0, 3.0, 6.0, 9.0, 1.0, 4.0, 7.0, 10.0, 2.0, 5.0, 8.0, 11.0, 12.0, 15.0, 18.0, 21.0, 13.0, 16.0,
            19.0, 22.0, 14.0, 17.0, 20.0, 23.0,
        ]),
    ),
    ("… one-hot", "numpy_one_hot.npy", OneHot(&[3, 3]), Error("D020")),
    ("", "numpy_one_hot.npy", Fix(&[3, 3]), Read(&ONE_HOT)),
    ("… more rows than declared", "numpy_c.npy", Fix(&[2, 2]), Error("D005")),
    ("", "numpy_c.npy[1:]", Fix(&[2, 2]), Read(&[0.5, 100.0, -0.125, 3.0])),
    ("… gzipped", "numpy.npy.gz", TABLE, Read(&X)),
    ("NumPy `tofile`", "numpy_tofile.bin", TABLE, Error("D007")),
    ("NumPy `savez`", "numpy_savez.npz", TABLE, Read(&X)),
    ("", "numpy_savez.npz:y", COLUMN, Read(&LABELS)),
    ("… without names", "numpy_savez_unnamed.npz", TABLE, Read(&X)),
    ("NumPy `savez_compressed`", "numpy_savez_compressed.npz", TABLE, Read(&X)),
    ("idx2numpy, bytes", "idx2numpy_labels.idx", OneHot(&[3, 3]), Read(&ONE_HOT)),
    ("… doubles", "idx2numpy_doubles.idx", TABLE, Read(&X)),
    ("SciPy `savemat`", "scipy_v5.mat", TABLE, Error("D023")),
    ("… `format=\"4\"`", "scipy_v4.mat", TABLE, Error("D023")),
    ("SciPy `sparse.save_npz`", "scipy_sparse.npz", TABLE, Error("D023")),
    ("SciPy `netcdf_file`", "scipy.nc", COLUMN, Error("D023")),
    ("Octave `save -v7`", "octave_v7.mat", TABLE, Error("D023")),
    ("Octave `save -hdf5`", "octave_hdf5.h5", TABLE, Error("D023")),
    ("h5py", "h5py.h5", TABLE, Error("D023")),
    ("R `save`", "r.RData", TABLE, Error("D023")),
    ("R `saveRDS`", "r.rds", TABLE, Error("D023")),
    ("… `compress = FALSE`", "r_plain.rds", TABLE, Error("D023")),
    ("pandas `to_parquet`", "pandas.parquet", TABLE, Error("D023")),
    ("pandas `to_feather`", "pandas.feather", TABLE, Error("D023")),
    ("pandas `to_pickle`", "pandas.pkl", TABLE, Error("D023")),
    ("pandas `to_stata`", "pandas.dta", TABLE, Error("D023")),
    ("pandas `to_excel`", "pandas.xlsx", TABLE, Error("D023")),
    ("openpyxl", "openpyxl.xlsx", TABLE, Error("D023")),
    ("joblib `dump`", "joblib.joblib", TABLE, Error("D023")),
    ("SQLite, a database", "sqlite.db", TABLE, Error("D023")),
];

const PACKED: &[Case] = &[
    ("pandas, gzip", "pandas.csv.gz", TABLE, Read(&X)),
    ("gzip of several members", "gzip_members.csv.gz", TABLE, Read(&X)),
    ("pandas, bzip2", "pandas.csv.bz2", TABLE, Error("D023")),
    ("pandas, xz", "pandas.csv.xz", TABLE, Error("D023")),
    ("pandas, zip", "pandas_csv.zip", TABLE, Error("D023")),
    ("tar and gzip", "tarfile.tar.gz", TABLE, Error("D023")),
];

const MODELS: &[Case] = &[
    ("NumPy `savez`", "numpy_weights.npz", Model, Read(&DENSE)),
    ("… of a PyTorch model with batch normalisation", "torch_batch_norm.npz", Normalised, Read(&NORMALISED)),
    ("safetensors, F64", "safetensors_float64.safetensors", Model, Read(&DENSE)),
    ("… F32", "safetensors_float32.safetensors", Model, Read(&DENSE)),
    ("… F16", "safetensors_float16.safetensors", Model, Read(&DENSE)),
    ("… BF16", "safetensors_bfloat16.safetensors", Model, Read(&DENSE)),
    ("… F8", "safetensors_float8.safetensors", Model, Error("D006")),
    ("… of PyTorch's `half()`", "torch_half.safetensors", Model, Read(&DENSE)),
    ("… of PyTorch's `bfloat16()`", "torch_bfloat16.safetensors", Model, Read(&DENSE)),
    ("PyTorch `save`", "torch.pth", Model, Error("D023")),
    ("… before 1.6", "torch_old.pth", Model, Error("D023")),
    ("TorchScript", "torch_script.pt", Model, Error("D023")),
    ("Keras `save`, `.keras`", "keras.keras", Model, Error("D023")),
    ("… `.h5`", "keras.h5", Model, Error("D023")),
    ("Keras `save_weights`", "keras.weights.h5", Model, Error("D023")),
    ("ONNX", "onnx.onnx", Model, Error("D023")),
];

const PARTS: [(&str, &[Case]); 4] =
    [("Texts", TEXTS), ("Tensors and tables", TENSORS), ("Compressed", PACKED), ("Models", MODELS)];

fn input(name: &str, shape: &[usize], one_hot: bool) -> InputSpec {
    let options = Options { one_hot, ..Options::default() };
    InputSpec { name: name.into(), shape: shape.to_vec(), element: Element::Fix, party: 0, options }
}

fn fields() -> Vec<InputSpec> {
    let vectors = ["a.bias", "n.weight", "n.bias", "n.running_mean", "n.running_var"];
    let vectors = vectors.iter().map(|name| input(name, &[2], false));
    std::iter::once(input("a.weight", &[2, 2], false)).chain(vectors).collect()
}

/// What a file gives: its values, or the code, what is wrong and the ways out.
fn outcome(source: &Source, declared: Declared) -> Result<Vec<f64>, (String, String, Vec<String>)> {
    let inputs = match declared {
        Fix(shape) => load(&input("x", shape, false), source).map(|input| vec![input]),
        OneHot(shape) => load(&input("x", shape, true), source).map(|input| vec![input]),
        Model => load_model("x", &fields()[..2], source).map(|(tensors, _)| tensors),
        Normalised => load_model("x", &fields(), source).map(|(tensors, _)| tensors),
    };
    let mut values = Vec::new();
    let inputs = inputs.map_err(|error| {
        let message = error.message();
        let what = match &*error.problem {
            Problem::Foreign { format } => format!("it is {}", format.what),
            _ => message.title,
        };
        (message.code.name().to_string(), what, message.helps)
    })?;
    for input in inputs {
        input.fill_real(0..input.len(), |_, value| values.push(value));
    }
    Ok(values)
}

/// Checks a case, and makes its row of the table.
fn row(case: &Case) -> Result<String, String> {
    let (writer, file, declared, becomes) = *case;
    let mut source = Source::parse(file).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    source.path = folder.join(&source.path);
    let prefix = format!("{}/", folder.display());
    let text = match (outcome(&source, declared), becomes) {
        (Ok(found), Read(values)) if found == values => "read".to_string(),
        (Err((found, title, helps)), Error(code)) if found == code => {
            let helps: Vec<String> =
                helps.iter().map(|help| help.replace(&prefix, "").replace('|', "\\|")).collect();
            format!("{code}: {title}<br>`{}`", helps.join("`<br>`"))
        }
        (found, _) => return Err(format!("{file}: {found:?}")),
    };
    Ok(format!("| {writer} | `{file}` | {text} |\n"))
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/data.md")
}

#[test]
fn what_becomes_of_the_files_of_others() {
    let (mut table, mut failures) = (String::new(), Vec::new());
    for (title, cases) in PARTS {
        table.push_str(&format!("\n### {title}\n\n| made by | file | becomes |\n|---|---|---|\n"));
        for case in cases {
            row(case).map_or_else(|wrong| failures.push(wrong), |row| table.push_str(&row));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let page_text = std::fs::read_to_string(page()).unwrap();
    let (begin, end) = ("<!-- the table -->\n", "\n<!-- its end -->");
    let (before, rest) = page_text.split_once(begin).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(page(), format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(found, table, "docs/data.md differs; UPDATE_EXPECT=1 rewrites its table");
    }
}

#[test]
fn every_file_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let files: Vec<String> = PARTS
        .iter()
        .flat_map(|(_, cases)| *cases)
        .map(|(_, file, ..)| Source::parse(file).unwrap().path.display().to_string())
        .collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(files.contains(&name) || ["make.py", "VERSIONS"].contains(&name.as_str()), "{name}");
    }
}
