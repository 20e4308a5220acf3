"""Every key of a recipe as a page, from the recipe itself: python tools/recipe_table.py > docs/recipe.md"""

import sys
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from eyebright.training.recipe import MODES, REMARKS, Recipe

PARTS = {
    "mode": "The network, and what it is shown",
    "epochs": "How it learns",
    "area": "What is done to its pictures",
    "device": "Where it computes",
}
"""Where a part of the page begins, and its title."""
INTRO = """# Recipes

A recipe says how a training runs. It is a flat TOML file; `run/recipe.toml` has every key, with what it means, as the
run had it. What you do not say is chosen by mode.

    eyebright train photos/ -o run/ --set epochs=30 --set rate=0.01
    eyebright train photos/ -o another/ --recipe run/recipe.toml --seed 1

`--mode`, `--encoder`, `--weights`, `--width`, `--depth`, `--size`, `--seed` and `--device` are short ways to write
keys; `--time 10m` is `minutes`. A misspelt key, a wrong type or a number out of range is refused in a sentence. Mode
`head` fits its layer at once and takes no steps: of the second and third table it reads `flip` and nothing else.
Networks without batch norms (AlexNet, SqueezeNet, VGG without `-bn`) learn from nothing more gently: by `adamw`, with
`rate` 0.0005, `weight_decay` 0.02 and `clip` 1.
"""


def page() -> str:
    lines = [INTRO]
    for field in fields(Recipe):
        if field.name in PARTS:
            lines += [f"\n## {PARTS[field.name]}\n\n", "| key | default | what it means |\n|---|---|---|\n"]
        lines.append(f"| `{field.name}` | {default(field.name)} | {meaning(field.name)} |\n")
    return "".join(lines)


def default(key: str) -> str:
    """The usual value, then those of modes that have another."""
    usual = next(field.default for field in fields(Recipe) if field.name == key)
    by_mode = {mode: getattr(Recipe.of(mode, {}), key) for mode in MODES}
    others = [f"{mode} {shown(value)}" for mode, value in by_mode.items() if value != usual and key != "mode"]
    return ", ".join([shown(usual), *others])


def shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def meaning(key: str) -> str:
    """Its sentence, and the words that it may be."""
    words = get_args(kind) if get_origin(kind := get_type_hints(Recipe)[key]) is Literal else ()
    unsaid = [word for word in words if word not in REMARKS[key]]
    return REMARKS[key] + (f" One of {', '.join(words)}." if unsaid else "")


if __name__ == "__main__":
    sys.stdout.write(page())
