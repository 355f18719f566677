"""The table of errors in docs/."""


def cells(errors):
    return " | ".join(f"{errors[what]:.0e}" for what in ("forward", "gradient", "weights"))


def written(found, bounds, version):
    lines = [
        "# from_torch against PyTorch",
        "",
        "Errors in the emulator, with probabilistic rounding, against PyTorch in double precision: of",
        "the result, the largest as a part of the largest number; of the gradients by each parameter, and",
        "of the weights after ten steps, the Euclidean norm of the error as a part of the tensor's, of the",
        "worst tensor. A tensor whose elements are on average below a hundredth of the largest of all",
        "tensors counts as having such. At f = 16 a rectifier's input may fall on the other side of 0,",
        "which changes single elements of a gradient: networks and learning rates are such that it is rare.",
        "",
        "Written by `UPDATE_EXPECT=1 python3 -m pytest tools/python/tests`, here with PyTorch",
        f"{version}. The test demands at f = 16 at most {bounds[16]['forward']:.0%} of the result and",
        f"{bounds[16]['weights']:.0%} of gradients and weights, at f = 32 2^-26 and {bounds[32]['weights']:.0e}.",
        "",
        "| | result, f = 16 | gradient | weights | result, f = 32 | gradient | weights |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [f"| {name} | {cells(by[16])} | {cells(by[32])} |" for name, by in found.items()]
    return "\n".join(lines) + "\n"
