"""The sources: whole, each once, and there for whatever the code and the lessons cite."""

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtlkit import bibliography
from mtlkit.bibliography import BibliographyError, entry, fold, formatted, keys, page, show

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

NAME = r"[A-ZÀ-Ž][\w’-]*[^\W\d_]"
CITED = re.compile(
    rf"(?<!\w)({NAME}(?: {NAME})*(?:(?:, | and | & |, and ){NAME}(?: {NAME})*)*)"
    r"(?: et al\.)?(?:['’]s)?,? \(?((?:18|19|20)\d\d)[a-z]?\b(?!\.\d)"
)
NOT_NAMES = {
    "AdamW",
    "CoNLL",
    "LREC",
    "ACL",
    "EMNLP",
    "KDD",
    "COLING",
    "GUM",
    "EWT",
    "UD",
    "In",
    "See",
}
NOT_CITED = {
    "Francis, Kucera 1964": "the first printing; the entry is francis1979",
}
"""What the pattern takes for a citation and is none, each with the reason."""


def test_the_file_holds_enough_and_each_once() -> None:
    text = bibliography.FILE.read_text(encoding="utf-8")
    written = re.findall(r"^@\w+\{([^,]+),", text, re.M)
    assert sorted(written) == sorted(set(written)) == sorted(keys())
    assert len(written) >= 120
    assert written == sorted(written), "sorted, so that nothing is added twice"


@pytest.mark.parametrize("key", keys())
def test_entry_is_whole(key: str) -> None:
    found = entry(key)
    people = found.persons.get("author") or found.persons["editor"]
    first = "".join([*people[0].prelast_names, *people[0].last_names])
    surname, year = re.fullmatch(r"([a-z]+)(\d{4})[a-z]?", key).groups()  # type: ignore[union-attr]
    assert found.fields["year"] == year
    assert re.sub(r"[^a-z]", "", fold(first)).startswith(surname)
    where = {"article": "journal", "inproceedings": "booktitle", "book": "publisher"}
    assert where.get(found.type, "title") in found.fields
    if "doi" in found.fields:
        assert re.fullmatch(r"10\.\d{4,}/\S+", found.fields["doi"])
    if "eprint" in found.fields:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", found.fields["eprint"])
        assert found.fields["eprint"][:2] <= year[2:], "a preprint is not younger than its paper"
    assert found.fields.get("url", "https://").startswith("https://")
    assert not re.search(r"[{}\\]", formatted(key).replace(r"\<", ""))


def test_the_same_title_is_not_there_twice() -> None:
    titles = [fold(entry(key).fields["title"]) for key in keys()]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "caruana1997",
            "R. Caruana (1997). *Multitask learning.* Machine Learning 28, 41–75. "
            "[doi:10.1023/A:1007379606734](https://doi.org/10.1023/A:1007379606734). "
            "Where hard sharing comes from, with reasons why it might help.",
        ),
        (
            "ruder2017",
            "S. Ruder (2017). *An overview of multi-task learning in deep neural networks.* "
            "[arXiv:1706.05098](https://arxiv.org/abs/1706.05098).",
        ),
        ("pan2010", "S. J. Pan and Q. Yang (2010). *A survey on transfer learning.* IEEE Trans"),
        ("demarneffe2021", "M.-C. de Marneffe, C. D. Manning, J. Nivre and D. Zeman (2021). "),
        ("brown2020", "T. B. Brown et al. (2020). "),
        ("vaswani2017", "A. Vaswani, N. Shazeer, N. Parmar et al. (2017). "),
        ("fellbaum1998", "C. Fellbaum (ed.) (1998). *WordNet: An electronic lexical database.* M"),
        ("mandelbrot1953", "B. Mandelbrot (1953). *An informational theory of the statistical str"),
        ("cohen1988", "J. Cohen (1988). *Statistical power analysis for the behavioral sciences.*"),
        ("standley2020", "T. Standley, A. Zamir, D. Chen et al. (2020). *Which tasks should be "),
        ("taylor1953", "W. L. Taylor (1953). *“Cloze procedure”: A new tool for measuring readab"),
        ("bjerva2017", "J. Bjerva (2017). *Will my auxiliary tagging task help? Estimating auxi"),
    ],
)
def test_formatted(key: str, text: str) -> None:
    assert formatted(key).startswith(text)


def test_links_and_endings() -> None:
    assert "multi-task learning?* ICML. [arXiv:1905.07553](" in formatted("standley2020")
    assert "Lawrence Erlbaum, second edition." in formatted("cohen1988")
    assert "Communication theory, Butterworths, 486–502." in formatted("mandelbrot1953")
    assert "[aclanthology.org](https://aclanthology.org/D13-1170)." in formatted("socher2013")
    brier = "https://doi.org/10.1175/1520-0493%281950%29078%3C0001:VOFEIT%3E2.0.CO;2)."
    assert brier in formatted("brier1950"), "no bracket of an address closes the link"
    assert r"[doi:10.1175/1520-0493(1950)078\<0001" in formatted("brier1950")


def test_an_unknown_key_names_those_near() -> None:
    with pytest.raises(BibliographyError, match=r"no key 'caruna1997'; near it: caruana1997"):
        formatted("caruna1997")
    with pytest.raises(BibliographyError, match=r"'liu2019'; near it: .*liu2019b.*liu2023\. Keys"):
        entry("liu2019")
    with pytest.raises(BibliographyError, match=r"'zzz'; there are \d+ others\. Keys are surname"):
        show("caruana1997", "zzz")


def test_show_prints_a_list_or_displays_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show("ruder2017", "caruana1997")
    listed = f"- {formatted('ruder2017')}\n- {formatted('caruana1997')}"
    assert capsys.readouterr().out == f"{listed}\n"
    shown: list[dict] = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    show("ruder2017", "caruana1997")
    assert shown == [{"text/markdown": listed, "text/plain": listed}]


def test_the_page_has_an_anchor_for_each() -> None:
    assert page().startswith("# Bibliography\n")
    assert tuple(re.findall(r'^- <a id="(\w+)"></a>\S', page(), re.M)) == keys()
    surnames = [fold(key) for key in keys()]
    assert surnames.index("desideri2012") < surnames.index("devlin2019") < surnames.index("du2018")


GOOD = "@article{a2000, author={A, B}, title={T}, journal={J}, year={2000}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + GOOD, r"x\.bib: not BibTeX: repeated bibliography entry: a2000; correct that"),
        ("@article{a2000, title={T}\n@", r"x\.bib:2: not BibTeX: syntax error in line 2"),
        (GOOD.replace("year={2000}", ""), r"x\.bib: a2000 has no year$"),
        (GOOD.replace("author={A, B},", "").replace("title={T},", ""), "no title and no author$"),
        (GOOD.replace("journal={J},", ""), r"a2000 has no journal, booktitle, publisher, howpub"),
    ],
)
def test_a_broken_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "x.bib"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BibliographyError, match=message):
        keys(file)


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BibliographyError, match=r"x\.bib: no such file; it comes with the project"):
        keys(tmp_path / "x.bib")
    (tmp_path / "x.bib").write_bytes(b"@misc{a, title={\xff}}")
    with pytest.raises(BibliographyError, match=r"x\.bib: not BibTeX: 'utf-8' codec"):
        keys(tmp_path / "x.bib")


# ---- what is cited has an entry


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Names and year of each citation in prose, as ``("Pan, Yang", "2010")``."""
    text = re.sub(r"\b(?:[A-ZÀ-Ž]\.-?)+ ", "", re.sub(r"[*_`\s]+", " ", text))  # no initials
    text = re.sub(r" et al\. \(?((?:19|20)\d\d)", r" et al. \1", text)
    for names, year in CITED.findall(text):
        people = [name.split()[-1] for name in re.split(r", and | and | & |, ", names)]
        kept = [name.replace("’s", "") for name in people if name not in NOT_NAMES]
        if kept:
            yield ", ".join(kept), year


@functools.cache
def authors() -> list[tuple[str, set[str]]]:
    """Of each entry the year, and all words of its authors' surnames."""
    found = []
    for key in keys():
        persons = entry(key).persons
        people = persons.get("author") or persons["editor"]
        names = fold(" ".join(word for each in people for word in each.last_names))
        found.append((entry(key).fields["year"], set(names.split())))
    return found


def missing(text: str) -> list[str]:
    """Citations of a text that no entry answers: its year, and all the names among its authors."""
    return [
        f"{names} {year}"
        for names, year in cited(text)
        if f"{names} {year}" not in NOT_CITED
        and not any(y == year and set(fold(names).split(", ")) <= who for y, who in authors())
    ]


def test_citations_are_found() -> None:
    text = """as in Yu et al. 2020, (Kendall, Gal & Cipolla 2018) or Søgaard and Goldberg (2016);
    R. Caruana (1997), Viterbi's (1967), Tjong Kim Sang and Buchholz 2000, M.-W. Chang (2019), not
    CoNLL 2018, nor `May 5, 2010` or in 2004. Liu et al. 2019b."""
    assert list(cited(text)) == [
        ("Yu", "2020"), ("Kendall, Gal, Cipolla", "2018"), ("Søgaard, Goldberg", "2016"),
        ("Caruana", "1997"), ("Viterbi", "1967"), ("Sang, Buchholz", "2000"), ("Chang", "2019"),
        ("Liu", "2019"),
    ]  # fmt: skip
    assert missing("Søgaard & Goldberg 2016; Nobody 2016; Goldberg 1916; Yu & Nobody 2020") == [
        "Nobody 2016", "Goldberg 1916", "Yu, Nobody 2020",
    ]  # fmt: skip


@pytest.mark.parametrize("path", sorted((ROOT / "mtlkit").glob("*.py")), ids=lambda p: p.stem)
def test_what_docstrings_cite_has_an_entry(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [
        node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    assert [each for text in texts for each in missing(text)] == []


def test_what_claims_and_corpora_cite_has_an_entry() -> None:
    claims = (ROOT / "data" / "claims.yaml").read_text(encoding="utf-8")
    sources = re.findall(r"^ *source: (.*)$", claims, re.M)
    assert len(sources) > 10
    assert [each for source in sources for each in missing(source)] == []
    corpora = (ROOT / "data" / "corpora.toml").read_text(encoding="utf-8")
    assert [each for c in re.findall(r'citation = "(.*)"', corpora) for each in missing(c)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_lessons_cite_has_an_entry(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    prose = [s for s, cell in zip(sources, cells, strict=True) if cell["cell_type"] == "markdown"]
    assert [each for text in prose for each in missing(text)] == []
    shown = [
        ast.literal_eval(argument)
        for source in sources
        for call in ast.walk(ast.parse(source) if "bibliography.show" in source else ast.Module())
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "bibliography.show"
        for argument in call.args
    ]
    for key in shown:
        entry(key)
