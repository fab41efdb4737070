"""Reads a CSV file and prints mean and deviation of every column of numbers as JSON."""
import csv
import json
import statistics
import sys

path = sys.argv[1]
with open(path, newline="") as file:
    rows = list(csv.DictReader(file))

result = {}
for name in rows[0]:
    values = [float(row[name]) for row in rows if row[name].replace(".", "", 1).lstrip("-").isdigit()]
    if len(values) > 1:
        result[name] = {
            "count": len(values),
            "mean": round(statistics.mean(values), 4),
            "deviation": round(statistics.stdev(values), 4),
        }

print(f"{path}: {len(rows)} rows, Python {sys.version.split()[0]} on {sys.platform}", file=sys.stderr)
with open("/out/statistics.json", "w") as file:
    json.dump(result, file, indent=2, sort_keys=True)
