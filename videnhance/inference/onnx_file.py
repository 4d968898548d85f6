"""ONNX files of others: what goes in and comes out, checked before anything is compiled.

Only the description is read, not the weights (a few hundredths of a second for 340 MB), and no
package is needed for it: the package onnx would read and copy all of it. The format is protobuf:
https://protobuf.dev/programming-guides/encoding, with the fields of onnx.proto (onnx/onnx on
GitHub, Apache-2.0).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from videnhance.errors import ModelError, cure_of
from videnhance.inference.contract import ONNX_FILE, Definition, Traits

_CURE = "give the published file"
_OWN = ("", "ai.onnx")
"""Domains of the operators that the standard defines."""
_RANDOM = {"Bernoulli", "Multinomial"} | {
    f"Random{kind}{like}" for kind in ("Normal", "Uniform") for like in ("", "Like")
}
_FLOAT = 1
_TYPES = {2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


@dataclass(frozen=True)
class Value:
    """An input or output of a graph."""

    name: str
    shape: tuple[int, ...] | None
    """-1 where a side may vary; None where nothing is said."""
    kind: int = _FLOAT
    """onnx.TensorProto.DataType."""

    def __str__(self) -> str:
        if self.shape is None:
            return "something"
        sides = " x ".join("?" if n < 0 else str(n) for n in self.shape) or "a number"
        kind = _TYPES.get(self.kind, f"type {self.kind}")
        return sides if self.kind == _FLOAT else f"{sides} ({kind})"

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether it may have this shape, in which -1 is a side that varies."""
        if self.kind != _FLOAT or self.shape is None:
            return self.kind == _FLOAT
        sides = zip(self.shape, shape, strict=False)
        return len(self.shape) == len(shape) and all(a in (-1, b) for a, b in sides)


@dataclass(frozen=True)
class OnnxFile:
    """What an ONNX file says of itself."""

    path: Path
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    foreign: tuple[str, ...]
    """Its operators that the standard does not define, as DOMAIN.NAME, sorted."""
    random: tuple[str, ...]
    """Its operators that draw random numbers, sorted."""
    outside: bool
    """Whether some of its weights are in other files."""


def is_onnx(path: Path) -> bool:
    """Whether a file begins as ONNX files do; judged by the content, not the name. False where it
    cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    # its first field is the version of the format, a small number; then comes another field
    return len(head) > 3 and head[0] == 0x08 and 0 < head[1] < 0x80 and head[2] in _NEXT


_NEXT = {number << 3 | 2 for number in (2, 3, 4, 6, 7, 8, 14)} | {5 << 3}


def definition(
    name: str,
    path: Path,
    inputs: Sequence[Sequence[int]],
    outputs: int = 1,
    *,
    traits: Traits = ONNX_FILE,
    weights: str | None = None,
    shapes: Sequence[Sequence[int]] = (),
    code: tuple[str, ...] = (),
    cure: str = _CURE,
) -> Definition:
    """The definition of the network in an ONNX file that takes `inputs`, as in a Definition, and
    has so many outputs, which are returned in the file's order.

    `shapes`: those of its outputs where they are to be checked, too. `weights`: the file's SHA-256.
    Raises ModelError for a file that is no ONNX file, is cut off, has operators that the standard
    does not define or that draw random numbers, or takes or gives something else; `cure` is said
    then.
    """
    file = examined(path, cure)
    if file.outside:
        raise ModelError(f"{path}: its weights are in other files, which are not read; {cure}")
    if file.foreign:
        raise ModelError(
            f"{path}: has operators that ONNX does not define ({_few(file.foreign)}), and only the "
            f"program that they are for can compute it; {cure}"
        )
    if file.random:
        raise ModelError(
            f"{path}: draws random numbers ({_few(file.random)}), so that no two runs would give "
            f"the same; {cure}"
        )
    _require(file, "takes", file.inputs, inputs, cure)
    if shapes:
        _require(file, "gives", file.outputs[: len(shapes)], shapes, cure)
    if len(file.outputs) < outputs:
        raise ModelError(f"{path}: has {len(file.outputs)} outputs instead of {outputs}; {cure}")
    return Definition(
        name,
        tuple(tuple(shape) for shape in inputs),
        traits,
        onnx=path,
        outputs=tuple(value.name for value in file.outputs[:outputs]),
        weights=weights,
        code=code,
        cure=cure,
    )


def examined(path: Path, cure: str = _CURE) -> OnnxFile:
    """What a file says of itself. Raises ModelError for one that is no ONNX file or is cut off."""
    if path.is_file() and not is_onnx(path):
        raise ModelError(f"{path}: is not an ONNX file; {cure}")
    try:
        with _mapped(path) as data:
            return _described(path, data)
    except OSError as error:
        mend = cure_of(error, "check the name and the folder")
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}); {mend}") from error
    except (ValueError, IndexError) as error:  # also of text that is none
        raise ModelError(
            f"{path}: is probably damaged or cut off; fetch or copy the file again"
        ) from error


def _require(
    file: OnnxFile, does: str, found: Sequence[Value], wanted: Sequence[Sequence[int]], cure: str
) -> None:
    fits = zip(found, wanted, strict=False)
    if len(found) != len(wanted) or not all(value.takes(shape) for value, shape in fits):
        expected = ", ".join(str(Value("", tuple(shape))) for shape in wanted)
        raise ModelError(
            f"{file.path}: {does} {', '.join(map(str, found)) or 'nothing'} instead of "
            f"{expected}; {cure}"
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


class _Field(NamedTuple):
    number: int
    value: int
    """Of a number; of bytes, where they begin."""
    stop: int
    """Where bytes end; -1 for a number."""


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _described(path: Path, data: mmap.mmap) -> OnnxFile:
    """Raises ValueError or IndexError for what is not whole."""
    whole = list(_fields(data, 0, len(data)))
    (graph,) = (f for f in whole if f.number == 7)
    # functions that the file itself defines, of operators of the standard
    own = {_text(data, f, 10) for f in whole if f.number == 25}
    used, stored, outside = set(), set(), False
    inputs: list[Value] = []
    outputs: list[Value] = []
    for part in _fields(data, graph.value, graph.stop):
        if part.number == 1:
            used.add((_text(data, part, 7), _text(data, part, 4)))
        elif part.number == 5:
            stored.add(_text(data, part, 8))
            outside |= any(f.number == 14 and f.value == 1 for f in _inside(data, part))
        elif part.number == 11:
            inputs.append(_value(data, part))
        elif part.number == 12:
            outputs.append(_value(data, part))
    foreign = sorted(f"{d}.{name}" for d, name in used if d not in _OWN and d not in own)
    given = tuple(value for value in inputs if value.name not in stored)
    random = sorted(name for domain, name in used if domain in _OWN and name in _RANDOM)
    return OnnxFile(path, given, tuple(outputs), tuple(foreign), tuple(random), outside)


def _value(data: mmap.mmap, field: _Field) -> Value:
    """Of a ValueInfoProto: name 1, type 2; in it the tensor 1: element type 1, shape 2."""
    kind, sides = _FLOAT, None
    for of_type in _named(data, [field], 2):
        for tensor in _named(data, [of_type], 1):
            for part in _inside(data, tensor):
                if part.number == 1:
                    kind = part.value
                elif part.number == 2:
                    sides = tuple(_side(data, dim) for dim in _named(data, [part], 1))
    return Value(_text(data, field, 1), sides, kind)


def _side(data: mmap.mmap, dim: _Field) -> int:
    return next(
        (f.value for f in _inside(data, dim) if f.number == 1 and 0 < f.value < 1 << 31), -1
    )


def _named(data: mmap.mmap, fields: Sequence[_Field], number: int) -> Iterator[_Field]:
    for field in fields:
        yield from (f for f in _inside(data, field) if f.number == number)


def _inside(data: mmap.mmap, field: _Field) -> Iterator[_Field]:
    return _fields(data, field.value, field.stop)


def _text(data: mmap.mmap, field: _Field, number: int) -> str:
    """The text under that number in a message; empty where there is none."""
    found = next((f for f in _inside(data, field) if f.number == number), None)
    return "" if found is None else data[found.value : found.stop].decode()


def _fields(data: mmap.mmap, start: int, stop: int) -> Iterator[_Field]:
    """The fields of a message. Raises ValueError where one is not whole or is no field."""
    place = start
    while place < stop:
        key, place = _number(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _number(data, place)
            yield _Field(number, value, -1)
            continue
        if wire == 2:
            size, place = _number(data, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or place + size > stop:
            raise ValueError("past the end")
        yield _Field(number, place, place + size)
        place += size


def _number(data: mmap.mmap, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends. Raises IndexError past the end."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
