"""Short requests that ask for a great deal."""

import json
import sys

from server import healthy, request

MILLION = 1_000_000
TRAFFIC = [
    {"contacts": MILLION, "groups": MILLION, "group_size": MILLION},
    {"contacts": 20_000, "groups": 1_000, "group_size": 20_000},
    {"contacts": 10**18},
]
for traffic in TRAFFIC:
    lines = "\n".join(f"{name} = {value}" for name, value in traffic.items())
    body = json.dumps({"scenario": f"[traffic]\n{lines}\n"}).encode()
    status, body = request("POST", "/mock/reset", body)
    print(f"{traffic}: {status} {body[:160].decode()}")
    if not 400 <= status < 500:
        sys.exit("expected a refusal that names the limit")
    healthy("traffic", 128)

HOOK = {"url": "http://127.0.0.1:9/", "events": ["*"]}
HEADERS = [{"name": f"x-{number}", "value": "x" * 1000} for number in range(900)]
CONFIGS = [
    {"metadata": {"k": "x" * 900_000}},
    {"webhooks": [HOOK] * 5_000},
    {"webhooks": [{**HOOK, "customHeaders": HEADERS}]},
    {"webhooks": [{**HOOK, "retries": {"attempts": 10**9}}]},
    {"webhooks": [{**HOOK, "retries": {"delaySeconds": 10**12}}]},
]
for config in CONFIGS:
    body = json.dumps({"name": "numbers", "config": config}).encode()
    status, answer = request("POST", "/api/sessions", body)
    print(f"{str(config)[:60]}: {status} {answer[:160].decode()}")
    if status != 400:
        sys.exit("expected 400 with the limit")
healthy("configurations", 128)
