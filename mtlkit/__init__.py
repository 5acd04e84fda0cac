"""mtlkit: transfer learning and multi-task learning, compared fairly.

Everything the study measures is a *route*: where an encoder's weights start, and what it is
trained on, in which order.  ``>`` moves knowledge in sequence, ``+`` shares it in parallel.
"""

import warnings
from importlib.metadata import version
from pathlib import Path

# In a notebook without widgets, tqdm, which transformers loads, would say so in red: its bars are
# text there, as they are meant to be.
warnings.filterwarnings("ignore", message="IProgress not found")

__all__ = ["DATA", "__version__"]

__version__ = version("mtlkit")

_here = Path(__file__).resolve().parent

DATA: Path = next(
    (folder for folder in (_here / "data", _here.parent / "data") if folder.is_dir()),
    _here.parent / "data",
)
"""The registry of corpora, the embedded world's grammar and lexicon, and committed results.

It lies inside the package in a wheel, and beside it in a checkout.
"""
