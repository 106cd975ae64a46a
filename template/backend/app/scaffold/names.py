"""What a table, a field and one of the rows may be called."""

import builtins
import keyword
import re
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

LONGEST = 40
"""Characters of a name: with what is put before and behind it, lines stay within their length."""

RESERVED = frozenset(RESERVED_WORDS) | {
    "collation",
    "concurrently",
    "lateral",
    "system_user",
    "tablesample",
}
"""What Postgres reads as part of the language: SQLAlchemy's list, and what is missing there."""

_WORD = re.compile(r"[a-z](_?[a-z0-9])*")

_IRREGULAR = {
    "aliases": "alias",
    "analyses": "analysis",
    "biases": "bias",
    "caches": "cache",
    "children": "child",
    "cookies": "cookie",
    "criteria": "criterion",
    "indices": "index",
    "lenses": "lens",
    "men": "man",
    "movies": "movie",
    "news": "news",
    "people": "person",
    "quizzes": "quiz",
    "series": "series",
    "species": "species",
    "women": "woman",
}
_ENDINGS = (
    ("ies", "y"),
    ("sses", "ss"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("xes", "x"),
    ("ouses", "ouse"),
    ("auses", "ause"),
    ("uses", "us"),
    ("ss", None),
    ("us", None),
    ("is", None),
    ("s", ""),
)


class Refusal(Exception):  # noqa: N818  # no error of the program's
    """The command does nothing; the text says why, and what to do."""


@dataclass(frozen=True)
class Names:
    """What the rows are called, in each place.

    Args:
        table: The table, the feature's folder and the permissions.
        one: One of the rows, as part of functions and of the path's parameter.
    """

    table: str
    one: str

    @property
    def model(self) -> str:
        """The class of a row."""
        return "".join(word.capitalize() for word in self.one.split("_"))

    @property
    def route(self) -> str:
        """The part of the address."""
        return self.table.replace("_", "-")

    @property
    def words(self) -> str:
        """The rows, for people."""
        return self.table.replace("_", " ")

    @property
    def word(self) -> str:
        """A row, for people."""
        return self.one.replace("_", " ")


def named(table: str, one: str | None) -> Names:
    """The names that follow from the table's.

    Raises:
        Refusal: a name that cannot be.
    """
    check_name("table", table)
    if hasattr(builtins, table):
        raise Refusal(f'"{table}" is a word of Python: choose another, such as my_{table}.')
    if one is None:
        one = singular_of(table)
    else:
        check_word("--singular", one)
    names = Names(table, one)
    if hasattr(builtins, names.model):
        raise Refusal(
            f"{names.model} is a class of Python, so no model can have the name. "
            f"Say what one of the {names.words} is called: --singular …"
        )
    return names


def check_name(what: str, name: str) -> None:
    """See that a name can be one of a table or a column, and of a variable.

    Raises:
        Refusal: it cannot.
    """
    check_word(what, name)
    if keyword.iskeyword(name):
        raise Refusal(f'"{name}" is a keyword of Python: choose another name for the {what}.')
    if name in RESERVED:
        raise Refusal(
            f'"{name}" is a reserved word of SQL, which every statement would have to quote: '
            f"choose another name for the {what}."
        )


def check_word(what: str, name: str) -> None:
    """See that it is a name at all.

    Raises:
        Refusal: it is none.
    """
    if not _WORD.fullmatch(name):
        raise Refusal(
            f'"{name}" cannot be the name of a {what}: use lower-case letters from a to z, digits '
            "and single underscores, and begin with a letter, as in sales_orders."
        )
    if len(name) > LONGEST:
        raise Refusal(
            f'"{name}" has {len(name)} characters: the name of a {what} has at most {LONGEST}.'
        )


def singular_of(plural: str) -> str:
    """What one of them is called, as far as a rule can tell.

    Raises:
        Refusal: no rule can.
    """
    *before, last = plural.split("_")
    one = _IRREGULAR.get(last)
    if one is None:
        for ending, instead in _ENDINGS:
            if last.endswith(ending) and len(last) > len(ending):
                one = None if instead is None else last.removesuffix(ending) + instead
                break
    if one is None:
        raise Refusal(
            f'"{plural}" is not seen to be a plural. If it is what the table is to be called, say '
            "what one of its rows is called: --singular …"
        )
    return "_".join([*before, one])
