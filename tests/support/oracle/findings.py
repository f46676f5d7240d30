import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """A deviation: lost, doubled, leaked (an effect without a cause) or diverged (two places that differ)."""
    kind: str
    where: str
    text: str
    check: str = ""     # which one found it

    def __str__(self):
        return f"{self.kind}: {self.where}: {self.text}"
