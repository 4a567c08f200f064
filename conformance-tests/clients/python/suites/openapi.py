"""schemathesis over the server's own /openapi.json, on a server with a key and on one without: nothing is found.

Virtual time runs a thousand times as fast, so that waiting for WhatsApp does not slow the requests down.
"""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from harness import KEY, Server, case, finish

SEED = os.environ.get("SEED", "1")


def tested(url, key, report):
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", os.environ["CLIENTS_SCHEMATHESIS"], "run", f"{url}/openapi.json", "--seed", SEED, "--max-examples", "25",
        "--continue-on-failure", "--report", "junit", "--report-junit-path", report, "--no-color",
    ]
    output = subprocess.run(command + (["--header", f"X-Api-Key: {key}"] if key else []), cwd=os.path.dirname(report),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300).stdout
    if not os.path.exists(report):
        raise AssertionError(output[-500:])
    return xml.parse(report).getroot().iter("testcase")


def summary(text):
    """The titles, statuses and requests of a report's failures, without its prose."""
    lines = (line.strip() for line in text.splitlines())
    return " ".join(line for line in lines if line.startswith(("- ST", "[", "curl ")))


for name, key in (("with a key", KEY), ("without a key", None)):
    with tempfile.TemporaryDirectory() as directory, Server("--speed", "1000", key=key) as server:
        operations = None
        with case(f"schemathesis ends, {name} (seed {SEED})"):
            operations = list(tested(server.url, key, os.path.join(directory, "report.xml")))
        for operation in operations or []:
            with case(f"{operation.get('name')}, {name}"):
                found = [child for child in operation if child.tag in ("failure", "error")]
                if found:
                    raise AssertionError(" | ".join(summary(child.text) for child in found))
finish()
