"""Short requests to the control API that ask for a great deal of work."""

import json
import sys
import time
import zlib

from server import healthy, memory, request

STANZAS = "/mock/sessions/default/stanzas"


def reset(scenario):
    """The status and body of a reset to this scenario."""
    return request("POST", "/mock/reset", json.dumps({"scenario": scenario}).encode())


def frame(children, grandchildren):
    """A compressed frame: a node with that many children, each with that many of its own."""
    child = b"\xf8\x02\x03\xf8" + bytes([grandchildren]) + b"\xf8\x01\x03" * grandchildren
    node = b"\xf8\x02\x03\xf9" + children.to_bytes(2, "big") + child * children
    return "02" + zlib.compress(node, 9).hex()


def many_nodes():
    """A frame of 16 MiB and 5.5 million nodes, which compresses to a thousandth."""
    return request("POST", STANZAS, json.dumps({"frame": frame(65_535, 83)}).encode())


def many_nodes_in_a_short_frame():
    """A frame below the limit of bytes, with 300,000 nodes."""
    return request("POST", STANZAS, json.dumps({"frame": frame(4_000, 83)}).encode())


def sessions_times_contacts():
    """Each session subscribes to each contact."""
    sessions = "".join(f"[sessions.s{number}]\n" for number in range(200))
    return reset(f"{sessions}[traffic]\ncontacts = 100000\n")


def long_names():
    """Two names of 100,000 letters that are nearly the same, for the hint of an error."""
    name = "a" * 100_000
    step = f'[[timeline]]\nat = "1s"\nwho = "{name}b"\ndoes = "online"\n'
    return reset(f'[contacts."{name}"]\nphone = "1001"\n{step}')


def many_errors():
    """Five hundred contacts and 12,000 steps with names that are none of theirs."""
    contacts = "".join(f'[contacts.contact{n}]\nphone = "{1000 + n}"\n' for n in range(500))
    step = '[[timeline]]\nat="1s"\nwho="contacts-1000"\ndoes="online"\n'
    return reset(contacts + step * 12_000)


def long_advance():
    """A step per millisecond, for a hundred years."""
    step = '[[timeline]]\nat = "0s"\nrepeat = { every = "1ms" }\nwho = "a"\ndoes = "online"\n'
    reset(f'[contacts.a]\nphone = "1001"\n{step}')
    return request("POST", "/mock/clock/advance", b'{"by":"36500d"}')


ATTACKS = [
    many_nodes,
    many_nodes_in_a_short_frame,
    long_names,
    many_errors,
    sessions_times_contacts,
    long_advance,
]
for attack in ATTACKS:
    if sys.argv[3:] and attack.__name__ not in sys.argv[3:]:
        continue
    start = time.monotonic()
    status, body = attack()
    took = time.monotonic() - start
    print(f"{attack.__name__}: {status} in {took:.1f} s, {memory()} MiB, {body[:160].decode()}")
    if status != 400 or took > 10:
        sys.exit("expected a refusal within 10 s that names the limit")
    healthy(attack.__name__, 192)
