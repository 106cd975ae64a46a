"""The questions: their helps, their defaults, and which answers they refuse."""

from pathlib import Path

import pytest
import yaml

from rendering import (
    choices,
    combinations,
    covering,
    in_browsers,
    name_of,
    pairs,
    pairwise,
    questions,
    render,
)

ORDER = [
    "project_name",
    "project_slug",
    "description",
    "tenancy_model",
    "queue_backend",
    "auth_provider",
    "database_host",
    "frontend",
]

GOOD_NAMES = [
    "Acme Cloud",
    "X",
    'Bob\'s "Best" Café & Co',
    'The "Best"',
    "株式会社アクメ",
    "Launch 🚀 Pad",
    "37 things: a #1 list!",
    "x" * 60,
]
BAD_LINES = {
    "empty": "",
    "blank": "   ",
    "begins with a space": " Acme",
    "ends with a space": "Acme ",
    "two lines": "Acme\nCloud",
    "tab": "Acme\tCloud",
    "NUL": "Acme\0",
    "delete": "Acme\x7f",
    "line separator": "Acme\u2028Cloud",
    "text direction": "Acme\u202eCloud",
    "zero width space": "Acme\u200bCloud",
    "markup": "Acme <script>",
    "Jinja": "Acme {{ 7 * 7 }}",
    "backslash": "Acme \\ Cloud",
    "backtick": "Acme `id`",
    "dollar": "Acme $HOME",
}
GOOD_SLUGS = ["abc", "acme-cloud", "a1b", "a-1-b", "x" * 40]
BAD_SLUGS = {
    "empty": "",
    "two characters": "ab",
    "41 characters": "x" * 41,
    "capitals": "Acme",
    "begins with a digit": "3com",
    "begins with a hyphen": "-acme",
    "ends with a hyphen": "acme-",
    "two hyphens": "acme--cloud",
    "underscore": "acme_cloud",
    "dot": "acme.cloud",
    "space": "acme cloud",
    "path": "../acme",
    "accent": "café",
    "newline at its end": "acme\n",
    "Postgres' own": "postgres",
}
SLUGS_OF_NAMES = {
    "Acme Cloud": "acme-cloud",
    'Bob\'s "Best" Café & Co': "bobs-best-cafe-co",
    "Straße & Größe": "strasse-groesse",
    "  many   spaces".strip(): "many-spaces",
    "37 Things": "app-37-things",
    "X": "app-x",
    "株式会社アクメ": "app",
    "x" * 39 + " y": "x" * 39,
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template that asks our questions and writes down nothing but the answers."""
    from worktree import ROOT  # noqa: PLC0415

    source = tmp_path_factory.mktemp("asked")
    (source / "template").mkdir()
    (source / "copier.yml").write_bytes((ROOT / "copier.yml").read_bytes())
    answers_file = "template/.copier-answers.yml.jinja"
    (source / answers_file).write_bytes((ROOT / answers_file).read_bytes())
    return source


def answer(source: Path, destination: Path, **answers: object) -> dict[str, object]:
    render(source, destination, answers)
    recorded: dict[str, object] = yaml.safe_load(
        (destination / ".copier-answers.yml").read_text(encoding="utf-8")
    )
    return recorded


def test_questions_come_in_the_order_a_person_thinks() -> None:
    assert list(questions()) == ORDER


@pytest.mark.parametrize("name", questions())
def test_every_question_explains_itself(name: str) -> None:
    question = questions()[name]
    assert len(question["help"]) > 40
    assert question["default"]


@pytest.mark.parametrize("name", choices())
def test_the_help_names_every_choice_and_the_default_is_one(name: str) -> None:
    question, offered = questions()[name], choices()[name]
    assert isinstance(question["choices"], dict), "choices need labels"
    for choice in offered:
        assert f"{choice}:" in question["help"]
    assert question["default"] in offered


def test_the_defaults_are_a_valid_combination() -> None:
    defaults = {name: questions()[name]["default"] for name in choices()}
    assert defaults in combinations()


def test_combinations_have_names_of_their_own() -> None:
    names = [name_of(answers) for answers in combinations()]
    assert len(set(names)) == len(names)


def test_every_pair_of_answers_occurs_in_what_is_rendered() -> None:
    chosen = pairwise(covering())
    assert set().union(*map(pairs, chosen)) == set().union(*map(pairs, combinations()))
    assert chosen[: len(covering())] == covering()
    assert len(chosen) < len(combinations()) / 8


def test_every_answer_occurs_in_what_is_dear_to_run() -> None:
    covered = [*covering(), *in_browsers()]
    for question, offered in choices().items():
        assert {answers[question] for answers in covered} == set(offered)
    defaults = {name: questions()[name]["default"] for name in choices()}
    assert covered[0] == defaults | {"frontend": "none"}
    assert len({name_of(answers) for answers in covered}) == len(covered)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"tenancy_model": "databases", "queue_backend": "celery"}, "choose bullmq"),
        ({"tenancy_model": "databases", "database_host": "supabase"}, "is one database"),
        ({"tenancy_model": "schemas", "database_host": "neon"}, "allows 500 roles"),
    ],
)
def test_a_pair_that_cannot_work_is_refused_with_what_to_choose_instead(
    asked: Path, tmp_path: Path, answers: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        answer(asked, tmp_path, **answers)
    assert "hoose " in str(refused.value)


def test_the_defaults_are_recorded(asked: Path, tmp_path: Path) -> None:
    recorded = answer(asked, tmp_path)
    assert set(recorded) - {"_src_path", "_commit"} == set(ORDER)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_and_descriptions_of_any_script_are_kept(
    asked: Path, tmp_path: Path, name: str
) -> None:
    recorded = answer(asked, tmp_path, project_name=name, description=name)
    assert recorded["project_name"] == name
    assert recorded["description"] == name


@pytest.mark.parametrize("question", ["project_name", "description"])
@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_unsafe_names_and_descriptions_are_refused(
    asked: Path, tmp_path: Path, question: str, line: str
) -> None:
    with pytest.raises(ValueError, match=f"question '{question}'"):
        answer(asked, tmp_path, **{question: line})


@pytest.mark.parametrize(("question", "longest"), [("project_name", 60), ("description", 200)])
def test_a_line_has_a_longest_length(
    asked: Path, tmp_path: Path, question: str, longest: int
) -> None:
    assert answer(asked, tmp_path, **{question: "x" * longest})[question] == "x" * longest
    with pytest.raises(ValueError, match=f"{longest + 1} characters"):
        answer(asked, tmp_path, **{question: "x" * (longest + 1)})


@pytest.mark.parametrize("slug", GOOD_SLUGS)
def test_slugs_are_kept(asked: Path, tmp_path: Path, slug: str) -> None:
    assert answer(asked, tmp_path, project_slug=slug)["project_slug"] == slug


@pytest.mark.parametrize("slug", BAD_SLUGS.values(), ids=BAD_SLUGS)
def test_unsafe_slugs_are_refused(asked: Path, tmp_path: Path, slug: str) -> None:
    with pytest.raises(ValueError, match="question 'project_slug'"):
        answer(asked, tmp_path, project_slug=slug)


@pytest.mark.parametrize(("name", "slug"), SLUGS_OF_NAMES.items())
def test_a_name_suggests_a_valid_slug(asked: Path, tmp_path: Path, name: str, slug: str) -> None:
    assert answer(asked, tmp_path, project_name=name)["project_slug"] == slug


@pytest.mark.parametrize("name", choices())
def test_an_answer_that_is_not_offered_is_refused(asked: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}'"):
        answer(asked, tmp_path, **{name: "nonesuch"})
