"""pip install 'anthropic[webhooks]', then: WEBHOOK_SECRET=whsec_... python receiver.py"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from anthropic import Anthropic

client = Anthropic(api_key="not needed to verify", webhook_key=os.environ["WEBHOOK_SECRET"])
seen = set()  # in production: a unique column in your database


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            event = client.beta.webhooks.unwrap(body, headers=headers)
        except Exception:
            self.send_response(401)
        else:
            if event.id not in seen:  # deliveries can repeat
                seen.add(event.id)
                print(event.data.type, event.data.id, flush=True)  # queue it; fetch the profile later
            self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
