"""What all tests share: no network, a recognizer, real photos, models made by hand."""

import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest

from pictures import write_patterns

HERE = Path(__file__).parent
NETWORK_LOG = Path(tempfile.mkdtemp(prefix="eyebright-tests-")) / "network.log"

# every socket call that leaves this machine is refused, here and in each Python process that a test starts
os.environ["EYEBRIGHT_TEST_NETWORK_LOG"] = str(NETWORK_LOG)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE / "offline"), os.environ.get("PYTHONPATH")]))
runpy.run_path(str(HERE / "offline" / "sitecustomize.py"))
os.environ.pop("NO_COLOR", None)

# no deadline: these machines are shared
hypothesis.settings.register_profile("eyebright", deadline=None, max_examples=60)
hypothesis.settings.load_profile("eyebright")


@pytest.fixture(autouse=True)
def network_is_off():
    """A refusal that somebody swallowed fails the test too."""
    NETWORK_LOG.unlink(missing_ok=True)
    yield
    assert not NETWORK_LOG.exists(), f"the network was used: {NETWORK_LOG.read_text()}"


@pytest.fixture(scope="session")
def photos():
    """A folder of real photos: cat.jpg, coffee.jpg, rocket.jpg."""
    return HERE / "photos"


@pytest.fixture(scope="session")
def cat(photos):
    return photos / "cat.jpg"


@pytest.fixture(scope="session")
def recognizer():
    """The model that ships."""
    import eyebright

    return eyebright.load(threads=1)


@pytest.fixture(scope="session")
def lite0():
    """EfficientNet-Lite0 with its published weights, as torch has it."""
    from eyebright.classifier import Classifier
    from eyebright.encoders.weights import load

    found = load("efficientnet-lite0", "efficientnet-lite0")
    return Classifier(found.encoder, found.head, "single", found.mean, found.std)


@pytest.fixture(scope="session")
def lite0_graph():
    """The same exported as the shipped float model is; tests that change it make a copy."""
    from eyebright.compression.shipped import build

    return build("lite0", "float")


@pytest.fixture
def eyebright_process(tmp_path):
    """`eyebright ARGUMENTS` as a process of its own, in a folder of its own; its end is awaited."""

    def run(*arguments, **options):
        command = [sys.executable, "-m", "eyebright", *map(os.fspath, arguments)]
        options = {"cwd": tmp_path, "capture_output": True, "timeout": 60, "stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        return subprocess.run(command, check=False, **options)

    return run


@pytest.fixture(scope="session", autouse=True)
def quiet_neighbor(tmp_path_factory):
    """A cache of our own, in every process that a test starts; and one thread, since these machines are shared."""
    os.environ["EYEBRIGHT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory):
    """A folder of stripes, checks and blobs, 48 x 40 pixels: train/, validation/ and test/, a folder a label."""
    return write_patterns(tmp_path_factory.mktemp("data") / "patterns")
