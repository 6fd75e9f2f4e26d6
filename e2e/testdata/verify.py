"""verify.py SERVER PORT FILE...: prints, for each letter, what dkimpy makes of each DKIM signature, as JSON."""

import json
import re
import sys

import dkim
import dns.resolver

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [sys.argv[1]], int(sys.argv[2])


def txt(name: bytes, timeout: int = 5) -> bytes:
    answer = resolver.resolve(name.decode().rstrip("."), "TXT", lifetime=timeout)
    return b"".join(answer[0].strings)


for path in sys.argv[3:]:
    with open(path, "rb") as file:
        letter = re.sub(rb"\r?\n", b"\r\n", file.read())
    found = []
    count = sum(1 for name, _ in dkim.DKIM(letter).headers if name.lower() == b"dkim-signature")
    for index in range(count):
        check = dkim.DKIM(letter, minkey=2048)
        try:
            result = "pass" if check.verify(idx=index, dnsfunc=txt) else "fail"
        except dkim.DKIMException as error:
            result = f"error: {error}"
        found.append({
            "algorithm": check.signature_fields.get(b"a", b"").decode(),
            "domain": check.signature_fields.get(b"d", b"").decode(),
            "result": result,
        })
    print(json.dumps(found))
