"""Headquarters as the uplink's tests meet it, in a network namespace `hq` of its own behind a veth pair: nginx with TLS and
client certificates, a counter of the bytes that arrive in front of it, an office proxy with a password, an echo for tunnels.

As a module: class HQ makes and cuts the line and asks for counts. As a program (inside the namespace): the servers, which
answer each line of standard input with a line of JSON.
"""
import base64
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time

ADDRESS, BOX = "198.51.100.1", "198.51.100.2"
USER, PASSWORD = "branch", "p@ss:word"
LINK, PEER = "up0", "hq0"

NGINX = """
daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/nginx-error.log; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 0; client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy;
  fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
  server {
    listen 127.0.0.1:8443 ssl;
    ssl_certificate %(folder)s/server.crt; ssl_certificate_key %(folder)s/server.key;
    ssl_client_certificate %(folder)s/ca.crt; ssl_verify_client optional;
    location / {
      proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Client $ssl_client_s_dn; proxy_set_header X-Target $request_uri;
    }
  }
}
"""


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def certificates(folder):
    def key(name, subject, extra, signer=None):
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder + "/" + name + ".key",
            "-subj", subject, "-days", "30", "-out", folder + "/" + name + (".csr" if signer else ".crt"),
            *([] if signer else ["-x509", "-addext", "basicConstraints=critical,CA:TRUE"]))
        if signer:
            with open(folder + "/ext", "w") as f:
                f.write(extra)
            run("openssl", "x509", "-req", "-in", folder + "/" + name + ".csr", "-CA", folder + "/" + signer + ".crt", "-CAkey",
                folder + "/" + signer + ".key", "-CAcreateserial", "-days", "30", "-extfile", folder + "/ext", "-out", folder + "/" + name + ".crt")
    key("ca", "/CN=hq-ca", "")
    key("other", "/CN=other-ca", "")
    key("server", "/CN=hq", "subjectAltName=IP:%s\n" % ADDRESS, "ca")
    key("client", "/CN=berlin-03", "extendedKeyUsage=clientAuth\n", "ca")


class HQ:
    """The namespace, the line to it and the servers in it."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        certificates(folder)
        run("ip", "netns", "add", "hq")
        run("ip", "link", "add", LINK, "type", "veth", "peer", "name", PEER, "netns", "hq")
        run("ip", "addr", "add", BOX + "/24", "dev", LINK)
        self.far("ip", "addr", "add", ADDRESS + "/24", "dev", PEER)
        self.far("ip", "link", "set", "lo", "up")
        self.far("ip", "link", "set", PEER, "up")
        self.up()
        self.process = subprocess.Popen(["ip", "netns", "exec", "hq", sys.executable, os.path.abspath(__file__), folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def far(self, *command):
        run("ip", "netns", "exec", "hq", *command)

    def up(self):
        run("ip", "link", "set", LINK, "up")
        run("ip", "route", "replace", "default", "via", ADDRESS)

    def down(self):
        run("ip", "link", "set", LINK, "down")

    def unplug(self):
        self.far("ip", "link", "set", PEER, "down")

    def plug(self):
        self.far("ip", "link", "set", PEER, "up")

    def counts(self):
        self.process.stdin.write("counts\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        subprocess.run(["ip", "netns", "del", "hq"], check=False)


# --- inside the namespace ---------------------------------------------------------------------------------------------

COUNTS = {"raw_in": 0, "paths": {}, "last": {}, "proxied": 0}


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        digest, size = hashlib.sha256(), 0
        path = self.path.split("?")[0]

        def take(piece):
            nonlocal size
            digest.update(piece)
            size += len(piece)
            COUNTS["paths"][path] = COUNTS["paths"].get(path, 0) + len(piece)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                length = int(self.rfile.readline().split(b";")[0], 16)
                left = length
                while left:
                    piece = self.rfile.read1(min(left, 16384))
                    left -= len(piece)
                    take(piece)
                self.rfile.readline()
                if not length:
                    break
        else:
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                piece = self.rfile.read1(min(left, 16384))
                if not piece:
                    raise ConnectionError("cut")
                left -= len(piece)
                take(piece)
        return digest.hexdigest(), size

    def answer(self):
        digest, size = self.body()
        COUNTS["last"] = {"method": self.command, "target": self.path, "headers": dict(self.headers.items()), "sha256": digest, "size": size}
        path, _, query = self.path.partition("?")
        status = int(path.split("/")[2]) if path.startswith("/status/") else 200
        data = b"x" * int(query) if path == "/download" else json.dumps(COUNTS["last"]).encode()
        self.send_response(status)
        self.send_header("X-Seen", "yes")
        if path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = answer

    def log_message(self, *_):
        pass


def pump(source, to, counter=None):
    try:
        while True:
            piece = source.recv(65536)
            if not piece:
                break
            if counter:
                COUNTS[counter] += len(piece)
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, to):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def both(client, far, counter=None):
    threading.Thread(target=pump, args=(client, far, counter), daemon=True).start()
    pump(far, client)


def serve(port, handle):
    listener = socket.create_server((ADDRESS, port), backlog=128)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=guarded, args=(handle, client), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def guarded(handle, client):
    try:
        handle(client)
    except OSError:
        pass
    finally:
        client.close()


def front(client):
    far = socket.create_connection(("127.0.0.1", 8443))
    both(client, far, "raw_in")


def echo(client):
    pump(client, client)


def office_proxy(client):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(4096)
        if not piece:
            return
        head += piece
    head, _, rest = head.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    method, target, _ = lines[0].split(" ")
    fields = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in lines[1:])
    wanted = "Basic " + base64.b64encode((USER + ":" + PASSWORD).encode()).decode()
    if fields.get("proxy-authorization") != wanted:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"office\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return
    COUNTS["proxied"] += 1
    if method == "CONNECT":
        host, port = target.rsplit(":", 1)
        far = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        host = target.split("/")[2]
        far = socket.create_connection((host.split(":")[0], int((host.split(":") + ["80"])[1])))
        kept = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
        far.sendall(("\r\n".join([" ".join([method, "/" + target.split("/", 3)[3], "HTTP/1.1"])] + kept + ["Connection: close", "", ""])).encode() + rest)
    both(client, far)


def main():
    folder = sys.argv[1]
    with open(folder + "/nginx.conf", "w") as f:
        f.write(NGINX % {"folder": folder})
    nginx = subprocess.Popen(["nginx", "-p", folder, "-c", folder + "/nginx.conf"], stderr=subprocess.DEVNULL)
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer.handle_error = lambda *_: None   # requests that were cut
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    serve(443, front)
    serve(80, lambda client: both(client, socket.create_connection(("127.0.0.1", 8080))))
    serve(3128, office_proxy)
    serve(5672, echo)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", 8443), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    print("ready", flush=True)
    while sys.stdin.readline():
        print(json.dumps(COUNTS), flush=True)
    nginx.terminate()
    nginx.wait()


if __name__ == "__main__":
    main()
