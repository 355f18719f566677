"""Expressions and statements of the language."""
import re
from dataclasses import dataclass, field

WIDTH = 100          # columns of a line
INLINE = 64          # an expression longer than this gets a line of its own,
DEPTH = 3            # and one of so many calls inside one another

# how tightly an operator binds
SUM, PRODUCT, ATOM = 1, 2, 3

KEYWORDS = frozenset(
    "assert bool break buffer const else false fix fn for from grad if in input int let model num output party public require return "
    "secret shares str test to true unroll use var while".split()
)


@dataclass(frozen=True)
class Size:
    """The size of an axis: `count`, or `count` times the number of samples."""

    count: int
    batch: bool = False

    def __str__(self):
        if not self.batch:
            return str(self.count)
        return "b" if self.count == 1 else f"{self.count} * b"


ONE = Size(1)


@dataclass
class Expr:
    """An expression with the shape of its value. `names` are the variables in it."""

    text: str
    shape: tuple = ()
    binds: int = ATOM
    names: frozenset = frozenset()
    whole: bool = False                       # of whole numbers
    last: tuple = field(default=None)         # of a recurrent layer's final states: one per layer

    def within(self, binds):
        """The text as an operand of an operator."""
        return self.text if self.binds >= binds else f"({self.text})"


def is_long(text):
    """Whether an expression should stand in a line of its own."""
    depth = deepest = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    return len(text) > INLINE or deepest >= DEPTH


def names_of(parts):
    return frozenset().union(*(part.names for part in parts if isinstance(part, Expr)))


def text_of(part):
    """An argument as it is written."""
    if isinstance(part, Expr):
        return part.text
    if isinstance(part, bool):
        return "true" if part else "false"
    if isinstance(part, float):
        return number(part)
    if isinstance(part, (tuple, list)):
        return "[" + ", ".join(text_of(p) for p in part) + "]"
    return str(part)


def number(value):
    """A number as one would write it."""
    value = float(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def call(name, *parts, shape, **options):
    """A call, with its options by name."""
    texts = [text_of(p) for p in parts] + [f"{key}={text_of(value)}" for key, value in options.items()]
    return Expr(f"{name}({', '.join(texts)})", shape, names=names_of([*parts, *options.values()]))


def binary(sign, a, b, shape):
    """An operator between two operands, of which one may be a Python number."""
    binds = PRODUCT if sign in "*/@" else SUM
    left = a.within(binds) if isinstance(a, Expr) else number(a)
    right = b.within(binds + (sign in "-/@*")) if isinstance(b, Expr) else number(b)
    return Expr(f"{left} {sign} {right}", shape, binds, names_of([a, b]))


def identifier(name):
    """A part of a state dictionary's key as a name of the language: `0` is `_0`, `in` is `in_`."""
    name = re.sub(r"\W", "_", name)
    if not name or name[0].isdigit() or name == "_":
        return f"_{name}"
    return f"{name}_" if name in KEYWORDS else name


def camel(name):
    """`basic_block` as `BasicBlock`."""
    parts = [part for part in re.split(r"[\W_]+", name) if part]
    text = "".join(part[0].upper() + part[1:] for part in parts)
    return text if text and not text[0].isdigit() else f"Part{text}"


def snake(name):
    """`BasicBlock` as `basic_block`."""
    return identifier(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower())


def shape_text(shape):
    return ", ".join(str(size) for size in shape)


def wrapped(head, items, tail):
    """A list in one line or in as many as it takes, below one another."""
    line = head + ", ".join(items) + tail
    if len(line) <= WIDTH:
        return line
    lines, current = [], head
    for i, item in enumerate(items):
        piece = item + (", " if i + 1 < len(items) else tail)
        if len(current) + len(piece.rstrip()) > WIDTH and current.strip():
            lines.append(current.rstrip())
            current = " " * len(head)
        current += piece
    return "\n".join([*lines, current])
