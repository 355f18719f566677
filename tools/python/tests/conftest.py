"""Where PyTorch is missing, or the tern command, the tests are left out, and say so."""
import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

MISSING = [name for name in ("torch", "numpy") if importlib.util.find_spec(name) is None]

collect_ignore = ["test_from_torch.py", "test_page.py", "test_refused.py"] if MISSING else []


def pytest_report_header():
    if MISSING:
        return f"SKIPPED: nothing of from_torch is tested, this Python has no {' and no '.join(MISSING)}"
    from checks import command

    return None if command() else "SKIPPED: no tern command: cargo build --release, or TERN=path"
