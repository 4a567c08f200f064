"""A webhook receiver in Flask that verifies signatures as applications do; prints each event as JSON."""

import hashlib
import hmac
import json
import sys

from flask import Flask, abort, request
from werkzeug.serving import make_server

KEY = sys.argv[1]
app = Flask(__name__)


@app.post("/webhook")
def webhook():
    signature = hmac.new(KEY.encode(), request.get_data(), hashlib.sha512).hexdigest()
    if not hmac.compare_digest(signature, request.headers["X-Webhook-Hmac"]):
        print(json.dumps({"forged": True}), flush=True)
        abort(401)
    print(json.dumps({"event": request.get_json(), "headers": request.headers.to_wsgi_list()}), flush=True)
    return "", 200


server = make_server("127.0.0.1", 0, app, threaded=True)
print(json.dumps({"url": f"http://127.0.0.1:{server.port}/webhook"}), flush=True)
server.serve_forever()
