"""The documents cannot drift from the code."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from eyebright import errors, modelfile
from eyebright.cli import VERBS, eyebright

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
DOCS = "\n".join(PAGES.values())


def commands() -> dict[str, click.Command]:
    found = {}
    context = click.Context(eyebright)
    for verb in VERBS:
        command = eyebright.get_command(context, verb)
        assert command is not None
        found[verb] = command
        for name in command.commands if isinstance(command, click.Group) else ():
            found[f"{verb} {name}"] = command.commands[name]
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_documents(verb):
    assert f"eyebright {verb}" in DOCS


@pytest.mark.parametrize("name", commands())
def test_every_help_text_has_an_example(name):
    assert re.search(rf"^\s+(cat .* \| )?eyebright {name.split()[0]}", commands()[name].help or "", re.M)


def test_every_option_of_predict_says_what_it_does():
    for parameter in commands()["predict"].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_kind_of_error_is_in_the_documents():
    for kind in errors.EyebrightError.__subclasses__():
        assert kind.kind in DOCS, kind


def test_every_extra_is_in_the_documents():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for extra in project["project"]["optional-dependencies"]:
        assert f"`{extra}`" in PAGES["dependencies.md"] or f".[{extra}" in DOCS, extra


def test_the_schema_in_the_documents_is_the_one_that_is_checked():
    """Made by `eyebright inspect --schema > docs/model-file.schema.json`."""
    assert json.loads((ROOT / "docs" / "model-file.schema.json").read_text()) == json.loads(
        json.dumps(modelfile.schema())
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", PAGES[page]):
        assert (folder / target).exists(), target


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


def test_the_project_speaks_of_itself_alone():
    """No machine paths: what is written for everybody runs everywhere."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".sh", ".txt"} and path != Path(__file__) and path.is_file():
            assert not re.search(r"/root/|/home/\w", path.read_text(encoding="utf-8")), name
