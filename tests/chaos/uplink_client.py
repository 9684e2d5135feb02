"""A connection to the uplink's socket, for http.client."""
import http.client
import socket


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("uplink", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
