"""The documents cannot drift from the code."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import click
import pytest

from eyebright import errors, modelfile
from eyebright.cli import eyebright
from pictures import write_patterns

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
DOCS = "\n".join(PAGES.values())


def commands() -> dict[str, click.Command]:
    """Every verb, and what stands below a verb ("data show"), also where it is imported only when called."""
    found: dict[str, click.Command] = {}

    def below(group: click.Group, names: tuple[str, ...]) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found[" ".join((*names, name))] = command
            if isinstance(command, click.Group):
                below(command, (*names, name))

    below(eyebright, ())
    return found


COMMANDS = commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_documents(name):
    assert f"eyebright {name}" in DOCS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_has_an_example(name):
    assert re.search(rf"^\s+(cat .* \| )?eyebright {name}", COMMANDS[name].help or "", re.M)


@pytest.mark.parametrize("name", ["predict", "train", "data show", "data check"])
def test_every_option_says_what_it_does(name):
    for option in options(name):
        assert option.help or "--format" in option.opts, option.name


@pytest.mark.parametrize("name", ["train", "data show", "data check"])
def test_every_option_is_in_the_documents(name):
    for option in options(name):
        assert re.search(rf"{max(option.opts, key=len)}\b", DOCS), option.name


def options(name: str) -> list[click.Option]:
    return [parameter for parameter in COMMANDS[name].params if isinstance(parameter, click.Option)]


def test_every_kind_of_error_is_in_the_documents():
    for kind in errors.EyebrightError.__subclasses__():
        assert kind.kind in DOCS, kind


def test_every_extra_and_every_dependency_is_in_the_documents():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, packages in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        assert f"`{extra}`" in PAGES["dependencies.md"] or f".[{extra}" in DOCS, extra
        for package in packages:
            name = re.split(r"[\[>=]", package)[0]
            assert name == "eyebright" or name in PAGES["dependencies.md"], package


def test_every_encoder_is_in_the_documents():
    pytest.importorskip("torch")
    encoders = import_module("eyebright.encoders").ENCODERS
    for name in encoders:
        assert f"`{name}`" in PAGES["encoders.md"], name
    assert f"{len(encoders)} networks" in PAGES["README.md"]


def test_the_page_of_recipes_is_the_one_that_is_made_from_them():
    """Made by `python tools/recipe_table.py > docs/recipe.md`."""
    pytest.importorskip("torch")
    page = runpy.run_path(str(ROOT / "tools" / "recipe_table.py"))["page"]()
    assert page == PAGES["recipe.md"]
    for field in fields(import_module("eyebright.training").Recipe):
        assert f"\n| `{field.name}` |" in page


def test_the_schema_in_the_documents_is_the_one_that_is_checked():
    """Made by `eyebright inspect --schema > docs/model-file.schema.json`."""
    assert json.loads((ROOT / "docs" / "model-file.schema.json").read_text()) == json.loads(
        json.dumps(modelfile.schema())
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", PAGES[page]):
        file = folder / (target or page)
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles], anchor


def test_the_reader_in_the_specification_reads_the_model_that_ships(tmp_path):
    code = re.search(r"```python\n(.*?)```", PAGES["model-file.md"], re.S)
    assert code is not None
    model = import_module("eyebright.models").path()
    (tmp_path / "model.onnx").write_bytes(model.read_bytes())
    ran = subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 3


def test_python_in_the_readme_runs(tmp_path):
    code = re.search(r"```python\n(.*?)```", PAGES["README.md"], re.S)
    assert code is not None
    (tmp_path / "photo.jpg").write_bytes((ROOT / "tests" / "photos" / "cat.jpg").read_bytes())
    ran = subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "cat" in ran.stdout


@pytest.mark.parametrize(
    ("page", "at"), [("teach.md", 1), ("encoders.md", 0), pytest.param("teach.md", 0, marks=pytest.mark.slow)]
)
def test_python_in_the_pages_runs(page, at, tmp_path):
    code = re.findall(r"```python\n(.*?)```", PAGES[page], re.S)[at]
    if "Dataset" not in code:
        pytest.importorskip("torch")
    write_patterns(tmp_path / "photos")
    ran = subprocess.run(
        [sys.executable, "-c", f"import eyebright\n{code}"],
        cwd=tmp_path,
        env={**os.environ, "EYEBRIGHT_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_project_speaks_of_itself_alone():
    """No machine paths: what is written for everybody runs everywhere."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".sh", ".txt"} and path != Path(__file__) and path.is_file():
            assert not re.search(r"/root/|/home/\w", path.read_text(encoding="utf-8")), name
