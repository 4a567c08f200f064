import json, os, sys, urllib.request

MOCK = os.environ.get("MOCK", "http://localhost:3000")


def post(session, stanza):
    url = f"{MOCK}/mock/sessions/{session}/stanzas"
    request = urllib.request.Request(url, json.dumps(stanza).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()


def presence(step):
    jid = lambda id: id.replace("@c.us", "@s.whatsapp.net")
    attrs = {"from": jid(step["chat"]), "participant": jid(step["participant"])}
    if step["is"] == "offline":
        attrs |= {"type": "unavailable", "last": str(step.get("lastSeen", "deny"))}
    if step["is"] in ("online", "offline"):
        return {"tag": "presence", "attrs": attrs}
    child = {"typing": "composing", "recording": "composing", "stopped": "paused"}[step["is"]]
    media = {"media": "audio"} if step["is"] == "recording" else {}
    return {"tag": "chatstate", "attrs": attrs, "content": [{"tag": child, "attrs": media}]}


for line in sys.stdin:
    step, answer = json.loads(line), {"ok": True}
    if step["step"] == "hello":
        answer |= {"abilities": ["presence", "people", "groups"], "immediate": True}
    elif step["step"] == "presence":
        post(step["session"], presence(step))
    else:
        answer = {"ok": False, "error": "not something that this driver can do"}
    print(json.dumps(answer), flush=True)
