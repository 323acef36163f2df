"""What the console script `smalti` runs: a step before the package, because numpy comes with it.

numpy's OpenBLAS starts a thread per core when it is loaded and lets them spin. smalti uses no
linear algebra, and those threads cost a small picture a third of its time. A library must not
decide that for its host; a command may, and only before numpy is loaded.
"""

import os
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line of this process."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from smalti.cli import main
    except KeyboardInterrupt:  # so early, the command's own handling is not loaded yet
        os._exit(130)
    main()
