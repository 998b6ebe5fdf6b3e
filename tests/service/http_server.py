#!/usr/bin/python3
"""A web server on loopback for one test.

usage: http_server.py DIRECTORY STATUS...
Writes its port to DIRECTORY/port and each request as JSON to DIRECTORY/request-N (N from 1). The N-th answer has the N-th
STATUS, the last one again and again. A STATUS of "silence" is no answer, "endless" one of 200 that does not end, and a
redirection points at file:///etc/passwd.
"""
import http.server
import json
import os
import sys
import threading
from pathlib import Path

directory, statuses = Path(sys.argv[1]), sys.argv[2:]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        cls = type(self)
        cls.count += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        status = statuses[min(cls.count, len(statuses)) - 1]
        request = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}
        (directory / "new").write_text(json.dumps(request))
        os.rename(directory / "new", directory / f"request-{cls.count}")
        if status == "silence":
            threading.Event().wait()
        self.send_response(200 if status == "endless" else int(status))
        if status.startswith("3"):
            self.send_header("Location", "file:///etc/passwd")
        if status == "endless":
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *unused):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *unused):
        pass  # the client hung up, as it should


server = Server(("127.0.0.1", 0), Handler)
(directory / "new").write_text(str(server.server_address[1]))
os.rename(directory / "new", directory / "port")
server.serve_forever()
