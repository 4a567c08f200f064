import json, os, sys, urllib.request

MOCK, KEY = os.environ.get("MOCK", "http://localhost:3000"), os.environ.get("WAHA_API_KEY", "")


def stanza(step):
    jid = lambda id: id.replace("@c.us", "@s.whatsapp.net")
    attrs = {"from": jid(step["chat"]), "participant": jid(step["participant"])}
    if step["is"] in ("online", "offline"):
        gone = {"type": "unavailable", "last": str(step.get("lastSeen", "deny"))}
        return {"tag": "presence", "attrs": attrs | (gone if step["is"] == "offline" else {})}
    child = {"tag": "paused" if step["is"] == "stopped" else "composing"}
    child["attrs"] = {"media": "audio"} if step["is"] == "recording" else {}
    return {"tag": "chatstate", "attrs": attrs, "content": [child]}


for line in sys.stdin:
    step, answer = json.loads(line), {"ok": True}
    if step["step"] == "hello":
        answer |= {"abilities": ["presence", "people", "groups"], "immediate": True}
    else:
        url = f"{MOCK}/mock/sessions/{step['session']}/stanzas"
        headers = {"Content-Type": "application/json", "X-Api-Key": KEY}
        body = json.dumps(stanza(step)).encode()
        urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
    print(json.dumps(answer), flush=True)
