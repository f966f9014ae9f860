"""Refusals: a status, one line that says what came, what is allowed and how to mend it, and headers."""

__all__ = ["Problem", "overloaded"]


class Problem(Exception):
    """Becomes the answer `{"error": detail}` with that status."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def overloaded(what: str, retry_after_s: int = 1, headers: dict[str, str] | None = None) -> Problem:
    """A 503 that says when to come back."""
    seconds = max(1, retry_after_s)
    return Problem(
        503, f"{what}: send the request again after {seconds} s", {"retry-after": str(seconds), **(headers or {})}
    )
