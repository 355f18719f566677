"""Where the native module is missing, or PyTorch, or the tern command, the tests are left out, and say so."""
import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from built import use  # noqa: E402

MISSING = [name for name in ("torch", "numpy") if importlib.util.find_spec(name) is None]
BUILT = use()

TORCH = ["test_from_torch.py", "test_onnx.py", "test_page.py", "test_refused.py", "test_state.py"]
collect_ignore = (TORCH if MISSING or not BUILT else []) + ([] if BUILT else ["package"])


def pytest_report_header():
    if not BUILT:
        return "SKIPPED: there is no native module: cargo build --release --workspace, or pip install ./tools/python"
    if MISSING:
        return f"SKIPPED: nothing of from_torch is tested, this Python has no {' and no '.join(MISSING)}"
    from checks import command

    return None if command() else "SKIPPED: no tern command: cargo build --release, or TERN=path"
