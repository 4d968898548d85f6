"""How a setting is declared: once, as a field of a group, with all that is known of it.

    strength: float = setting(1.0, "--strength", "Blend of source (0) and ...", within=(0, 1))

From that follow the command line's option (cli/options.py), its check and its name in messages, the
key in presets and files, the fingerprints of the steps it touches (job/directory/fingerprints.py)
and its row in docs/settings.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_type_hints

from videnhance.errors import UsageError
from videnhance.settings.text import TextForm

T = TypeVar("T")

Step = Literal["detect", "track", "render"]
Command = Literal["enhance", "detect", "preview", "portrait"]


@dataclass(frozen=True)
class Panel:
    """A box of the command line's help, and a table of docs/settings.md."""

    title: str
    in_files: bool = True
    """Whether presets and files (`--config`) may hold its settings: they say how, not what."""
    commands: tuple[Command, ...] = ("enhance", "detect", "preview", "portrait")
    """The commands that take its settings."""


@dataclass(frozen=True)
class Group:
    """What holds for all settings of a group that do not say otherwise."""

    panel: Panel
    remakes: tuple[Step, ...]
    may_remake: tuple[Step, ...]


@dataclass(frozen=True)
class Setting:
    """All that is known of one setting."""

    option: str
    """The option of the command line, such as --detect-every."""
    help: str
    """{choices} stands for its choices, {table} for the words of the table that it chooses from;
    cli/options.py fills them in."""
    within: tuple[float, float] | None = None
    """Least and largest number that it takes."""
    or_else: tuple[float, ...] = ()
    """Numbers that it takes besides."""
    choices: tuple[str, ...] | tuple[int, ...] = ()
    """All that it takes, where these are few and known here."""
    table: Literal["", "codecs", "detectors", "embedders", "restorers"] = ""
    """The table whose names are its choices. It belongs to a room above this one, so the names are
    checked when the job is planned."""
    form: TextForm | None = None
    """How it is written, unless as plain text, a number or a switch."""
    metavar: str | None = None
    """What stands for its value in the help."""
    rule: Callable[[str, Any], None] | None = None
    """Raises UsageError for what else can be wrong, given the option and the value."""
    panel: Panel = Panel("")
    remakes: tuple[Step, ...] = ()
    """Steps whose fingerprints hold its value: their work is made anew where it changes."""
    may_remake: tuple[Step, ...] = ()
    """Steps whose fingerprints do not hold its value but what follows from it: facts of the source,
    the encoding, the networks."""
    name: str = ""
    """Group and field, such as detect.every, as job.json has them."""
    kind: Any = str
    """Its type, as annotated."""
    default: Any = None

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]

    @property
    def field(self) -> str:
        return self.name.partition(".")[2]

    @property
    def parameter(self) -> str:
        """Its name as a parameter of commands, and in presets."""
        return self.option.lstrip("-").replace("-", "_")

    @property
    def written_kind(self) -> Any:
        """The type in which the command line and files give it."""
        if self.form is None:
            return self.kind
        return self.form.kind if self.written(self.default) is not None else self.form.kind | None

    def read(self, written: Any) -> Any:
        """The value of what was given, None meaning nothing; raises UsageError."""
        if written is None:
            return self.default
        return written if self.form is None else self.form.read(self.option, written)

    def written(self, value: Any) -> Any:
        """As `read` takes it."""
        return value if self.form is None else self.form.write(value)

    def check(self, value: Any) -> None:
        """Raises UsageError naming the option and what it takes."""
        if self.choices and value not in self.choices:
            raise UsageError(f"{self.option} {value}: takes {self.listed_choices}")
        if self.within is not None and value is not None:
            low, high = self.within
            for number in value if isinstance(value, tuple) else (value,):
                if not (low <= number <= high or number in self.or_else):
                    raise UsageError(f"{self.option} {number:g}: takes {low:g} to {high:g}")
        if self.rule is not None and value is not None:
            self.rule(self.option, value)

    @property
    def listed_choices(self) -> str:
        """Its choices in words."""
        names = [str(choice) for choice in self.choices]
        if self.choices and isinstance(self.choices[0], int):
            return f"{', '.join(names[:-1])} or {names[-1]}"
        return ", ".join(names)


def setting(
    default: T,
    option: str,
    help: str,
    *,
    within: tuple[float, float] | None = None,
    or_else: tuple[float, ...] = (),
    choices: tuple[str, ...] | tuple[int, ...] = (),
    table: Literal["", "codecs", "detectors", "embedders", "restorers"] = "",
    form: TextForm | None = None,
    metavar: str | None = None,
    rule: Callable[[str, Any], None] | None = None,
    panel: Panel | None = None,
    remakes: tuple[Step, ...] | None = None,
    may_remake: tuple[Step, ...] | None = None,
) -> T:
    """A field of a group, with what Setting says of each of these.

    Without a panel it has that of its group; without `remakes` and `may_remake`, those.
    """
    own: dict[str, Any] = {} if panel is None else {"panel": panel}
    if remakes is not None or may_remake is not None:
        own |= {"remakes": remakes or (), "may_remake": may_remake or ()}
    known = Setting(
        option,
        help,
        within=within,
        or_else=or_else,
        choices=choices,
        table=table,
        form=form,
        metavar=metavar,
        rule=rule,
    )
    return dataclasses.field(default=default, metadata={"setting": known, "own": own})


def group(
    default: T,
    panel: Panel,
    *,
    remakes: tuple[Step, ...] = (),
    may_remake: tuple[Step, ...] = (),
) -> T:
    """A field of the settings that is a group of them."""
    metadata = {"group": Group(panel, remakes, may_remake)}
    return dataclasses.field(default=default, metadata=metadata)


def declared(settings: type) -> dict[str, Setting]:
    """Every setting of the groups of a class, by name, in the order of declaration."""
    return {
        found.name: found
        for part in fields(settings)
        for found in _of_group(part.name, type(part.default), part.metadata["group"])
    }


def _of_group(name: str, kind: type, shared: Group) -> Iterable[Setting]:
    kinds = get_type_hints(kind)
    for own in fields(kind):
        yield replace(
            own.metadata["setting"],
            **{**vars(shared), **own.metadata["own"]},
            name=f"{name}.{own.name}",
            kind=kinds[own.name],
            default=own.default,
        )
