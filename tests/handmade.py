"""Corpora of one's own, made by hand for tests: a small treebank and a small sheet."""

WORDS = ("Hund", "Baum", "Ball", "Fluss", "Turm", "Berg", "Tisch", "Weg")


def treebank(number: int, *, first: int = 1) -> str:
    """Sentences of four words, each of its own."""
    blocks = []
    for n in range(first, first + number):
        noun = WORDS[n % len(WORDS)]
        blocks.append(
            f"# sent_id = s{n}\n# domain = {'park' if n % 2 else 'haus'}\n"
            "1\tDer\tder\tDET\tART\t_\t2\tdet\t_\t_\n"
            f"2\t{noun}{n}\t{noun}\tNOUN\tNN\t_\t3\tnsubj\t_\t_\n"
            "3\tsteht\tstehen\tVERB\tVVFIN\t_\t0\troot\t_\t_\n"
            "4\t.\t.\tPUNCT\t$.\t_\t3\tpunct\t_\t_\n\n"
        )
    return "".join(blocks)


def sheet(number: int, *, first: int = 1) -> str:
    """A CSV of labelled sentences, good and bad in turn."""
    rows = [
        f'"The {WORDS[n % len(WORDS)]}, number {n}, is {"good" if n % 2 else "bad"}.",'
        f"{'plus' if n % 2 else 'minus'}\n"
        for n in range(first, first + number)
    ]
    return "text,label\n" + "".join(rows)
