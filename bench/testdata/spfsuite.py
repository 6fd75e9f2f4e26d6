"""spfsuite.py FILE: prints the tests of an SPF suite in YAML (plain or gzip), one JSON object a line, each with its zone in the
form of `mxdesk inspect --dns`."""

import gzip
import json
import sys

import yaml


def records(listed):
    """The records of one name. The suite says SPF for what is published as TXT, unless TXT is listed besides."""
    listed = [{"TIMEOUT": True} if r == "TIMEOUT" else dict(r) for r in listed]
    has_txt = any("TXT" in r for r in listed)
    out = []
    for record in listed:
        for kind, value in record.items():
            if kind == "SPF" and not has_txt:
                out.append({"TXT": value})
            elif kind != "SPF" and not (kind == "TXT" and value == "NONE"):
                out.append({kind: value})
    return out


opened = gzip.open if sys.argv[1].endswith(".gz") else open
with opened(sys.argv[1], "rt", encoding="utf-8") as file:
    for section in yaml.load_all(file, Loader=yaml.BaseLoader):
        if not section:
            continue
        zone = {name.lower(): records(listed) for name, listed in section["zonedata"].items()}
        for name, test in section["tests"].items():
            result = test["result"]
            print(json.dumps({
                "name": name, "zone": zone, "ip": test["host"], "helo": test["helo"], "mailfrom": test.get("mailfrom", ""),
                "results": result if isinstance(result, list) else [result], "explanation": test.get("explanation"),
            }))
