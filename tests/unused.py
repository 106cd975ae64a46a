"""What a rendered repository holds and nothing in it uses: modules, and packages it depends on."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rendering import files_of

# Whoever looks for them lists the folder.
_FOUND_IN_THEIR_FOLDER = ("app.commands.", "migrations.")

# Next.js finds them by their names.
_NEXT = re.compile(
    r"(page|layout|route|loading|error|not-found|global-error|global-not-found|proxy"
    r"|instrumentation|instrumentation-client|sitemap|robots|manifest|icon|apple-icon"
    r"|opengraph-image)\.(ts|tsx|mjs)$"
)
_IMPORTED = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")
_SCRIPTS = {".ts", ".tsx", ".mjs", ".mts", ".js"}

# What another package loads where it is installed, or asks for beside itself.
_LOADED_BY = {
    "@supabase/supabase-js": "@supabase/ssr",
    "httptools": "uvicorn",
    "ioredis": "bullmq",
    "pytest-asyncio": "pytest",
    "pytest-timeout": "pytest",
    "python-multipart": "fastapi",
    "typescript": "next",
    "uvloop": "uvicorn",
}


def unused_modules(repository: Path) -> set[str]:
    """Modules that no other file imports or names, as paths from the repository's root."""
    return _unused_python(repository) | _unused_scripts(repository / "frontend")


def unused_packages(repository: Path) -> set[str]:
    """Packages that it depends on and that no file imports or names."""
    text = "\n".join(
        _text_of(path)
        for path in files_of(repository)
        if path.name not in {"pyproject.toml", *_LOCKS} and path.suffix != ".md"
    )
    packages = {*_python_packages(repository), *_npm_packages(repository)}
    return {
        package
        for package in packages
        if not _is_named(package, text)
        and _LOADED_BY.get(package) not in packages
        and package.removeprefix("@types/") not in {*packages, "node"} - {package}
    }


def _text_of(path: Path) -> str:
    text = path.read_text()
    # Of what npm is told, only the commands use a package.
    return json.dumps(json.loads(text).get("scripts")) if path.name == "package.json" else text


_LOCKS = {"uv.lock", "package-lock.json"}

# Where a package is imported by another name than it is installed by.
_IMPORTED_AS = {"python-dotenv": "dotenv", "squawk-cli": "squawk"}


def _is_named(package: str, text: str) -> bool:
    name = _IMPORTED_AS.get(package, package)
    pattern = re.escape(name).replace("\\-", "[-_]")
    return re.search(rf"(?<![\w-]){pattern}(?![\w-])", text) is not None


def _python_packages(repository: Path) -> Iterator[str]:
    project = tomllib.loads((repository / "backend/pyproject.toml").read_text())
    groups = project.get("dependency-groups", {}).values()
    for requirement in (*project["project"]["dependencies"], *(one for g in groups for one in g)):
        if isinstance(requirement, str):
            yield re.split(r"[\[<>=;! ]", requirement)[0]


def _npm_packages(repository: Path) -> Iterator[str]:
    for path in files_of(repository):
        if path.name == "package.json":
            described = json.loads(path.read_text())
            for kind in ("dependencies", "devDependencies"):
                yield from described.get(kind, {})


def _unused_python(repository: Path) -> set[str]:
    backend = repository / "backend"
    modules = {_dotted(path, backend): path for path in backend.rglob("*.py")}
    modules = {name: path for name, path in modules.items() if ".venv" not in path.parts}
    used = set[str]()
    for name, path in modules.items():
        # What only the tests use, the product does not.
        of_the_tests = name.startswith("tests")
        found = {other for other in _named_in(path) if other != name}
        used |= {other for other in found if other.startswith("tests")} if of_the_tests else found
    commands = "\n".join(
        path.read_text()
        for path in (repository / "Makefile", *(repository / "scripts").iterdir(), *_texts(backend))
    )
    return {
        str(path.relative_to(repository))
        for name, path in modules.items()
        if name not in used
        and path.name != "__init__.py"
        and not path.name.startswith("test_")
        and not name.startswith(_FOUND_IN_THEIR_FOLDER)
        and name not in commands
        and str(path.relative_to(repository)) not in commands
    }


def _dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _named_in(path: Path) -> Iterator[str]:
    """The modules that a module imports or starts, and whatever else its strings may name."""
    here = ".".join(path.parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names):
                yield from (imported.name for imported in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{imported.name}" for imported in names)
            case ast.Constant(value=str(text)) if text.isprintable():
                yield text
                if text.endswith(".py"):
                    yield f"{here.rpartition('backend.')[2]}.{text.removesuffix('.py')}"


def _texts(backend: Path) -> Iterator[Path]:
    """What says how a module is run."""
    yield from (backend.parent / ".github").rglob("*.yml")
    yield from (backend.parent / "docs").rglob("*.md")
    yield backend.parent / ".pre-commit-config.yaml"


def _unused_scripts(front_end: Path) -> set[str]:
    scripts = {path for path in files_of(front_end) if path.suffix in _SCRIPTS}
    if not scripts:
        return set()
    used = set[Path]()
    for path in scripts:
        for name in _IMPORTED.findall(path.read_text()):
            base = front_end / "src" / name[2:] if name.startswith("@/") else path.parent / name
            used |= {
                Path(f"{base}{suffix}").resolve()
                for suffix in ("", *_SCRIPTS, "/index.ts", "/index.tsx")
            }
    # Named by their tools' configuration, by npm's scripts, or by what runs Node in development.
    commands = "".join(
        path.read_text()
        for path in (
            front_end / "package.json",
            *front_end.glob("*.config.*"),
            *(front_end.parent / "backend/app/dev").rglob("*.py"),
        )
    )
    return {
        str(path.relative_to(front_end.parent))
        for path in scripts
        if path.resolve() not in used
        and not _NEXT.search(path.name)
        and ".config." not in path.name
        and ".test." not in path.name
        and path.name not in commands
    }
