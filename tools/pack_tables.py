"""Makes what `carbonwatch grid update` fetches: grid-tables.zip and its SHA-256, of the tables as they are here.

python -m tools.pack_tables 2027-05-01 dist

Both files go into the release. The day is the edition's name: every intensity from it says so.
"""

from __future__ import annotations

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

from carbonwatch import tables
from carbonwatch.grid import _update


def pack(day: str, folder: Path, data: Path = Path(tables.BUNDLED)) -> Path:
    """The archive, with its checksum beside it."""
    path = folder / "grid-tables.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*(f"{table}.csv" for table in _update.TABLES), _update.NOTICE):
            archive.write(data / name, name)
        archive.writestr(tables.EDITION, f"{day}\n")
    Path(f"{path}.sha256").write_text(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return path


if __name__ == "__main__":
    print(pack(sys.argv[1], Path(sys.argv[2])))
