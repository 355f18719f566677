"""The package as it stands here, with the native module that cargo has built last: a folder of links, so that nothing is built twice."""
import importlib.util
import os
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "tern"
ROOT = PACKAGE.parents[2]


def native():
    """What cargo has built: TERN_MODULE, or the latest; None if there is none."""
    given = os.environ.get("TERN_MODULE")
    suffix = "dylib" if sys.platform == "darwin" else "so"
    places = [ROOT / "target" / kind / part / f"lib_tern.{suffix}" for kind in ("release", "debug") for part in ("", "deps")]
    built = [path for path in places if path.exists()]
    return pathlib.Path(given) if given else max(built, key=lambda path: path.stat().st_mtime, default=None)


def use():
    """Makes `import tern` find it, here and in processes that are started from here; whether there is a package at all."""
    module = native()
    if module:
        folder = ROOT / "target" / "python"
        package = folder / "tern"
        package.mkdir(parents=True, exist_ok=True)
        for old in package.iterdir():
            if old.is_symlink() and not (PACKAGE / old.name).exists():
                old.unlink()
        files = [path for path in PACKAGE.iterdir() if not path.name.startswith(("_tern.abi3", "__pycache__"))]
        for name, target in [*((path.name, path) for path in files), ("_tern.abi3.so", module.resolve())]:
            link(package / name, target)
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return importlib.util.find_spec("tern") is not None


def link(name, target):
    """A link in place of whatever was there; another process may do the same meanwhile."""
    if name.is_symlink() and os.readlink(name) == str(target):
        return
    fresh = name.with_name(f".{name.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(name)
