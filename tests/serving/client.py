"""An HTTP client that costs almost nothing: one open connection, requests built beforehand, answers not decoded."""

import multiprocessing
import socket
import time

import orjson

HOST = "127.0.0.1"
NOTHING = b"GET /nothing HTTP/1.1\r\nHost: service\r\n\r\n"


def request(path, reader, books):
    body = orjson.dumps({"reader": reader, "books": books})
    head = f"POST {path} HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection((HOST, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, message):
        """The body of the answer."""
        self.socket.sendall(message)
        answer = b""
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self.more()
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"the service answers {head!r}")
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(answer) < end + 4 + length:
            answer += self.more()
        return answer[end + 4 :]

    def more(self):
        received = self.socket.recv(1 << 16)
        if not received:
            raise RuntimeError("the service hung up")
        return received


def latencies(port, messages):
    """The milliseconds of each call."""
    client, times = Client(port), []
    for message in messages:
        begun = time.perf_counter()
        client.call(message)
        times.append((time.perf_counter() - begun) * 1000)
    return times


def throughput(port, messages, clients, seconds):
    """Calls per second of all clients together, each a process."""
    with multiprocessing.Pool(clients) as pool:
        work = [(port, messages[number::clients], seconds) for number in range(clients)]
        return sum(pool.starmap(calls, work, chunksize=1)) / seconds


def calls(port, messages, seconds):
    client, number = Client(port), 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        client.call(messages[number % len(messages)])
        number += 1
    return number
