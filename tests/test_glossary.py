"""The glossary: its file is sound, faults in one are named, and it reads well where it is shown."""

import html
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mtlkit import glossary
from mtlkit.glossary import GlossaryError, Term

ENTRY = """\
transfer:
  term: transfer
  definition: Knowledge moves.
  lessons: ["03"]
  see: [sharing]
sharing:
  term: sharing
  definition: Knowledge is common property.
  formula: '\\theta_{k}'
  lessons: ["04", "05"]
  source: A. Author 1999
"""

SIDES = ("goal", "training", "data", "uses", "advantages", "challenges")
METHODS = (
    "adapter", "lora", "pcgrad", "cagrad", "mgda", "gradnorm", "dwa", "uncertainty-weighting",
    "bio", "span-f1", "las", "uas", "holm", "tost", "iqm", "bf16", "safetensors", "papermill",
)  # fmt: skip


@pytest.fixture
def read(tmp_path: Path):
    def parsed(text: str) -> dict[str, Term]:
        path = tmp_path / "glossary.yaml"
        path.write_text(text, encoding="utf-8")
        return glossary.read(path)

    return parsed


# ---- the file


def test_it_holds_the_course() -> None:
    terms = glossary.terms()
    assert len(terms) >= 220
    assert {f"{of}-{side}" for of in ("transfer", "mtl") for side in SIDES} <= set(terms)
    assert {"transfer-learning", "multi-task-learning", "choosing-a-route", *METHODS} <= set(terms)


def test_every_lesson_has_terms() -> None:
    assert all(len(glossary.of(f"{number:02}")) >= 5 for number in range(13))
    assert all("06" in term.lessons for term in glossary.of("06"))
    with pytest.raises(GlossaryError, match=r"^no terms for lesson '77': there are 00, 01, "):
        glossary.of("77")


def test_definitions_are_short_and_whole_sentences() -> None:
    for term in glossary.terms().values():
        ends = re.findall(r"[.?!](?= [A-Z\"]|$)", term.definition)
        assert 1 <= len(ends) <= 4, term.slug
        assert term.definition[0].isupper() or term.definition[0] in "0123456789", term.slug
        assert "\n" not in term.definition and "  " not in term.definition, term.slug


def test_formulas_have_matching_delimiters() -> None:
    for term in glossary.terms().values():
        plain = term.formula.replace(r"\{", "").replace(r"\}", "")
        depths = [plain[:end].count("{") - plain[:end].count("}") for end in range(len(plain) + 1)]
        assert min(depths) == depths[-1] == 0, term.slug
        assert len(re.findall(r"\\left\b", plain)) == len(re.findall(r"\\right\b", plain))


def test_no_method_of_the_course_lacks_a_term() -> None:
    from mtlkit.surgery import SURGERIES
    from mtlkit.weighting import WEIGHTINGS

    words = " ".join(f"{term.slug} {term.term}".lower() for term in glossary.terms().values())
    for name in {*WEIGHTINGS, *SURGERIES} - {"sum", "nash", "uniform"}:
        assert name in words, name


# ---- what is read, and what is refused


def test_fields_are_read(read) -> None:
    found = read(ENTRY)
    assert found["sharing"] == Term(
        slug="sharing", term="sharing", definition="Knowledge is common property.",
        lessons=("04", "05"), formula=r"\theta_{k}", source="A. Author 1999",
    )  # fmt: skip
    assert found["transfer"].see == ("sharing",)


@pytest.mark.parametrize(
    "old, new, text",
    [
        ("see: [sharing]", "see: [sharin]",
         "glossary.yaml: transfer: field 'see' has 'sharin'; did you mean sharing?"),
        ("see: [sharing]", "see: [transfer]",
         "glossary.yaml: transfer: field 'see' has 'transfer'; name the slug of another term"),
        ("see: [sharing]", "seee: [sharing]", "glossary.yaml: transfer: unknown field 'seee'; the"),
        ('lessons: ["03"]', "lessons: [03]", "transfer: field 'lessons' is [3]: expected a list"),
        ('lessons: ["03"]', 'lessons: ["3"]', "field 'lessons' has '3': a lesson is '00' to '13'"),
        ('lessons: ["03"]', "lessons: []", "transfer: field 'lessons' is []: expected at least on"),
        ('lessons: ["03"]\n', "\n", "glossary.yaml: transfer: field 'lessons' is missing"),
        ('["04", "05"]', '["04", "04"]', "sharing: field 'lessons' is ['04', '04']: expected at"),
        ("moves.", "moves", "transfer: field 'definition' ends in 'edge moves': expected whole"),
        ("moves.", f"{'moves ' * 80}.", "field 'definition' has 491 characters: at most 400 fit"),
        ("moves.", "costs $5.", "transfer: field 'definition' has a dollar sign: formulas go int"),
        ("term: transfer", "term:", "transfer: field 'term' is None: expected a text"),
        ("term: transfer", "term: Sharing", "sharing: field 'term' is 'sharing', as that of tran"),
        ("theta_{k}", "theta_{k", "sharing: field 'formula' has 1 '{' and 0 '}': close each of"),
        ("transfer:\n", "sharing:\n", "glossary.yaml: sharing: stands there twice; rename one"),
        ("transfer:\n", "Big_Slug:\n", "Big_Slug: a slug has only a-z, 0-9 and single hyphens"),
        ("transfer:\n", "1:\n", "glossary.yaml: 1: a slug has only a-z, 0-9 and single hyphens"),
        (ENTRY, "a: text", "glossary.yaml: a: expected fields such as term, found 'text'"),
        (ENTRY, "- a", "holds no terms: it should map a slug to each one's fields"),
        (ENTRY, "", "holds no terms"),
        (ENTRY, "a: [", "restore it from version control"),
    ],
)  # fmt: skip
def test_faults_are_named(old: str, new: str, text: str, read) -> None:
    assert old in ENTRY
    with pytest.raises(GlossaryError, match=re.escape(text)):
        read(ENTRY.replace(old, new, 1))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GlossaryError, match=r"no.yaml.*restore it from version control"):
        glossary.read(tmp_path / "no.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"caf\xe9: 1")
    with pytest.raises(GlossaryError, match=r"latin\.yaml"):
        glossary.read(tmp_path / "latin.yaml")


# ---- the page


def test_anchors_are_the_slugs_and_every_link_has_one() -> None:
    page = glossary.page()
    anchors = re.findall(r'<a id="([^"]+)"></a>\*\*', page)
    assert sorted(anchors) == sorted(glossary.terms())
    headings = {heading.lower() for heading in re.findall(r"^## (.+)$", page, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= {*anchors, *headings}
    assert page.startswith("# Glossary\n\n") and page.endswith(".*\n")


def test_the_page_is_in_alphabetical_order() -> None:
    names = re.findall(r"</a>\*\*(.+?)\.\*\*", glossary.page())
    assert len(names) == len(glossary.terms())
    assert names == sorted(names, key=lambda name: name.replace("\\", "").casefold())


def test_an_entry_has_all_that_is_known() -> None:
    term = glossary.terms()["lora"]
    found = glossary.markdown([term], {"03": "03_fine_tuning.ipynb"})
    assert found == (
        f'<a id="lora"></a>**LoRA.** {term.definition}\n\n$${term.formula}$$\n\n'
        "*Lessons [03](03_fine_tuning.ipynb), 05. See [adapter](#adapter), "
        "[parameter-efficient fine-tuning](#peft). Source: Hu et al. 2022.*\n"
    )


def test_signs_in_terms_are_not_taken_for_markup() -> None:
    found = glossary.markdown([Term("a", "then, the sign >", "B_x and *c*.", ("00",))])
    assert r"**then, the sign \>.** B\_x and \*c\*." in found


# ---- in a notebook


def test_without_a_notebook_it_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    glossary.show("10")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(glossary.of("10"))
    assert lines[0].startswith("- [multi-label classification](glossary.md#multi-label-classific")


def test_in_a_notebook_there_are_cards_and_a_list_without_a_network(root: Path) -> None:
    source = "from mtlkit import glossary\nglossary.show('10')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    outputs = []
    for _ in range(2):
        NotebookClient(notebook, resources={"metadata": {"path": str(root)}}).execute()
        (output,) = notebook.cells[0].outputs
        outputs.append(output.data)
    assert outputs[0] == outputs[1], "the same source gives the same notebook"
    shown = outputs[0]["text/html"]
    for term in glossary.of("10"):
        link = f'<dt><a href="glossary.md#{term.slug}">{html.escape(term.term)}</a></dt>'
        assert link in shown.split("<script>")[0]
        assert html.escape(term.definition) in shown.split("<script>")[0]
        assert f'"front": "{html.escape(term.term)}"' in shown
    assert shown.count('id="terms-10"') == 1 and 'getElementById("terms-10")' in shown
    assert 'getElementById("list-10").open = false' in shown
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", shown)
    assert outputs[0]["text/markdown"] == outputs[0]["text/plain"]
    assert outputs[0]["text/plain"].startswith("- [multi-label classification](glossary.md#")
