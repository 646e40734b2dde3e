"""What it costs to find a place and its intensity: cold in a new process, tables unread, and warm.

    python benchmarks/grid_lookup.py [--rounds 9]

Cold is the first look-up, imports not counted; warm is the mean of the next 500. Medians of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

# what tells the place -> settings, and the environment
CASES = {
    "country=FR": ("country='FR'", {}),
    "country=FRA": ("country='FRA'", {}),
    "country=France": ("country='France'", {}),
    "country=Cote d'Ivoire": ('country="Cote d\'Ivoire"', {}),
    "region=US-CA": ("region='US-CA'", {}),
    "region=California": ("region='California'", {}),
    "region=CAMX": ("region='CAMX'", {}),
    "cloud=aws/eu-west-3": ("cloud='aws/eu-west-3'", {}),
    "AWS_REGION": ("", {"AWS_REGION": "us-east-1", "AWS_EXECUTION_ENV": "x"}),
    "AWS_REGION, unknown": ("", {"AWS_REGION": "us-east-9"}),
    "AZURE_REGION, unknown": ("", {"AZURE_REGION": "francenorth"}),
    "TZ=Europe/Paris": ("", {"TZ": "Europe/Paris"}),
    "TZ=America/New_York": ("", {"TZ": "America/New_York"}),
    "nothing": ("", {"TZ": "UTC"}),
    "at=45.7,4.8": ("at='45.7,4.8'", {}),
    "at=-77.8,166.7": ("at='-77.8,166.7'", {}),  # far from any town: the widest search
    "at=51.5,7.2": ("at='51.5,7.2'", {}),  # where towns are many
    "place=Lyon, France": ("place='Lyon, France'", {}),
    "place=sao paulo": ("place='sao paulo'", {}),
    "place=Mailand": ("place='Mailand'", {}),
}
PROGRAM = """
import time
from carbonwatch.grid.bundled import find
from carbonwatch.location import locate
from carbonwatch.settings import Settings
settings, environ = Settings({settings}), {environ}
def look_up():
    return find(locate(settings, environ))
began = time.perf_counter()
look_up()
cold = time.perf_counter() - began
began = time.perf_counter()
for _ in range(500):
    look_up()
print(cold, (time.perf_counter() - began) / 500)
"""


def once(settings: str, environ: dict[str, str]) -> tuple[float, float]:
    """Seconds of a cold and of a warm look-up."""
    program = PROGRAM.format(settings=settings, environ=environ)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    cold_s, warm_s = map(float, answer.stdout.split())
    return cold_s, warm_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(f"{'what tells the place':24} {'cold':>9} {'warm':>9}")
    for name, (settings, environ) in CASES.items():
        found = [once(settings, environ) for _ in range(rounds)]
        cold_s, warm_s = (statistics.median(times) for times in zip(*found, strict=True))
        print(f"{name:24} {1e3 * cold_s:6.2f} ms {1e6 * warm_s:6.1f} µs")


if __name__ == "__main__":
    main()
