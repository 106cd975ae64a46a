"""Reads the expressions of policies, as Postgres writes them back.

`pg_get_expr` gives text. Two facts about it matter: whether a function runs once per statement or
once per row, and whether the tenant is compared with whatever else the expression says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

_TOKEN = re.compile(
    r"""
    E?'(?:[^']|'')*'          # a text
    | "(?:[^"]|"")*"          # a quoted name
    | [A-Za-z_][\w$]*         # a name or a keyword
    | ::                      # a cast
    | [()]
    | \S                      # operators, numbers, commas: nothing is decided by them
    """,
    re.VERBOSE,
)
_NAME = re.compile(r'["A-Za-z_]')
_SPACE_BEFORE = re.compile(r"\s")

# Built in, but as dear as one of ours: it parses its setting again for every row.
_DEAR_BUILTINS = frozenset({"current_setting", "set_config"})


@dataclass(eq=False)
class Group:
    """What stands between two parentheses, with the name in front of them if it is a call."""

    call: str | None = None
    items: list["Item"] = field(default_factory=list)

    @property
    def is_select(self) -> bool:
        """Whether this is a sub-select."""
        return bool(self.items) and self.items[0] in {"SELECT", "WITH"}

    @property
    def runs_once(self) -> bool:
        """Whether this is `( SELECT … )` without a table: what the planner evaluates once."""
        return self.is_select and "FROM" not in self.items


Item: TypeAlias = str | Group


def parse(expression: str) -> Group:
    """The expression as a tree of parentheses."""
    root = Group()
    stack = [root]
    for match in _TOKEN.finditer(expression):
        token = match.group()
        items = stack[-1].items
        if token == "(":  # noqa: S105  # not that kind of token
            touching = match.start() > 0 and not _SPACE_BEFORE.match(expression, match.start() - 1)
            group = Group(_take_name(items) if touching else None)
            items.append(group)
            stack.append(group)
        elif token == ")" and len(stack) > 1:  # noqa: S105
            stack.pop()
        else:
            items.append(token)
    return root


def _take_name(items: list[Item]) -> str | None:
    """Remove the name that the list ends with, such as `app . current_org_id`; None for a type."""
    length = 0
    for item in reversed(items):
        is_name = length % 2 == 0
        fits = isinstance(item, str) and (_NAME.match(item) if is_name else item == ".")
        if not fits:
            break
        length += 1
    length -= length % 2 == 0 and length > 0
    if not length or (len(items) > length and items[-length - 1] == "::"):
        return None
    name = "".join(str(item) for item in items[-length:])
    del items[-length:]
    return name


def calls_per_row(expression: str, table: str) -> Iterator[str]:
    """The functions of this application that the expression calls for every row.

    Args:
        expression: As `pg_get_expr` writes it with an empty search_path, so that a function of
            ours carries its schema and a built-in one does not.
        table: The table of the policy, without its schema. A sub-select that passes one of its
            columns to a function runs for every row all the same.
    """
    yield from _calls_per_row(parse(expression), table, wrapped=False)


def _calls_per_row(group: Group, table: str, *, wrapped: bool) -> Iterator[str]:
    for item in group.items:
        if isinstance(item, str):
            continue
        name = item.call
        dear = name is not None and ("." in name or name.lower() in _DEAR_BUILTINS)
        if name is not None and dear and (not wrapped or _mentions(item, table)):
            yield name
        inside = item.runs_once if item.is_select else wrapped
        yield from _calls_per_row(item, table, wrapped=inside)


def _mentions(group: Group, table: str) -> bool:
    names = {table, f'"{table}"'}
    for index, item in enumerate(group.items):
        if isinstance(item, Group):
            if _mentions(item, table):
                return True
        elif item in names and group.items[index + 1 : index + 2] == ["."]:
            return True
    return False


def calls(expression: str) -> set[str]:
    """Every function that the expression calls, however deep."""
    return set(_all_calls(parse(expression)))


def _all_calls(group: Group) -> Iterator[str]:
    for item in group.items:
        if isinstance(item, Group):
            if item.call is not None:
                yield item.call
            yield from _all_calls(item)


def requires_equality(expression: str, column: str, function: str) -> bool:
    """Whether no row passes unless `column` equals what `function()` returns.

    True for `column = (select function())`, alone or joined by AND with anything else; an OR beside
    it would let other rows through.
    """
    return any(_is_equality(part, column, function) for part in _conjuncts(parse(expression).items))


def _conjuncts(items: list[Item]) -> Iterator[list[Item]]:
    while len(items) == 1 and isinstance(items[0], Group) and items[0].call is None:
        items = items[0].items
    if "AND" not in items or "OR" in items:
        yield items
        return
    part: list[Item] = []
    for item in [*items, "AND"]:
        if item == "AND":
            yield from _conjuncts(part)
            part = []
        else:
            part.append(item)


def _is_equality(items: list[Item], column: str, function: str) -> bool:
    if len(items) != 3 or items[1] != "=":  # noqa: PLR2004  # left, operator, right
        return False
    left, _, right = items
    return (left == column and _is_call(right, function)) or (
        right == column and _is_call(left, function)
    )


def _is_call(item: Item, function: str) -> bool:
    if isinstance(item, str):
        return False
    if item.call is not None:
        return item.call == function and not item.items
    if item.is_select:
        # ( SELECT function() AS name )
        return len(item.items) in {2, 4} and _is_call(item.items[1], function)
    return len(item.items) == 1 and _is_call(item.items[0], function)
