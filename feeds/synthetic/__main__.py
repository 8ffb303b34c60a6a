"""Write the small sample of data/: ``python -m feeds.synthetic --out data --seed 0``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from feeds.synthetic import sample

if TYPE_CHECKING:
    from feeds.dataset import Dataset

START, END = "2024-11-05", "2024-11-08"  # the day before the flash crash, its day, and the one after


def shipped(seed: int) -> "Dataset":
    """Return what data/ holds: three days of ``sample(seed=seed, symbols="all")``."""
    return sample(seed=seed, symbols="all").between(START, END)


def write(root: Path, seed: int) -> int:
    """Write the sample into a catalog, partitions whole, and return the number of rows."""
    from feeds.catalog import Catalog

    catalog = Catalog(root)
    data = shipped(seed)
    source = {"name": "feeds.synthetic", "seed": seed}
    for stream in data.streams:
        proof = "id_contiguous" if stream.kind == "trades" else "none"
        catalog.write(
            stream.venue, stream.symbol, stream.kind, stream.table(), source=source, proof=proof, replace=True
        )
    return data.rows


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m feeds.synthetic", description="Write the synthetic sample of data/."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the catalog")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{write(given.out, given.seed):,} rows of {START} to {END} (end excluded) written to {given.out}")


if __name__ == "__main__":
    main()
