"""`copier update`, from the last release to the working tree and on to a next release.

A file that nobody edited is afterwards what a fresh copy has, byte for byte; an edit is kept; a
conflict is where two changed the same lines, and nowhere else.
"""

import difflib
from pathlib import Path

import pytest

from releasing import (
    BEFORE,
    LEFT_BEHIND,
    NEW_REVISION,
    NEXT,
    NOW,
    Copy,
    Template,
    contents,
    head,
    heads,
    insert,
    releases,
    render,
    revision,
)
from rendering import Answers, combinations, name_of, pairs, pairwise

MINE = "# Mine, not the template's.\n"
SMALL = {"frontend": "none"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return releases(tmp_path_factory.mktemp("releases") / "template")


def edit_far_from_changes(mine: Path, theirs: Path) -> None:
    """Add a line where the lines around it are the same in both files."""
    lines = mine.read_text().splitlines(keepends=True)
    others = theirs.read_text().splitlines(keepends=True)
    blocks = difflib.SequenceMatcher(a=lines, b=others, autojunk=False).get_matching_blocks()
    longest = max(blocks, key=lambda block: block.size)
    assert longest.size > 10, f"{mine} and {theirs} have too little in common"
    middle = longest.a + longest.size // 2
    mine.write_text("".join([*lines[:middle], MINE, *lines[middle:]]))


def without_mine(held: dict[str, tuple[bytes, bool]]) -> dict[str, tuple[bytes, bool]]:
    return {name: (text.replace(MINE.encode(), b""), mode) for name, (text, mode) in held.items()}


# --- Every pair of answers ---


def test_every_pair_of_answers_is_updated() -> None:
    assert set().union(*map(pairs, pairwise())) == set().union(*map(pairs, combinations()))


@pytest.mark.parametrize("combination", pairwise(), ids=name_of)
def test_an_edited_copy_of_the_last_release_becomes_this_one(
    template: Template, combination: Answers, tmp_path: Path
) -> None:
    copy = Copy.of(template, tmp_path / "acme", combination, BEFORE)
    fresh = render(template, tmp_path / "fresh", combination, NOW)
    old, new = copy.contents(), contents(fresh)
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}

    # Edits in files that the template changed and in one that it left alone; unwanted files of each
    # kind; a file and a migration of the owner's; settings that git ignores.
    touched = sorted(name for name in changed if name.startswith("backend/app/"))
    unwanted = {touched.pop() if len(touched) > 1 else "docs/soc2.md", "docs/threat-model.md"}
    edited = [*touched, "backend/app/pages.py"]
    for name in edited:
        edit_far_from_changes(copy.path / name, fresh / name)
    for name in unwanted:
        (copy.path / name).unlink()
    copy.write("backend/app/features/mine.py", MINE)
    migration = revision("t0003", head(copy.path), "select 1")
    copy.write("backend/migrations/tenant/t0003_mine.py", migration)
    copy.write(".env", "APP_API_PASSWORD=secret\n")
    copy.commit()

    copy.update(NOW)
    assert not copy.unmerged
    found = copy.contents()
    assert all(MINE.encode() in found[name][0] for name in edited)
    own = {"backend/app/features/mine.py", "backend/migrations/tenant/t0003_mine.py"}
    assert {name: found.pop(name) for name in own}.keys() == own
    assert without_mine(found) == {name: held for name, held in new.items() if name not in unwanted}
    assert copy.text(".env") == "APP_API_PASSWORD=secret\n"
    assert len(heads(copy.path)) == len(heads(copy.path, "control")) == 1
    assert copy.answers["_commit"] == NOW


# --- Conflicts ---


def test_the_same_lines_are_an_ordinary_conflict_and_nothing_else(
    template: Template, copy: Copy, tmp_path: Path
) -> None:
    name = "backend/app/main.py"
    insert(copy.path / name, MINE)
    copy.write("docs/soc2.md", copy.text("docs/soc2.md") + MINE)
    copy.commit()

    copy.update(NEXT)
    assert copy.unmerged == {name}
    assert f"UU {name}" in copy.status.splitlines()
    ours, theirs = copy.text(name).split("<<<<<<< before updating\n")[1].split("=======\n")
    assert MINE in ours
    assert MINE not in theirs
    answers = {name: value for name, value in copy.answers.items() if name[0] != "_"}
    found, fresh = copy.contents(), contents(render(template, tmp_path / "fresh", answers, NEXT))
    del found[name], fresh[name]
    assert without_mine(found) == fresh


# --- What a release may bring ---


@pytest.fixture
def copy(template: Template, tmp_path: Path) -> Copy:
    """Generated from the working tree, to be updated to what comes next."""
    return Copy.of(
        template, tmp_path / "acme", SMALL | {"description": "It sells: tea & coffee."}, NOW
    )


def test_an_unedited_copy_equals_a_fresh_one(
    template: Template, copy: Copy, tmp_path: Path
) -> None:
    copy.update(NEXT)
    assert not copy.unmerged
    answers = {name: value for name, value in copy.answers.items() if name[0] != "_"}
    assert copy.contents() == contents(render(template, tmp_path / "fresh", answers, NEXT))


def test_an_answer_follows_its_question_to_another_name(copy: Copy) -> None:
    copy.update(NEXT)
    assert "description" not in copy.answers
    assert copy.answers["summary"] == "It sells: tea & coffee."
    assert "It sells: tea & coffee." in copy.text("README.md")


def test_a_new_question_is_answered_with_its_default_or_on_the_command_line(copy: Copy) -> None:
    copy.update(NEXT)
    assert copy.answers["support_address"] == "help@example.com"
    copy.git("reset", "--quiet", "--hard")
    copy.git("clean", "--quiet", "--force", "-d")
    copy.update(NEXT, support_address="tea@example.com")
    assert "Help: tea@example.com" in copy.text("README.md")


@pytest.mark.parametrize("model", ["rows", "users"])
def test_what_an_answer_no_longer_brings_is_taken_away(
    template: Template, tmp_path: Path, model: str
) -> None:
    copy = Copy.of(template, tmp_path / "acme", SMALL | {"tenancy_model": model}, NOW)
    assert (copy.path / LEFT_BEHIND).exists()
    copy.update(NEXT)
    assert (copy.path / LEFT_BEHIND).exists() == (model != "rows")
    assert not (copy.path / "docs/api-keys.md").exists()


def test_a_copy_skips_a_release(template: Template, tmp_path: Path) -> None:
    copy = Copy.of(template, tmp_path / "acme", SMALL, BEFORE)
    copy.update(NEXT)
    assert not copy.unmerged
    answers = {name: value for name, value in copy.answers.items() if name[0] != "_"}
    assert copy.contents() == contents(render(template, tmp_path / "fresh", answers, NEXT))


# --- Migrations ---


def test_a_new_migration_follows_the_owners_own(copy: Copy) -> None:
    folder, last = "backend/migrations/tenant", head(copy.path)
    copy.write(f"{folder}/t0003_mine.py", revision("t0003", last, "select 1"))
    copy.write(f"{folder}/t0004_more.py", revision("t0004", "t0003", "select 1"))
    copy.commit()
    copy.update(NEXT)
    assert heads(copy.path) == {NEW_REVISION}
    assert 'down_revision = "t0004"' in copy.text(f"{folder}/{NEW_REVISION}_phones.py")
    assert f'down_revision = "{last}"' in copy.text(f"{folder}/t0003_mine.py")

    # And stays there, whatever comes later.
    copy.commit()
    copy.template.git("checkout", "--quiet", "--detach", NEXT)
    later = "v1000.3.0"
    name = f"template/{folder}/saas_9001_notes.py"
    Path(copy.template.path, name).write_text(revision("saas_9001", NEW_REVISION, "select 1"))
    copy.template.git("add", "--all")
    copy.template.git("commit", "--quiet", "--message", later)
    copy.template.git("tag", later)
    try:
        copy.update(later)
    finally:
        copy.template.git("tag", "--delete", later)
    assert not copy.unmerged
    assert heads(copy.path) == {"saas_9001"}
    assert 'down_revision = "t0004"' in copy.text(f"{folder}/{NEW_REVISION}_phones.py")


def test_two_ends_of_the_owners_own_are_named(copy: Copy) -> None:
    folder, last = "backend/migrations/tenant", head(copy.path)
    copy.write(f"{folder}/t0003_mine.py", revision("t0003", last, "select 1"))
    copy.write(f"{folder}/t0004_more.py", revision("t0004", last, "select 1"))
    copy.commit()
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert "t0003, t0004" in done.stderr
    assert not copy.status


def test_an_id_that_both_use_is_named(copy: Copy) -> None:
    mine = "backend/migrations/tenant/t0003_mine.py"
    copy.write(mine, revision(NEW_REVISION, head(copy.path), "select 1"))
    copy.commit()
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert f"{NEW_REVISION} is the id of t0003_mine.py" in done.stderr
    assert not copy.status


def test_ids_of_the_templates_later_migrations_are_nobody_elses(source: Path) -> None:
    """The scaffold of a repository counts t0003, t0004, …: a release must not."""
    first = {"c0001", "t0001", "t0002"}
    for folder in ("control", "tenant"):
        for file in (source / "template/backend/migrations" / folder).glob("*.py"):
            assert file.name.partition("_")[0] in first or file.name.startswith("saas_"), file
