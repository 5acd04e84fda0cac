"""Treebanks of Universal Dependencies by their code: ``de_gsd`` is UD_German-GSD.

A code is the language (ISO 639) and the treebank, in small letters: so the files of a release are
named.  The repository has them spelt out: the language's English name, which `langcodes` knows
from the Unicode CLDR, and the treebank, mostly in capitals.  Addresses are made by these rules
alone, nothing is asked for; whether there is a file at one is known when it is fetched.
"""

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["RELEASE", "TreebankError", "fetch", "repository", "urls"]

RELEASE = "2.16"
"""The release of UD that is meant where none is said: that of the corpus ``ewt``."""

HOST = "https://raw.githubusercontent.com/UniversalDependencies"
SPLITS = ("train", "dev", "test")
TIMEOUT = 20.0  # seconds without an answer after which an attempt ends

USUAL = {
    "ar": "padt", "bg": "btb", "cs": "pdt", "da": "ddt", "de": "gsd", "en": "ewt", "es": "gsd",
    "fi": "tdt", "fr": "gsd", "he": "htb", "hu": "szeged", "id": "gsd", "it": "isdt", "ja": "gsd",
    "ko": "gsd", "lv": "lvtb", "nl": "alpino", "no": "bokmaal", "pl": "pdb", "pt": "bosque",
    "ro": "rrt", "ru": "syntagrus", "sv": "talbanken", "uk": "iu", "zh": "gsd",
}  # fmt: skip
"""The treebank that a language alone means here: a choice of ours, mostly a general one."""

_SPELT = {
    name.lower(): name
    for name in (
        "Alpino", "AnCora", "ArmTDP", "Bokmaal", "Bosque", "FarPaHC", "GSDSimp", "IAHLTwiki",
        "IcePaHC", "Kyoto", "LassySmall", "NynorskLIA", "Nynorsk", "ParTUT", "PunTB",
        "Scriptorium", "Sequoia", "Seraji", "SynTagRus", "Szeged", "Talbanken", "TreeGal",
    )
}  # fmt: skip
"""Treebanks that are not all capitals; for another, write the code with its capitals."""

_LANGUAGES = {"cu": "Old_Church_Slavonic", "lzh": "Classical_Chinese", "sme": "North_Sami"}
"""Languages that UD calls otherwise than the CLDR does."""


class TreebankError(ValueError):
    """A code that names no treebank, or one that cannot be fetched."""


def _parts(code: str) -> tuple[str, str]:
    """Language and treebank, as the code has them."""
    match = re.fullmatch("([a-z]{2,3})(?:_([A-Za-z0-9]+))?", code)
    if match is None:
        raise TreebankError(
            f"{code!r} is no code of a treebank: expected a language, as in de, or a language and "
            "a treebank, as in de_gsd"
        )
    language, treebank = match[1], match[2] or USUAL.get(match[1])
    if treebank is None:
        raise TreebankError(
            f"no usual treebank is known for {language!r} ({_name(language)}): say which, as in "
            f"{language}_xyz; https://universaldependencies.org lists them"
        )
    return language, treebank


def _name(language: str) -> str:
    import langcodes  # reads its tables when it is loaded

    if language in _LANGUAGES:
        return _LANGUAGES[language]
    found = langcodes.Language.get(language)
    name = found.display_name() if found.is_valid() else ""
    if not name or name.startswith("Unknown"):
        raise TreebankError(
            f"{language!r} is no language that is known: expected a code of ISO 639, such as de"
        )
    return re.sub(r"[^\w]+", "_", name)


def repository(code: str) -> str:
    """The name of a treebank's repository.

    >>> repository("de_gsd"), repository("grc_proiel"), repository("fr_ParisStories")
    ('UD_German-GSD', 'UD_Ancient_Greek-PROIEL', 'UD_French-ParisStories')
    """
    language, treebank = _parts(code)
    as_written = treebank if treebank != treebank.lower() else ""
    return f"UD_{_name(language)}-{as_written or _SPELT.get(treebank) or treebank.upper()}"


def urls(code: str, *, release: str = RELEASE) -> dict[str, str]:
    """The address of each split's file, by split, at the tag of a release.

    A tag can be moved, unlike a commit, so a checksum is kept of what was first fetched.  Raises
    `TreebankError` for a code or a release that cannot be one.

    >>> urls("de_gsd", release="2.16")["dev"].removeprefix(HOST)
    '/UD_German-GSD/r2.16/de_gsd-ud-dev.conllu'
    """
    if not re.fullmatch("[12][.][0-9]{1,2}", release):
        raise TreebankError(f"{release!r} is no release of UD: expected a number such as {RELEASE}")
    language, treebank = _parts(code)
    folder = f"{HOST}/{repository(code)}/r{release}"
    return {s: f"{folder}/{language}_{treebank.lower()}-ud-{s}.conllu" for s in SPLITS}


def fetch(
    code: str, folder: Path, *, release: str = RELEASE
) -> tuple[dict[str, Path], Mapping[str, str]]:
    """Download a treebank's files to a folder; by split, the paths and the addresses.

    A file that its repository does not have is left out, as of treebanks that are for testing
    only.  Raises `TreebankError` if there is none at all, or no network.
    """
    import pooch  # slow to import, both
    import requests

    pooch.get_logger().setLevel("WARNING")
    addresses, paths = urls(code, release=release), {}
    for split, url in addresses.items():
        name = f"{split}.conllu"
        downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
        try:
            # No checksum is known before: the registry keeps that of what comes now.
            pooch.retrieve(url, known_hash=None, fname=name, path=folder, downloader=downloader)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                continue
            raise TreebankError(f"{code}: {url} answers {error}; try again later") from None
        except requests.RequestException as error:
            raise TreebankError(
                f"{code}: cannot download {url} ({type(error).__name__}); connect to the network, "
                "or get the files elsewhere and add their folder"
            ) from None  # a network's own errors are pages long
        paths[split] = folder / name
    if not paths:
        raise TreebankError(
            f"{code}: there is no file at {addresses['train']} nor for another split; the release "
            f"has no {repository(code)}, or it is spelt otherwise: write the treebank with its "
            "capitals, as in fr_ParisStories; https://universaldependencies.org lists them"
        )
    return paths, {split: addresses[split] for split in paths}
