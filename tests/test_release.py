"""What a release does to the changelog, and what it refuses."""

import re
import tomllib

import pytest

from release import KINDS, Refusal, notes, numbered, parts, released, sections
from worktree import ROOT

BEFORE = """\
# Changelog

Words.

## [Unreleased]

### Added

- A queue.

## [1.1.0] - 2027-01-02

### Fixed

- A bug.

## [1.0.0] - 2026-12-01

First.
"""


def test_what_was_not_released_becomes_the_section_of_the_version() -> None:
    after = released(BEFORE, "1.2.0", "2027-02-03")
    assert list(sections(after)) == ["Unreleased", "1.2.0", "1.1.0", "1.0.0"]
    assert sections(after)["Unreleased"] == ""
    assert notes(after, "1.2.0") == "### Added\n\n- A queue."
    assert "## [Unreleased]\n\n## [1.2.0] - 2027-02-03\n\n### Added\n" in after
    assert notes(after, "1.0.0") == "First."


@pytest.mark.parametrize(
    ("version", "changelog", "reason"),
    [
        ("1.2", BEFORE, "is no version"),
        ("1.1.0", BEFORE, "does not come after 1.1.0"),
        ("1.0.9", BEFORE, "does not come after 1.1.0"),
        ("2.0.0", BEFORE, "Upgrade"),
        ("1.2.0", BEFORE.replace("### Added", "### Upgrade notes"), "major"),
        ("1.2.0", BEFORE.replace("### Added", "### News"), "News"),
        ("1.2.0", BEFORE.replace("### Added\n\n- A queue.\n", ""), "nothing to release"),
    ],
)
def test_a_release_is_refused(version: str, changelog: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        released(changelog, version, "2027-02-03")


def test_a_major_version_says_what_is_to_be_done_by_hand() -> None:
    breaking = BEFORE.replace("### Added", "### Upgrade notes\n\n- Do this.\n\n### Added")
    assert notes(released(breaking, "2.0.0", "2027-02-03"), "2.0.0").startswith("### Upgrade notes")


def test_nothing_is_said_of_a_version_that_is_not_there() -> None:
    with pytest.raises(Refusal, match=r"nothing of 9\.0\.0"):
        notes(BEFORE, "9.0.0")


def test_the_changelog_of_this_repository_can_be_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    found = sections(changelog)
    assert next(iter(found)) == "Unreleased"
    for said in found.values():
        assert set(re.findall(r"^### (.+)$", said, re.MULTILINE)) <= KINDS
    versions = [parts(name) for name in found if name != "Unreleased"]
    assert versions == sorted(versions, reverse=True)


def test_the_projects_version_is_replaced_and_no_other() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    before, after = tomllib.loads(project), tomllib.loads(numbered(project, "7.8.9"))
    assert after["project"].pop("version") == "7.8.9"
    del before["project"]["version"]
    assert after == before
