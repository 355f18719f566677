"""What `tern import` calls: a program and its weights from an ONNX file. The answer is a line of JSON on standard output."""
import ast
import json
import sys

from .errors import DataError, Error

NEEDED = ("onnx", "torch")
LOSSES = {"cross-entropy": "CrossEntropyLoss", "mse": "MSELoss", "bce": "BCEWithLogitsLoss"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}


def main():
    """Reads what is asked for from the arguments."""
    asked = json.loads(sys.argv[1])
    try:
        answer = imported(**asked)
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        answer = {"error": f"ONNX is read with the packages onnx and torch, and {sys.executable} has no {error.name}\n"
                           f"   = help: {sys.executable} -m pip install {' '.join(NEEDED)}; or --python PYTHON"}
    except (Error, ValueError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))


def imported(model, weights, rows, scale, loss, optimizer, batch, epochs, test_rows):
    """The program of a model; its tensors are written to the file `weights`."""
    import numpy
    import torch

    from . import compile, from_onnx

    options = {"rows": rows, "scale": scale, "epochs": epochs, "test_rows": test_rows}
    options = {name: value for name, value in options.items() if value is not None}
    if loss is not None:
        options["loss"] = getattr(torch.nn, LOSSES[loss])()
        options["optimizer"] = lambda parameters: made(optimizer, parameters)
    source, tensors = from_onnx(model, batch=batch, **options)
    if tensors:
        numpy.savez(weights, **tensors)
    program = compile(source)
    inputs = dict.fromkeys(given["name"] for given in program.inputs if given["name"] not in ("initial", "weights"))
    return {"source": source, "inputs": list(inputs), "weights": len(tensors)}


def made(text, parameters):
    """An optimizer from `sgd,lr=0.1,momentum=0.9`."""
    import torch

    name, *options = text.split(",")
    if name not in OPTIMIZERS:
        raise DataError(f"--optimizer {text}: there are {', '.join(OPTIMIZERS)}")
    pairs = [option.partition("=") for option in options]
    try:
        given = {option: ast.literal_eval({"true": "True", "false": "False"}.get(value, value)) for option, _, value in pairs}
        return getattr(torch.optim, OPTIMIZERS[name])(parameters, **({"lr": 0.01, **given} if name == "sgd" else given))
    except (SyntaxError, TypeError, ValueError) as error:
        raise DataError(f"--optimizer {text}: {error}") from None
