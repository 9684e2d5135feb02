"""A small VoiceHelper gateway: answers /health and /metrics, keeps conversations in PostgreSQL with a cache in Redis, and documents
in the object store.

One image, several roles (ROLE: gateway, graphrag, llm-router), as the Services of the bundle name them. On SIGTERM it
fails readiness, answers `Connection: close` and ends once no request is under way, so that a roll-over loses none.
"""
import io
import json
import os
import re
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis
import urllib3
from minio import Minio
from minio.error import MinioException
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

ROLE = os.environ.get("ROLE", "gateway")
VERSION = os.environ.get("VERSION", "1")
PORT = int(os.environ.get("PORT", "8080"))
DRAIN_S = float(os.environ.get("DRAIN_S", "3"))   # endpoints need this long to forget a pod that ends
DIAL_S = 2
BODY_BYTES_MAX = 64 * 1024
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
BUCKET = "documents"
DOCUMENT = re.compile(r"/documents/([\w.-]{1,200})")

requests = Counter("http_requests_total", "Requests answered", ["method", "path", "status"])
durations = Histogram("http_request_duration_seconds", "Time to answer", ["path"])
draining = threading.Event()
cache = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://redis:6379/0"), socket_timeout=DIAL_S, socket_connect_timeout=DIAL_S)


def documents():
    """The object store, without waiting long for one that is away."""
    client = Minio(os.environ.get("MINIO_ENDPOINT", "minio:9000"), access_key=os.environ["MINIO_ACCESS_KEY"],
                   secret_key=os.environ["MINIO_SECRET_KEY"], secure=False,
                   http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=DIAL_S, read=30), retries=urllib3.Retry(total=1)))
    if not client.bucket_exists(BUCKET):
        client.make_bucket(BUCKET)
    return client


def keep(name, data, content_type):
    result = documents().put_object(BUCKET, name, io.BytesIO(data), len(data), content_type=content_type)
    return {"name": name, "bytes": len(data), "etag": result.etag}


def fetch(name):
    answer = documents().get_object(BUCKET, name)
    try:
        return answer.read(), answer.headers.get("Content-Type", "application/octet-stream")
    finally:
        answer.close()
        answer.release_conn()


def database():
    return psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=DIAL_S)


def remember(text):
    with database() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS utterances (id bigserial PRIMARY KEY, said_at timestamptz DEFAULT now(), words text)")
        number = connection.execute("INSERT INTO utterances (words) VALUES (%s) RETURNING id", (text,)).fetchone()[0]
    cache.set("last", text)
    return {"id": number, "words": text}


def recall():
    last = cache.get("last")
    if last is not None:
        return {"words": last.decode(), "from": "redis"}
    with database() as connection:
        row = connection.execute("SELECT words FROM utterances ORDER BY id DESC LIMIT 1").fetchone()
    return {"words": row[0] if row else None, "from": "postgres"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value, content_type="application/json"):
        body = value if isinstance(value, bytes) else (json.dumps(value) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if draining.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)
        requests.labels(self.command, urlsplit(self.path).path, status).inc()

    def handled(self, answers):
        path = urlsplit(self.path).path
        with durations.labels(path if path in answers else "other").time():
            if path not in answers:
                return self.answer(404, {"error": "no such path"})
            try:
                self.answer(*answers[path]())
            except MinioException as e:
                self.answer(404 if getattr(e, "code", "") in ("NoSuchKey", "NoSuchBucket") else 503, {"error": str(e)})
            except (psycopg.Error, redis.RedisError, urllib3.exceptions.HTTPError, KeyError) as e:
                self.answer(503, {"error": "%s: %s" % (type(e).__name__, str(e).strip())})

    def do_GET(self):
        document = DOCUMENT.fullmatch(urlsplit(self.path).path)
        if document:
            return self.handled({document[0]: lambda: (200, *fetch(document[1]))})
        self.handled({
            "/": lambda: (200, {"role": ROLE, "version": VERSION, "pod": socket.gethostname()}),
            "/health": lambda: (200, {"status": "ok"}),
            "/ready": lambda: (503, {"status": "draining"}) if draining.is_set() else (200, {"status": "ready"}),
            "/metrics": lambda: (200, generate_latest(), CONTENT_TYPE_LATEST),
            "/last": lambda: (200, recall()),
        })

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, {"error": "more than %d bytes" % BODY_BYTES_MAX})
        text = self.rfile.read(length).decode("utf-8", "replace") or parse_qs(urlsplit(self.path).query).get("words", [""])[0]
        self.handled({"/say": lambda: (201, remember(text))})

    def do_PUT(self):
        document, length = DOCUMENT.fullmatch(urlsplit(self.path).path), int(self.headers.get("Content-Length", 0))
        if length > DOCUMENT_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, {"error": "more than %d bytes" % DOCUMENT_BYTES_MAX})
        data, content_type = self.rfile.read(length), self.headers.get("Content-Type", "application/octet-stream")
        self.handled({document[0]: lambda: (201, keep(document[1], data, content_type))} if document else {})

    def log_message(self, format, *arguments):
        if not self.path.startswith(("/health", "/ready", "/metrics")):
            print(json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "level": "INFO", "service": ROLE,
                              "message": format % arguments}), flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = False   # what is under way is answered before the process ends
    request_queue_size = 256


def drain(server):
    draining.set()
    time.sleep(DRAIN_S)
    server.shutdown()


def main():
    server = Server(("", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=drain, args=(server,)).start())
    print(json.dumps({"level": "INFO", "service": ROLE, "message": "%s %s listens on %d" % (ROLE, VERSION, PORT)}), flush=True)
    server.serve_forever()
    server.server_close()


main()
