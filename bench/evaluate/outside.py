"""None of these: how well a model of clothes tells its own photos from photos of other things.

    EYEBRIGHT_DATA=FOLDER python bench/evaluate/outside.py MODEL.onnx [MODEL.onnx ...]

The number to tell by is chosen on CIFAR-10 and Fashion-MNIST beside the clothes' validation split, and reported on the
clothes' test split beside three sets that had no say: `imagenet-sample` without its classes of clothes, `fire` and
`street-fashion` (photos of people in clothes, which is nearer). AUROC with 95% intervals, the plain way (the largest
score) beside it, and the share of each set that is called none of these at the file's threshold. A minute a file.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from data import folder
from eyebright import modelfile
from eyebright.data import Dataset
from eyebright.evaluation import outside
from eyebright.evaluation.answers import ask, in_terms_of
from eyebright.labels import Hierarchy, imagenet
from eyebright.runtime import cores, open_runtime

CHOSEN_ON = ("cifar10.tar.xz", "fashion-mnist.zip")
REPORTED_ON = ("imagenet-sample.zip", "fire.zip", "street-fashion.zip")
MOST = 1000
CLOTHING = "n03051540"
"""The node of the hierarchy over ImageNet's labels under which its clothes stand, 65 of 1,000."""


def main() -> None:
    for path in sys.argv[1:]:
        file = modelfile.read(path)
        runtime = open_runtime(file)
        wanted = [name for name in ("scores", "logits", "novelty") if name in runtime.outputs]

        def said(data: Dataset, file=file, runtime=runtime, wanted=wanted) -> dict[str, np.ndarray]:
            return ask(data, file, runtime, wanted, cores()).outputs

        clothes = in_terms_of(file.metadata, Dataset.read(folder() / "clothing.zip")).data
        own = {split: said(clothes.part(split)) for split in ("validation", "test")}
        others = [said(some(name)) for name in CHOSEN_ON]
        mixed = {name: np.concatenate([one[name] for one in others]) for name in wanted}
        found = outside.compare(own["validation"], mixed)
        methods = [name for name in found if name != "max_score"]
        best = max(methods, key=lambda name: found[name].value)
        print(f"\n{path}: chosen on CIFAR-10 and Fashion-MNIST: {best}")
        told("validation beside those", found)
        for name in REPORTED_ON:
            photos = said(some(name))
            told(
                f"test beside {name.partition('.')[0]}, {len(photos['scores'])} photos",
                outside.compare(own["test"], photos),
            )
            if file.metadata.abstain:
                none = outside.refused(file.metadata.abstain, photos)
                print(f"    called none of these: {none.value:.3f} ({none.low:.3f} to {none.high:.3f})")
        if file.metadata.abstain:
            none = outside.refused(file.metadata.abstain, own["test"])
            print(f"  its own test photos called none of these: {none.value:.3f} ({none.low:.3f} to {none.high:.3f})")


def some(name: str) -> Dataset:
    """At most a thousand of the pictures, of the test split where there is one; no clothes of ImageNet's."""
    data = Dataset.read(folder() / name)
    if name == "imagenet-sample.zip":
        labels, above = imagenet()
        hierarchy = Hierarchy(labels, above)
        at = next(number for number, node in enumerate(hierarchy.nodes) if node.id == CLOTHING)
        clothes = {node.id for number, node in enumerate(labels) if at in hierarchy.ancestors(number)}
        return data.only([item for item in data.items if item.name.rpartition("/")[2].partition("_")[0] not in clothes])
    test = data.part("test") if name in CHOSEN_ON else data
    order = np.random.default_rng(0).permutation(len(test.items))[:MOST]
    return test.only([test.items[at] for at in order])


def told(what: str, found: dict[str, outside.Interval]) -> None:
    parts = [f"{name} {one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for name, one in found.items()]
    print(f"  {what}: {', '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
