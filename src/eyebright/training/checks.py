"""Before anything is learned: which pictures can be read, and whether the audit found what would spoil the result."""

import hashlib

import numpy as np

from eyebright.data import Dataset
from eyebright.data.audit import audit
from eyebright.data.finding import Finding
from eyebright.errors import BadPicture, BadRequest
from eyebright.training.cache import Cache
from eyebright.training.events import Said, Tell, counting

SHOWN = 3  # examples in a message


def checked(data: Dataset, anyway: bool, tell: Tell) -> tuple[Dataset, list[str]]:
    """The data without what cannot be read, and a hash of each picture; an audit that found nothing is not repeated.

    Raises BadRequest where a result would be meaningless, unless it is wanted `anyway`.
    """
    hashes: dict[int, str] = {}
    for at, item in enumerate(data.items):
        try:
            hashes[at] = data.identity(item)
        except BadPicture as error:
            tell(Said(f"Left out: {error}"))
    data, identities = only(data, list(hashes)), list(hashes.values())
    seen = hashlib.sha256("\n".join(["audit", data.content_hash, *sorted(identities)]).encode()).digest()
    cache = Cache()
    if seen in cache.find([seen]):
        return data, identities
    count = counting(tell, "checked")
    found = audit(data, None, lambda done: count(done, len(data.items))).findings
    for finding in found:
        if finding.severity == "stop" and not anyway:
            raise BadRequest(
                f"{with_examples(finding)} `eyebright data check` shows all; --anyway trains all the same."
            )
        if finding.severity != "note":
            tell(Said(finding.sentence))
    broken = {item for finding in found if finding.kind == "unreadable" for group in finding.groups for item in group}
    if not broken and all(finding.severity != "stop" for finding in found):
        cache.keep({seen: np.zeros(1, np.float32)})
    good = [at for at, item in enumerate(data.items) if item not in broken]
    return only(data, good), [identities[at] for at in good]


def only(data: Dataset, places: list[int]) -> Dataset:
    """The data set with these items. Raises BadRequest where none are left to learn from, or to choose by."""
    data = data.only([data.items[at] for at in places])
    for split in ("train", "validation"):
        if not any(item.split == split for item in data.items):
            raise BadRequest(
                f"{data.name} has no {split} pictures that can be read, so nothing can be learned from it."
            )
    return data


def with_examples(finding: Finding) -> str:
    """Its sentence, with the first pictures that show it."""
    names = [" = ".join(item.name for item in group) for group in finding.groups[:SHOWN]]
    return f"{finding.sentence} ({'; '.join(names)})" if names else finding.sentence
