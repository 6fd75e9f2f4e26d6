"""greylist.py: a filter of OpenSMTPD that answers 451 to the first letter for the user grey."""

import sys

seen = set()
for line in sys.stdin:
    field = line.rstrip("\n").split("|")
    if field[:2] == ["config", "ready"]:
        print("register|filter|smtp-in|rcpt-to\nregister|ready", flush=True)
    elif field[0] == "filter":
        session, token, recipient = field[5], field[6], field[7]
        grey = recipient.startswith("grey@") and recipient not in seen
        if grey:
            seen.add(recipient)
        verdict = "reject|451 4.7.1 Greylisted, come back later" if grey else "proceed"
        print(f"filter-result|{session}|{token}|{verdict}", flush=True)
