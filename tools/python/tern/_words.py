"""Messages of the library name things as the command does. Here they become Python's: `--input x=FILE` is `inputs={"x": "FILE"}`."""
import json
import re
from typing import Any, Callable, List, Tuple

#: A line of a program as messages show it, which stays as it is.
SOURCE = re.compile(r"\s*\d+ [│|]")
#: How a shell's text in apostrophes has one.
APOSTROPHE = "'\\''"
#: What may stand behind a value.
END = r"(?=[,;:.)]?(?:\s|$)|\))"


def quoted(text: str) -> str:
    """A text as Python writes it, with double quotation marks."""
    return json.dumps(text, ensure_ascii=False)


def argument(text: str) -> str:
    """The value of a program's argument: a number as it is."""
    return text if re.fullmatch(r"-?[\d.]+|…|[A-Z]+", text) else quoted(text)


def precision(text: str) -> str:
    """One number of bits, or a pair."""
    return f"({text.replace(',', ', ')})" if "," in text else text


#: What the command says, and what Python does. What fits a row is nothing for the rows below.
WORDS: List[Tuple[str, Callable[["re.Match[str]"], str]]] = [
    (r"tern import (\S+)", lambda m: f"tern.from_onnx({quoted(m[1])})"),
    (r"tern send … --as (\S+) --input (\w+)=FILE", lambda m: f"tern.send(…, {{{quoted(m[2])}: …}}, client={quoted(m[1])})"),
    (r"`tern serve`", lambda m: "`tern.serve`"),
    (r"--input '(\w+)=((?:[^']|'\\'')*)'", lambda m: f"inputs={{{quoted(m[1])}: {quoted(m[2].replace(APOSTROPHE, chr(39)))}}}"),
    (rf"--input (\w+)=(\S+?){END}", lambda m: f"inputs={{{quoted(m[1])}: {quoted(m[2])}}}"),
    (rf"--input ([\w.]+){END}", lambda m: f"inputs[{quoted(m[1])}]"),
    (rf"--arg (\w+)=(\S+?){END}", lambda m: f"args={{{quoted(m[1])}: {argument(m[2])}}}"),
    (rf"--fixed (\d+(?:,\d+)?){END}", lambda m: f"fixed={precision(m[1])}"),
    (rf"--ring (\d+){END}", lambda m: f"ring={m[1]}"),
    (r"--(fixed|ring) (\S+)(?=: )", lambda m: f"{m[1]}={quoted(m[2])}"),
    (r"--ring auto", lambda m: 'ring="auto"'),
    (rf"--(protocol|rounding|optimise) (rep3|rep4|dealer|probabilistic|nearest|balanced|rounds){END}", lambda m: f"{m[1]}={quoted(m[2])}"),
    (r"--(out) DIR\b", lambda m: f"{m[1]}=DIRECTORY"),
    (r"--(data|key) ([^:\n]*[/.][^:\n]*|[^:\s]+)(?=: )", lambda m: f"{m[1]}={quoted(m[2])}"),
    (r"--(ranges|resume|replace)\b", lambda m: f"{m[1]}=True"),
    (r"--(input|arg)\b", lambda m: f"{m[1]}s"),
    (r"--(data|fixed|key|optimise|out|protocol|ring|rounding)\b", lambda m: m[1]),
]


def python(text: str) -> str:
    """A message in Python's words."""
    return "\n".join(line if SOURCE.match(line) else said(line) for line in text.split("\n"))


def said(line: str) -> str:
    """One line of it."""
    for pattern, say in WORDS:
        line = re.sub(pattern, say, line)
    return line


def translated(parts: Any) -> Any:
    """The same for all texts of a message's parts, but the names of files."""
    if isinstance(parts, str):
        return python(parts)
    if isinstance(parts, list):
        return [translated(part) for part in parts]
    if isinstance(parts, dict):
        return {name: part if name in ("file", "place", "input", "code") else translated(part) for name, part in parts.items()}
    return parts
