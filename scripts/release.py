"""Make a release of the template: `make release VERSION=1.2.0`.

What CHANGELOG.md has under Unreleased becomes the section of the version, pyproject.toml gets its
number, and both are committed and tagged. Pushing the tag is left to you; a workflow does the rest.
"""

import argparse
import re
import subprocess
from datetime import UTC, datetime

from worktree import ROOT

CHANGELOG = ROOT / "CHANGELOG.md"
PROJECT = ROOT / "pyproject.toml"

VERSION = re.compile(r"\d+\.\d+\.\d+")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Upgrade notes"}
_SECTION = re.compile(
    r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?\n(?P<body>.*?)(?=^## \[|^\[[^\]]+\]: |\Z)",
    re.MULTILINE | re.DOTALL,
)


class Refusal(SystemExit):
    """Nothing was changed; the message says why."""


def main() -> None:
    """Release a version, or print the notes of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="1.2.0")
    parser.add_argument("--notes", action="store_true", help="print what the changelog says of it")
    options = parser.parse_args()
    version = options.version.removeprefix("v")
    if options.notes:
        print(notes(CHANGELOG.read_text(), version))
        return
    if git("status", "--porcelain"):
        raise Refusal("Commit your work first.")
    if git("tag", "--list", f"v{version}"):
        raise Refusal(f"v{version} is there already.")
    today = datetime.now(UTC).date().isoformat()
    changelog = released(CHANGELOG.read_text(), version, today)
    project = numbered(PROJECT.read_text(), version)
    CHANGELOG.write_text(changelog)
    PROJECT.write_text(project)
    git("commit", "--all", "--message", f"Release {version}")
    git("tag", "--annotate", f"v{version}", "--message", notes(changelog, version))
    print(f"Released here. What makes it public: git push origin HEAD v{version}")


def sections(changelog: str) -> dict[str, str]:
    """Each version's part of a changelog, as it stands there; the first is `Unreleased`."""
    return {found["name"]: found["body"].strip() for found in _SECTION.finditer(changelog)}


def notes(changelog: str, version: str) -> str:
    """What a changelog says of a version.

    Raises:
        Refusal: nothing.
    """
    said = sections(changelog).get(version)
    if not said:
        raise Refusal(f"CHANGELOG.md says nothing of {version}.")
    return said


def released(changelog: str, version: str, date: str) -> str:
    """The changelog with what was not released as the section of a version.

    Raises:
        Refusal: the version is not the next one, or what its users need to know is missing.
    """
    if not VERSION.fullmatch(version):
        raise Refusal(f"{version} is no version: say 1.2.0.")
    found = sections(changelog)
    said = found.get("Unreleased", "")
    if not said:
        raise Refusal("CHANGELOG.md has nothing under Unreleased: there is nothing to release.")
    kinds = set(re.findall(r"^### (.+)$", said, re.MULTILINE))
    if kinds - KINDS:
        raise Refusal(f"{', '.join(kinds - KINDS)}: not what Keep a Changelog knows.")
    last = next((name for name in found if VERSION.fullmatch(name)), None)
    if last is not None:
        if parts(version) <= parts(last):
            raise Refusal(f"{version} does not come after {last}.")
        breaking = parts(version)[0] > parts(last)[0]
        if breaking != ("Upgrade notes" in kinds):
            raise Refusal(
                f"{version} after {last}: a version is a major one if and only if it has\n"
                "`### Upgrade notes`, which say what work by hand an update takes."
            )
    heading = "## [Unreleased]\n"
    return changelog.replace(heading, f"{heading}\n## [{version}] - {date}\n", 1)


def numbered(project: str, version: str) -> str:
    """The text of pyproject.toml with another version of the project."""
    return re.sub(
        r'^version = ".*"$', f'version = "{version}"', project, count=1, flags=re.MULTILINE
    )


def parts(version: str) -> tuple[int, ...]:
    """A version as numbers, which compare."""
    return tuple(map(int, version.split(".")))


def git(*arguments: str) -> str:
    """Run git in the root and return what it printed."""
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
