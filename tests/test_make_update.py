"""`make update` in a generated repository: what it says beforehand, refuses, keeps and undoes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from releasing import (
    LEFT_BEHIND,
    NEXT,
    NOW,
    Copy,
    Template,
    insert,
    releases,
)
from rendering import clean_environment

MINE = "# Mine, not the template's.\n"
PLANNED = "refs/template-update/planned"
ANSWERS = {"frontend": "none"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return releases(tmp_path_factory.mktemp("releases") / "template")


@pytest.fixture(scope="module")
def generated(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Generated from the working tree; read only."""
    return Copy.of(template, tmp_path_factory.mktemp("generated") / "acme", ANSWERS, NOW)


@pytest.fixture
def copy(generated: Copy, tmp_path: Path) -> Copy:
    """One's own clone of it, with settings that git ignores."""
    generated.git("clone", "--quiet", str(generated.path), str(tmp_path / "acme"))
    cloned = Copy(generated.template, tmp_path / "acme")
    cloned.write(".env", "APP_API_PASSWORD=secret\n")
    return cloned


def appended(copy: Copy, name: str) -> str:
    """Edit a file and commit it."""
    copy.write(name, copy.text(name) + MINE)
    copy.commit()
    return name


def test_a_plan_says_everything_and_changes_nothing(copy: Copy) -> None:
    before = copy.contents()
    done = copy.make("update", f"VERSION={NEXT}", "PLAN=1")
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert f"{copy.template.path}: from {NOW} to {NEXT}" in lines
    assert any(line.startswith("New question support_address: help@example.com") for line in lines)
    assert "added    backend/migrations/tenant/saas_9000_phones.py" in lines
    assert "changed  README.md" in lines
    assert "removed  docs/api-keys.md" in lines
    assert "New settings, explained in .env.example: SUPPORT_ADDRESS" in lines
    assert copy.contents() == before
    assert not copy.status
    assert "Help: help@example.com" in copy.git("diff", "HEAD", PLANNED)
    assert copy.git("worktree", "list").count("\n") == 1


def test_an_update_is_made_as_it_was_shown_and_taken_back_with_one_command(copy: Copy) -> None:
    appended(copy, "docs/soc2.md")
    before = copy.contents()
    # How people like to see differences is no reason not to find them.
    copy.git("config", "diff.noprefix", "true")
    copy.git("config", "color.ui", "always")
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode == 0, done.stderr
    assert "Next: make setup check test" in done.stdout
    assert copy.answers["_commit"] == NEXT
    assert MINE in copy.text("docs/soc2.md")
    assert not copy.git("diff", "--cached", "--name-only"), "what is new is left for git add"
    copy.git("add", "--all")
    assert not copy.git("diff", "--cached", "--name-only", PLANNED)
    # The secret is kept, and the setting that is new is there.
    assert copy.text(".env").startswith("APP_API_PASSWORD=secret\n")
    assert "SUPPORT_ADDRESS=help@example.com\n" in copy.text(".env")

    copy.write("docs/later.md", MINE)
    copy.write("README.md", "Resolved by hand.\n")
    undone = copy.make("update", "UNDO=1")
    assert undone.returncode == 0, undone.stderr
    assert copy.status == "?? docs/later.md\n"
    assert copy.contents() == before | {"docs/later.md": (MINE.encode(), False)}
    assert copy.text(".env").startswith("APP_API_PASSWORD=secret\n")
    # What was done by hand in between is not lost either.
    assert copy.git("show", "refs/template-update/undone:README.md") == "Resolved by hand.\n"

    again = copy.make("update", "UNDO=1")
    assert again.returncode
    assert "no update to take back" in again.stderr


def test_after_a_commit_an_undo_says_what_to_do(copy: Copy) -> None:
    assert copy.make("update", f"VERSION={NEXT}").returncode == 0
    copy.commit("Update")
    before = copy.contents()
    done = copy.make("update", "UNDO=1")
    assert done.returncode
    assert "git revert" in done.stderr
    assert copy.contents() == before


@pytest.mark.parametrize("change", ["edited", "staged", "untracked"])
def test_what_is_not_committed_is_in_the_way(copy: Copy, change: str) -> None:
    name = "mine.md" if change == "untracked" else "docs/soc2.md"
    copy.write(name, MINE)
    copy.git("config", "status.showUntrackedFiles", "no")
    if change == "staged":
        copy.git("add", name)
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert "not committed" in done.stderr
    assert name in done.stderr
    assert copy.text(name) == MINE
    assert copy.answers["_commit"] == NOW


# --- Edits of files that go ---


def test_edits_of_a_dropped_answer_stop_the_update(copy: Copy) -> None:
    edited = appended(copy, "backend/app/jobs/bullmq.py")
    before = copy.contents()
    words = ("update", "VERSION=current", "ARGS=-d queue_backend=procrastinate")
    done = copy.make(*words)
    assert done.returncode
    assert "Answer queue_backend: bullmq becomes procrastinate" in done.stdout
    listed = done.stdout.split("edited by you:\n")[1].split()
    assert listed == [edited], "and no other file that goes"
    assert f"git show HEAD:{edited}" in done.stderr
    assert copy.contents() == before
    assert not copy.status

    done = copy.make(*words, "DROP=1")
    assert done.returncode == 0, done.stderr
    assert not (copy.path / edited).exists()
    assert (copy.path / "backend/app/jobs/procrastinate.py").exists()
    assert MINE in copy.git("show", f"HEAD:{edited}")
    assert copy.answers["queue_backend"] == "procrastinate"

    assert copy.make("update", "UNDO=1").returncode == 0
    assert copy.contents() == before


def test_edits_of_a_file_that_a_release_has_no_more_stop_it_too(copy: Copy) -> None:
    edited = appended(copy, "docs/api-keys.md")
    left_behind = appended(copy, LEFT_BEHIND)
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert set(done.stdout.split("edited by you:\n")[1].split()) == {edited, left_behind}
    assert not copy.status


# --- Conflicts ---


@pytest.mark.parametrize("name", ["backend/app/main.py", "Makefile"])
def test_a_conflict_is_named_and_can_be_taken_back(copy: Copy, name: str) -> None:
    insert(copy.path / name, MINE)
    copy.commit()
    before = copy.contents()
    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert f"the same lines of:\n  {name}\n" in done.stdout
    assert (
        f"Resolve these, as after a merge; each has the marks <<<<<<< and >>>>>>>:\n  {name}\n"
        in (done.stderr)
    )
    assert copy.unmerged == {name}
    stages = copy.git("ls-files", "--unmerged").splitlines()
    assert {line.split()[2] for line in stages} == {"1", "2", "3"}
    assert {line.partition("\t")[2] for line in stages} == {name}

    if name != "Makefile":
        again = copy.make("update", f"VERSION={NEXT}")
        assert again.returncode
        assert "earlier conflict is not resolved" in again.stderr
        assert name in again.stderr

    # Where the conflict is in the Makefile, make itself is no way back.
    way = done.stderr.split("To go back: ")[1].splitlines()[0]
    assert ("git show" in way) == (name == "Makefile")
    subprocess.run(way, shell=True, cwd=copy.path, env=clean_environment(), check=True)  # noqa: S602
    assert copy.contents() == before
    assert not copy.status


# --- Answers and versions that are refused ---


def test_a_template_that_is_named_as_seen_from_elsewhere_is_asked_for(copy: Copy) -> None:
    answers = copy.text(".copier-answers.yml")
    source = re.search(r"^_src_path: .*$", answers, re.MULTILINE)
    assert source
    copy.write(".copier-answers.yml", answers.replace(source[0], "_src_path: ../template"))
    copy.commit()
    done = copy.make("update", "PLAN=1")
    assert done.returncode
    assert "_src_path: ../template" in done.stderr
    assert "whole path" in done.stderr
    assert not copy.status


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["VERSION=v9999.0.0"], "v9999.0.0"),
        (["VERSION=current", "ARGS=-d queue_backend=nonesuch"], "'nonesuch' is not in"),
        (["VERSION=current", "ARGS=-d tenancy_model=users"], "docs/updating.md"),
        (
            [
                "VERSION=current",
                "ARGS=-d tenancy_model=databases -d queue_backend=celery -d data_moved=true",
            ],
            "choose bullmq",
        ),
    ],
)
def test_what_copier_refuses_changes_nothing(copy: Copy, words: list[str], reason: str) -> None:
    done = copy.make("update", *words)
    assert done.returncode
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert "Nothing was changed" in done.stderr
    assert not copy.status
    assert copy.git("worktree", "list").count("\n") == 1


def test_another_tenancy_is_taken_by_who_says_that_the_data_are_moved(copy: Copy) -> None:
    words = "ARGS=-d tenancy_model=users -d data_moved=true"
    done = copy.make("update", "VERSION=current", words)
    assert done.returncode == 0, done.stderr
    assert copy.answers["tenancy_model"] == "users"
    assert "data_moved" not in copy.answers


def test_nothing_to_do_is_said(copy: Copy) -> None:
    done = copy.make("update", f"VERSION={NOW}")
    assert done.returncode == 0, done.stderr
    assert "Nothing changes" in done.stdout
    assert not copy.status


# --- Places ---


def test_inside_a_larger_repository_nothing_else_is_touched(
    generated: Copy, tmp_path: Path
) -> None:
    around = Copy(generated.template, tmp_path / "around")
    product = around.path / "products/acme"
    shutil.copytree(generated.path, product, ignore=shutil.ignore_patterns(".git"))
    around.git("init", "--quiet")
    insert(product / "backend/app/main.py", MINE)
    around.write("README.md", "Everybody's.\n")
    around.commit()
    around.write("README.md", "In the making.\n")
    copy = Copy(generated.template, product)

    done = copy.make("update", f"VERSION={NEXT}")
    assert done.returncode
    assert copy.answers["_commit"] == NEXT
    conflict = "products/acme/backend/app/main.py"
    assert f"marks <<<<<<< and >>>>>>>:\n  {conflict}\n" in done.stderr
    assert around.git("diff", "--name-only", "--diff-filter=U").split() == [conflict]
    assert around.text("README.md") == "In the making.\n"
    assert copy.make("update", "UNDO=1").returncode == 0
    assert around.status == " M README.md\n"


def test_without_git_or_copier_it_says_what_to_do(copy: Copy, tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "update"],
        cwd=copy.path,
        env=clean_environment(COPIER=str(tmp_path / "nonesuch"), PYTHON=sys.executable),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "Copier cannot be run" in done.stderr

    (copy.path / ".git").rename(tmp_path / "git")
    assert "git init" in copy.make("update").stderr
    assert not os.path.lexists(copy.path / ".git")
