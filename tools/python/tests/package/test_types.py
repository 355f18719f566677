"""Types are declared for whoever checks them: of all that users call, and of the native module as it is."""
import ast
import inspect

import tern
from programs import ROOT
from tern import _tern

PACKAGE = ROOT / "tools" / "python" / "tern"


def parameters(function):
    """Of a declaration, without `self`."""
    return [one.arg for one in function.args.args if one.arg != "self"]


def test_the_native_module_is_as_declared():
    """Each function and method has these parameters in this order, and there is nothing else."""
    declared = ast.parse((PACKAGE / "_tern.pyi").read_text()).body
    functions = {one.name: (one, getattr(_tern, one.name)) for one in declared if isinstance(one, ast.FunctionDef)}
    for kind in (one for one in declared if isinstance(one, ast.ClassDef)):
        functions |= {f"{kind.name}.{one.name}": (one, getattr(getattr(_tern, kind.name), one.name)) for one in kind.body}
    for name, (declaration, function) in functions.items():
        found = [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
        assert found == parameters(declaration), name
    there = {name for name in dir(_tern) if not name.startswith("_")}
    assert there == {name.split(".")[0] for name in functions}
    assert {name for name in dir(_tern.Program) if not name.startswith("_")} == {name.split(".")[1] for name in functions if "." in name}


def test_what_users_call_has_types():
    assert (PACKAGE / "py.typed").exists()
    lazy = {"from_onnx", "from_torch", "key", "onnx_module", "to_state_dict", "Unsupported"}  # PyTorch's, where it is
    for name in set(tern.__all__) - lazy:
        thing = getattr(tern, name)
        public = [value for part, value in vars(thing).items() if not part.startswith("_")] if inspect.isclass(thing) else [thing]
        for function in (getattr(one, "fget", None) or one for one in public if callable(one) or isinstance(one, property)):
            signature = inspect.signature(function)
            untyped = [one.name for one in signature.parameters.values() if one.name != "self" and one.annotation is inspect.Parameter.empty]
            assert not untyped and signature.return_annotation is not inspect.Signature.empty, f"{name}: {function} {untyped}"
