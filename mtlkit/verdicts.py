"""A comparison in words: a sentence never says more than the interval does."""

from mtlkit.statistics import Comparison

__all__ = ["guessed", "sentence"]

FEW = 5
"""With fewer seeds no sign-flip test comes near .05, and an interval rests on the differences being
normal, which so few cannot show."""


def sentence(
    comparison: Comparison,
    a: str,
    b: str,
    *,
    where: str = "",
    unit: str = "points",
    higher: str = "scores higher than",
    lower: str = "scores lower than",
) -> str:
    """What is known of ``a - b``, with its numbers, in Markdown.

    `comparison` is in the `unit` that is printed (fractions ``.scaled(100)`` are points); `where`
    says what was measured, and opens the sentence.  An interval that includes zero is *undecided*,
    and a verdict from fewer than `FEW` seeds is called a hint.
    """
    begin = f"{where}: " if where else ""
    verb = {"higher": higher, "lower": lower}.get(comparison.verdict)
    if verb is None:
        return f"{begin}{a} against {b} is **undecided**: {comparison} ({unit})."
    hint = f" With {comparison.n} seeds this is a hint." if comparison.n < FEW else ""
    return f"{begin}{a} **{verb}** {b}: {comparison} ({unit}).{hint}"


def guessed(guess: str | None, found: str, *, where: str = "", how: str = "") -> str:
    """A reader's guess beside what the runs say; None is no guess, `how` stands behind a guess."""
    begin = f"{where}: " if where else ""
    if guess is None:
        return f"{begin}you made no guess; the runs say {found}."
    if guess == found:
        return f"{begin}you guessed {guess}{how}, and so say the runs."
    return f"{begin}you guessed {guess}{how}; the runs say {found}."
