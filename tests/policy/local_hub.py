"""A Hub on this machine: the calls that huggingface_hub makes to create, upload, list and download one repository."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

REPOSITORY = "test/model"
COMMIT = "a" * 40


class _Handler(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        listing = [
            {"type": "file", "path": name, "size": len(data), "oid": "0" * 40} for name, data in self.files.items()
        ]
        if path.startswith(f"/api/models/{REPOSITORY}/tree"):
            self._answer(json.dumps(listing).encode())
        elif path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": name} for name in self.files]
            self._answer(json.dumps({"_id": "1", "id": REPOSITORY, "sha": COMMIT, "siblings": siblings}).encode())
        elif path.startswith(f"/{REPOSITORY}/resolve/") and path.split("/")[-1] in self.files:
            self._answer(self.files[path.split("/")[-1]])
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        content = self._body()
        if self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(content)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self._answer(json.dumps({"files": modes}).encode())
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            address = f"{self._here()}/commit/{COMMIT}"
            self._answer(json.dumps({"success": True, "commitOid": COMMIT, "commitUrl": address}).encode())
        else:  # create, validate-yaml
            self._answer(json.dumps({"url": self._here(), "errors": [], "warnings": []}).encode())

    def _here(self) -> str:
        return f"http://{self.headers['Host']}/{REPOSITORY}"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def local_hub() -> Iterator[tuple[str, dict[str, bytes]]]:
    """(address, files that were uploaded by name)."""
    files: dict[str, bytes] = {}
    handler = type("Handler", (_Handler,), {"files": files, "protocol_version": "HTTP/1.1"})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", files
    finally:
        server.shutdown()
