"""`eyebright doctor`: is this installation whole, what is there, what would each extra add?"""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import click

from eyebright.cli import options
from eyebright.errors import EyebrightError

PACKAGES = ("eyebright", "numpy", "pillow", "pi-heif", "onnxruntime", "onnx", "click", "msgspec")
EXTRAS = {
    "video": ("av", "reads video"),
    "openvino": ("openvino", "a second runtime, faster on many Intel and AMD processors"),
    "text": ("tokenizers", "finds photos by free text, with a model of pictures and texts"),
    "train": ("torch", "trains, exports, quantizes; builds the models that ship"),
}


@click.command()
@options.text_or_json
def command(form: str) -> int:
    """Check this installation: versions, what can compute, the self-test, what each extra would add.

    \b
      eyebright doctor
    """
    packages = {name: _version(name) for name in PACKAGES}
    extras = {name: find_spec(module) is not None for name, (module, _) in EXTRAS.items()}
    providers, problem = _providers()
    if form == "json":
        entry = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        found = {"packages": packages, "providers": providers, "extras": extras, "problem": problem}
        click.echo(json.dumps({**entry, **found}))
        return 2 if problem else 0
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for name, found_version in packages.items():
        click.echo(f"  {name:<12} {found_version or 'MISSING: pip install eyebright'}")
    click.echo(f"Providers (--provider): {', '.join(providers) or 'none'}")
    click.echo("Extras:")
    for name, (_, what) in EXTRAS.items():
        state = "installed" if extras[name] else f"pip install 'eyebright[{name}]'"
        click.echo(f"  {name:<12} {what}: {state}")
    click.echo(
        f"Something is wrong: {problem}"
        if problem
        else "The model that ships gives the right answers here. All is well."
    )
    return 2 if problem else 0


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _providers() -> tuple[list[str], str | None]:
    try:
        import onnxruntime

        from eyebright import models, selftest
        from eyebright.modelfile import read
        from eyebright.runtime import PROVIDERS

        here = [name for name, known in PROVIDERS.items() if known in onnxruntime.get_available_providers()]
        here += ["openvino"] if find_spec("openvino") else []
        file = read(models.path())
        selftest.open_tested(file)
    except (EyebrightError, ImportError) as error:
        return [], str(error)
    return here, None
