//! Formats that are known but not read: what they are, and how their numbers come into a file that is.
//!
//! They are told like the others by how a file begins, an archive by what is in it. A row of the table is all that a
//! format needs. In a way out, `{file}` is the file and `{stem}` its name without the suffix.

use super::error::Problem;

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// What the file is, with its article.
    pub what: &'static str,
    /// How to make a file that is read, as a template.
    way: &'static str,
}

impl Foreign {
    /// How to make a file that is read.
    pub(super) fn way(&self, file: &str) -> String {
        let stem = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or(file, |(stem, _)| stem);
        self.way.replace("{file}", file).replace("{stem}", stem)
    }
}

impl From<Foreign> for Problem {
    fn from(foreign: Foreign) -> Problem {
        Problem::Foreign { format: foreign }
    }
}

const fn foreign(what: &'static str, way: &'static str) -> Foreign {
    Foreign { what, way }
}

const JSON: Foreign =
    foreign("JSON", "in Python:  numpy.save(\"{stem}.npy\", pandas.read_json(\"{file}\").to_numpy())");
const JSON_LINES: Foreign = foreign(
    "JSON lines",
    "in Python:  numpy.save(\"{stem}.npy\", pandas.read_json(\"{file}\", lines=True).to_numpy())",
);
const HDF5: Foreign = foreign(
    "an HDF5 file, as Keras (.h5), h5py, MATLAB 7.3 and Julia write it",
    "in Python:  numpy.save(\"{stem}.npy\", h5py.File(\"{file}\")[\"NAME\"][:])",
);
const MAT: Foreign = foreign(
    "a MATLAB file (.mat)",
    "in Python:  numpy.save(\"{stem}.npy\", scipy.io.loadmat(\"{file}\")[\"NAME\"]); in MATLAB:  writematrix(x, \"{stem}.csv\")",
);
const PICKLE: Foreign = foreign(
    "a Python pickle",
    "in the Python that has written it:  numpy.save(\"{stem}.npy\", numpy.asarray(pickle.load(open(\"{file}\", \"rb\"))))",
);
const JOBLIB: Foreign = foreign(
    "a file of joblib",
    "in Python:  numpy.save(\"{stem}.npy\", numpy.asarray(joblib.load(\"{file}\")))",
);
const TORCH: Foreign = foreign(
    "PyTorch's own format (torch.save)",
    "in Python:  numpy.savez(\"{stem}.npz\", **{k: v.numpy() for k, v in torch.load(\"{file}\").items()}); the Python package (tools/python) takes the file itself:  inputs={\"NAME\": \"{file}\"}",
);
const TORCH_SCRIPT: Foreign = foreign(
    "a TorchScript module",
    "in Python:  numpy.savez(\"{stem}.npz\", **{k: v.numpy() for k, v in torch.jit.load(\"{file}\").state_dict().items()})",
);
const KERAS: Foreign = foreign(
    "a Keras model",
    "in Python:  numpy.savez(\"{stem}.npz\", **{w.path: w.numpy() for w in keras.models.load_model(\"{file}\").weights}), renamed as the model's fields, and a kernel transposed: Keras has [inputs, outputs]",
);
const ONNX: Foreign = foreign(
    "an ONNX model",
    "in Python:  numpy.savez(\"{stem}.npz\", **{t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(\"{file}\").graph.initializer}); the whole model, as a program with its weights:  tern import {file}",
);
const SPREADSHEET: Foreign = foreign(
    "a spreadsheet",
    "save it as CSV from there; or in Python:  pandas.read_excel(\"{file}\").to_csv(\"{stem}.csv\", index=False)",
);
const SPARSE: Foreign = foreign(
    "a sparse matrix of SciPy",
    "in Python:  numpy.save(\"{stem}.npy\", scipy.sparse.load_npz(\"{file}\").toarray())",
);
const MARKET: Foreign = foreign(
    "a Matrix Market file",
    "in Python:  x = scipy.io.mmread(\"{file}\"); numpy.save(\"{stem}.npy\", x.toarray() if hasattr(x, \"toarray\") else x)",
);
const SVMLIGHT: Foreign = foreign(
    "a svmlight or libsvm file, whose cells are COLUMN:VALUE",
    "in Python:  x, y = sklearn.datasets.load_svmlight_file(\"{file}\"); numpy.savez(\"{stem}.npz\", x=x.toarray(), y=y)",
);
const R_DATA: Foreign = foreign(
    "R's own format (save, saveRDS)",
    "in R:  write.csv(x, \"{stem}.csv\", row.names = FALSE), after load(\"{file}\") or x <- readRDS(\"{file}\")",
);
const R_TEXT: Foreign =
    foreign("R code (dput)", "in R:  write.csv(dget(\"{file}\"), \"{stem}.csv\", row.names = FALSE)");
const PARQUET: Foreign = foreign(
    "a Parquet table",
    "in Python:  pandas.read_parquet(\"{file}\").to_csv(\"{stem}.csv\", index=False)",
);
const ARROW: Foreign = foreign(
    "an Arrow or Feather table",
    "in Python:  pandas.read_feather(\"{file}\").to_csv(\"{stem}.csv\", index=False)",
);
const STATA: Foreign =
    foreign("a Stata table", "in Python:  pandas.read_stata(\"{file}\").to_csv(\"{stem}.csv\", index=False)");
const SQLITE: Foreign =
    foreign("an SQLite database", "sqlite3 -header -csv {file} \"SELECT * FROM NAME\" > {stem}.csv");
const DUCKDB: Foreign = foreign("a DuckDB database", "in DuckDB:  COPY (SELECT * FROM NAME) TO '{stem}.csv'");
const NETCDF: Foreign = foreign(
    "a netCDF file",
    "in Python:  numpy.save(\"{stem}.npy\", scipy.io.netcdf_file(\"{file}\").variables[\"NAME\"][:])",
);
const UTF_16: Foreign =
    foreign("a text in UTF-16", "as UTF-8:  iconv -f UTF-16 -t UTF-8 {file} > {stem}.utf8.csv");
const IMAGE: Foreign =
    foreign("a picture", "in Python:  numpy.save(\"{stem}.npy\", numpy.asarray(PIL.Image.open(\"{file}\")))");
const LFS: Foreign = foreign("only a pointer of Git LFS to the file", "git lfs pull");
const HTML: Foreign = foreign("a page of HTML or XML", "fetch the data themselves, not the page about them");
const ARFF: Foreign = foreign(
    "an ARFF file",
    "in Python:  pandas.DataFrame(scipy.io.arff.loadarff(\"{file}\")[0]).to_csv(\"{stem}.csv\", index=False)",
);
const BZIP2: Foreign = foreign("compressed with bzip2", "bunzip2 -k {file}");
const XZ: Foreign = foreign("compressed with xz", "unxz -k {file}");
const ZSTD: Foreign = foreign("compressed with zstd", "unzstd {file}");
const SEVEN: Foreign = foreign("a 7z archive", "7z x {file}");
const TAR: Foreign = foreign("a tar archive", "tar xf {file}, and name one of the files in it");
const ZIP: Foreign =
    foreign("a zip archive without tensors", "unzip {file}, and name one of the files in it");

/// How files begin, at which byte.
const BEGINNINGS: &[(usize, &[u8], Foreign)] = &[
    (0, b"\x89HDF\r\n\x1a\n", HDF5),
    (0, b"MATLAB 7.3 MAT-file", HDF5),
    (0, b"MATLAB 5.0 MAT-file", MAT),
    (0, b"PAR1", PARQUET),
    (0, b"ARROW1", ARROW),
    (0, b"FEA1", ARROW),
    (0, b"<stata_dta>", STATA),
    (0, b"SQLite format 3\0", SQLITE),
    (8, b"DUCK", DUCKDB),
    (0, b"CDF\x01", NETCDF),
    (0, b"CDF\x02", NETCDF),
    (0, b"RDX2\n", R_DATA),
    (0, b"RDX3\n", R_DATA),
    (0, b"RDA2\n", R_DATA),
    (0, b"RDA3\n", R_DATA),
    (0, b"X\n\0\0\0", R_DATA),
    (0, b"structure(", R_TEXT),
    (0, b"\xff\xfe", UTF_16),
    (0, b"\xfe\xff", UTF_16),
    (0, b"BZh", BZIP2),
    (0, b"\xfd7zXZ\0", XZ),
    (0, b"\x28\xb5\x2f\xfd", ZSTD),
    (0, b"7z\xbc\xaf\x27\x1c", SEVEN),
    (257, b"ustar", TAR),
    (0, b"\x89PNG", IMAGE),
    (0, b"\xff\xd8\xff", IMAGE),
    (0, b"GIF8", IMAGE),
    (0, b"II*\0", IMAGE),
    (0, b"MM\0*", IMAGE),
    (0, b"BM", IMAGE),
    (0, b"version https://git-lfs", LFS),
    (0, b"%%MatrixMarket", MARKET),
    (0, b"@relation", ARFF),
    (0, b"@RELATION", ARFF),
];

/// What a file is that begins like this, if it is one of those that are not read.
pub(super) fn of_bytes(head: &[u8]) -> Option<Foreign> {
    let begins = |(at, magic, _): &&(usize, &[u8], Foreign)| {
        head.get(*at..).is_some_and(|from| from.starts_with(magic))
            // A text may well begin with the two letters of a bitmap.
            && (*magic != b"BM" || head.iter().take(16).any(|byte| *byte == 0))
    };
    let known = BEGINNINGS.iter().find(begins).map(|(_, _, foreign)| *foreign);
    known.or_else(|| of_binary(head)).or_else(|| of_text(head))
}

fn of_binary(head: &[u8]) -> Option<Foreign> {
    match head {
        // The long number that every file of the old torch.save begins with.
        [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, ..] => Some(TORCH),
        // The class of joblib that reads the numbers behind the pickle.
        [0x80, 2..=5, ..] if head.windows(6).any(|part| part == b"joblib") => Some(JOBLIB),
        [0x80, 2..=5, ..] => Some(PICKLE),
        // The version of the representation, then the producer or the graph, whose length is next.
        [8, 1..=32, 0x12 | 0x3a | 0x42, ..] => Some(ONNX),
        // Release 114 to 115, either order of bytes, a data set.
        [0x71..=0x73, 1 | 2, 1, 0, ..] => Some(STATA),
        // Version 4 of MATLAB's: doubles in a full matrix, either order of bytes, sizes, no imaginary part.
        [0, 0, 0, 0, _, _, _, _, _, _, _, _, 0, 0, 0, 0, 1..=63, 0, 0, 0, ..] => Some(MAT),
        _ => None,
    }
}

fn of_text(head: &[u8]) -> Option<Foreign> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match text {
        // A single object in a line that is whole: more will follow.
        [b'{', ..] if line.len() < text.len() && line.trim_ascii_end().ends_with(b"}") => Some(JSON_LINES),
        [b'{' | b'[', ..] => Some(JSON),
        [b'<', b'!' | b'?' | b'a'..=b'z' | b'A'..=b'Z', ..] => Some(HTML),
        _ if is_svmlight(line) => Some(SVMLIGHT),
        _ => None,
    }
}

/// A label, then `COLUMN:VALUE` and nothing else but a comment.
fn is_svmlight(line: &[u8]) -> bool {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let label = words.next().is_some_and(|word| !word.contains(&b':'));
    let pair = |word: &[u8]| {
        let colon = word.iter().position(|byte| *byte == b':');
        colon.is_some_and(|at| at > 0 && word[..at].iter().all(u8::is_ascii_digit))
    };
    // The last word may be cut off.
    let mut pairs = words.peekable();
    label && pairs.peek().is_some_and(|word| pair(word)) && pairs.take(3).all(pair)
}

/// What an archive of these files is, if it is one of those that are not read.
pub(super) fn of_archive(files: &[String]) -> Option<Foreign> {
    let has = |name: &str| files.iter().any(|file| file == name);
    let ends = |end: &str| files.iter().any(|file| file.ends_with(end));
    Some(match () {
        () if has("data.npy") && has("format.npy") && has("shape.npy") => SPARSE,
        () if ends(".npy") => return None,
        () if has("model.weights.h5") => KERAS,
        () if ends("/constants.pkl") || ends("/code/") => TORCH_SCRIPT,
        () if ends("/data.pkl") => TORCH,
        () if has("[Content_Types].xml") || has("content.xml") => SPREADSHEET,
        // An npz file without tensors is an archive without files.
        () if files.is_empty() => return None,
        () => ZIP,
    })
}
