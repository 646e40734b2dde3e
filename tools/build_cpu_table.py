"""Builds src/carbonwatch/data/cpu_tdp.csv: rated power and cores by the canonical model of `carbonwatch.cpunames`.

    python tools/build_cpu_table.py NAMES.csv > src/carbonwatch/data/cpu_tdp.csv

NAMES.csv has the columns key (any spelling of the model), tdp_w, cores. Spellings of one model are brought together;
where they disagree, the one that is spelled canonically wins, else the one with cores, else the smaller power.
"""

from __future__ import annotations

import csv
import sys

from carbonwatch.cpunames import key_of

# models that the list lacks, from their makers' data sheets
ADDED = {
    "opteron 240 he": (55, 1),
    "opteron 4176 he": (65, 6),
    "opteron 2210 he": (68, 2),
    "opteron 8220 se": (120, 2),
    "opteron 2344 he": (55, 4),
    "opteron 2347 he": (55, 4),
    "opteron 2377 ee": (40, 4),
    "opteron 2350": (75, 4),
    "opteron 2352": (75, 4),
    "opteron 2376": (75, 4),
    "opteron 2376 he": (55, 4),
    "opteron 2378": (75, 4),
    "opteron 2380": (75, 4),
    "opteron 2389": (75, 4),
    "opteron 2393 se": (105, 4),
    "opteron 2427": (75, 6),
    "opteron 2431": (75, 6),
    "opteron 2435": (75, 6),
    "opteron 8354": (75, 4),
    "opteron 8356": (75, 4),
    "opteron 8360 se": (105, 4),
    "opteron 8389": (75, 4),
    "opteron 8435": (75, 6),
    "opteron 8439 se": (105, 6),
    "opteron 2425 he": (55, 6),
    "opteron 4164 ee": (32, 6),
    "opteron 8384": (75, 4),
    "opteron 8425 he": (55, 6),
    "core 5-320": (25, 8),
    "core 7-350": (25, 8),
    "core m-5y70": (4.5, 2),
    "core i7-820qm": (45, 4),
    "core 3-n355": (15, 8),
    "core ultra 270k": (125, 24),
    "core ultra 355": (25, 8),
    "core2 6300": (65, 2),
    "core2 x6800": (75, 2),
    "amd 0405": (15, 4),
    "amd 4700s": (65, 8),
    "ryzen 215": (28, 6),
    "ryzen ai 430": (28, 4),
    "ryzen ai 450": (28, 8),
    "ryzen ai 465": (28, 10),
    "a10 7350b": (19, 4),
    "jintide c2460": (150, 24),
    "xeon 658x": (250, 24),
    "via l4700": (27.5, 4),
    "via l3050": (13, 1),
    "zhaoxin kx-u6780a": (70, 8),
    "quark 2000": (0.05, 1),
    "amd 0932": (15, 4),
    "celeron 2.53": (73, 1),  # Celeron D 325
    "celeron d 3.06": (65, 1),  # 347, the only one of that clock with D in its name
    "celeron m 1.30": (24.5, 1),
    "pentium 4 3.46": (110.7, 1),
    "pentium 4 3.73": (115, 1),
    "pentium d 2.80": (95, 2),
    "pentium iii 1.27": (29.5, 1),
    "athlon x2 3800+": (89, 2),
    "athlon x2 4000+": (65, 2),
    "athlon x2 6400+": (125, 2),
    "opteron x3216": (15, 2),
    "core i5-l16g7": (7, 5),
    "core i3-l13g4": (7, 5),
    "core 9-273pqe": (125, 12),
    "intel cc150": (95, 8),
    "via l2200": (17, 1),
    "via esther 1.50": (12, 1),
    "transmeta tm5800": (7.5, 1),
    "raspberry pi 3": (4, 4),
    "raspberry pi 4": (6, 4),
    "raspberry pi 5": (9, 4),
    "raspberry pi zero 2": (2, 4),
    "bcm2711": (6, 4),
    "bcm2712": (9, 4),
    "bcm2837": (4, 4),
    "nvidia grace": (500, 144),
}


def main(path: str) -> None:
    best: dict[str, tuple[tuple[bool, bool, float], float, str]] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = key_of(row["key"])
            if key and key.startswith("xeon legacy") and "legacy" not in row["key"]:
                key = row["key"]  # Gold 5120 of 2017, not the Xeon 5120 of 2006
            if key is None:
                continue
            watts = float(row["tdp_w"])
            rank = (key != row["key"], not row["cores"], watts)
            if key not in best or rank < best[key][0]:
                best[key] = (rank, watts, row["cores"])
    table = {key: (watts, cores) for key, (_, watts, cores) in best.items()}
    for key, (watts, count) in ADDED.items():
        table[key] = (watts, str(count))
    print("key,tdp_w,cores")
    for key in sorted(table):
        print(f"{key},{table[key][0]:g},{table[key][1]}")


if __name__ == "__main__":
    main(sys.argv[1])
