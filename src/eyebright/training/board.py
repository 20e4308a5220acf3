"""TensorBoard, for who has it open anyway: the numbers of log.jsonl as its event files."""

from pathlib import Path

from eyebright.errors import MissingExtra
from eyebright.training.events import Event, Progress, Tell


def board(folder: Path) -> Tell:
    """What writes each step's loss and rate, and each judgement, into `folder`. Raises MissingExtra."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise MissingExtra("TensorBoard's files need the package tensorboard: pip install tensorboard") from None
    writer = SummaryWriter(str(folder))

    def write(event: Event) -> None:
        if not isinstance(event, Progress):
            return
        numbers = {"training/loss": event.loss, "training/rate": event.rate}
        if event.judged:
            numbers |= {"validation/loss": event.judged.loss, "validation/measure": event.judged.value}
        for name, number in numbers.items():
            writer.add_scalar(name, number, event.step)
        if event.judged:
            writer.flush()

    return write
