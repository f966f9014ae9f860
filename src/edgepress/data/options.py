"""What a user may say about data, beside where they are."""

from dataclasses import dataclass

from edgepress.runtime import InputError
from edgepress.runtime.tasks import TASKS, Traits

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """How a source is to be read; each reader takes what concerns it.

    Raises:
        InputError: Sizes that no input can have.
    """

    label: str | None = None
    """Of a table: the column with the right answers, or several, separated by commas."""
    task: str | None = None
    """`regression` makes whole numbers among the targets numbers; `multiclass` and `binary` make them classes."""
    input_shape: tuple[int, ...] | None = None
    """Of pictures: (height, width) or (height, width, channels)."""
    seconds: float | None = None
    """Of recordings: the length of the model's window."""
    in_pieces: bool = False
    """Whether many examples may stay in their file, as `Rows`, until they are asked for."""
    to_fit: bool = True
    """Whether a model is fitted to the data: one that is only asked about them needs no example of each class."""

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < 3600:
            raise InputError(f"a window of {self.seconds:g} seconds: more than 0 and less than 3,600 is allowed")

    @property
    def _traits(self) -> Traits | None:
        return None if self.task is None else TASKS.get(self.task)

    @property
    def numbers(self) -> bool:
        """Whether whole numbers among the targets are numbers, not classes."""
        return self._traits is not None and self._traits.numeric

    @property
    def normal_alone(self) -> bool:
        """Whether examples of one class, normal ones, are enough."""
        return self._traits is not None and self._traits.reconstructs

    @property
    def anomalies(self) -> bool:
        """Whether classes may be without training examples."""
        return not self.to_fit or self.normal_alone

    @property
    def raw(self) -> bool:
        """Whether targets are not looked at, whatever they are: those of a segmentation, for instance."""
        return self._traits is not None and not self._traits.judged

    @property
    def picture_shape(self) -> tuple[int, int, int | None] | None:
        """Height, width and channels (None: as the files have them) of pictures.

        Raises:
            InputError: No shape of a picture.
        """
        if self.input_shape is None:
            return None
        shape = self.input_shape
        if len(shape) not in (2, 3) or min(shape) < 1 or (len(shape) == 3 and shape[2] not in (1, 3)):
            given = "x".join(map(str, shape))
            raise InputError(f"--input-shape {given}: HEIGHTxWIDTH is allowed, or HEIGHTxWIDTHx1 and x3")
        return shape[0], shape[1], shape[2] if len(shape) == 3 else None
