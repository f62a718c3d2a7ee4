"""MkDocs hook: the API reference, one generated page per top-level package or module, rendered from docstrings."""

from __future__ import annotations

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SANDBOX = ROOT / "sandbox" / "codeplan_sandbox"


def pages() -> dict[str, Path]:
    """The files and folders of the top-level modules and packages, by dotted name."""
    found = sorted((ROOT / "platform" / "codeplan").glob("[!_]*"))
    modules = {
        f"codeplan.{path.stem}": path for path in found if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return {**modules, SANDBOX.name: SANDBOX}


def content(name: str, path: Path) -> str:
    """A page in Markdown: the module or package, and the modules inside it."""
    text = f"# {name}\n\n" + _directive(name, path / "__init__.py" if path.is_dir() else path, is_title=True)
    for module in sorted(path.rglob("*.py")):
        parts = module.relative_to(path).with_suffix("").parts
        inner = ".".join((name, *(part for part in parts if part != "__init__")))
        if inner != name and not module.stem.startswith("__main"):
            text += _directive(inner, module, is_title=False)
    return text


def _directive(name: str, path: Path, *, is_title: bool) -> str:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    options = [f"show_root_heading: {str(not is_title).lower()}"]
    if path.stem == "__init__" and not any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in body):
        options.append("members: false")  # it only re-exports what its modules define
    return f"::: {name}\n    options:\n" + "".join(f"      {option}\n" for option in options) + "\n"


def on_config(config: MkDocsConfig) -> None:
    """Add the pages to the navigation."""
    assert config.nav is not None
    config.nav.append({"API reference": [{name: f"api/{name}.md"} for name in pages()]})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Generate the pages."""
    for name, path in pages().items():
        files.append(File.generated(config, f"api/{name}.md", content=content(name, path)))
