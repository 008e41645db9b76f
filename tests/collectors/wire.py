#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sources against servers that behave and misbehave: formats, compression, size, cuts, slowness, TLS, tokens, addresses."""
import contextlib
import gzip
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time

from sources import fetch

from harness import Skipped, check, need_root, run_tests

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Answers(http.server.ThreadingHTTPServer):
    """Answers a path with what `pages` holds for it: (status, headers, body) or a function of the handler."""
    daemon_threads = True

    def __init__(self, pages, context=None, address="127.0.0.1"):
        super().__init__((address, 0), Handler)
        self.pages, self.seen, self.connections = pages, [], set()
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme, name = ("https", "localhost") if context else ("http", "127.0.0.1")
        self.url = f"{scheme}://{name}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that refuses us is what some tests are about

    def end(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.server.seen.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
        self.server.connections.add(self.client_address)
        page = self.server.pages.get(self.path.split("?")[0], (404, {}, b"no such page"))
        if callable(page):
            page(self)
            return
        status, headers, body = page
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(scratch, body, content_type=TEXT, status=200, **headers):
    """A server with one page, /metrics; returns it."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return scratch.own(Answers({"/metrics": (status, {"Content-Type": content_type} | names, body)}))


def fails(got, *words):
    check(got.failures and not got.samples, f"the source fails and gives no sample: {got}")
    for word in words:
        check(word in got.failures[0], f"the failure says {word!r}: {got.failures[0]}")


def selected_series(scratch):
    server = serve(scratch, b"# TYPE a counter\na{x=\"1\"} 3\na{x=\"2\"} 4\nb 5\n" + b"noise 1\n" * 20000)
    got = fetch(3, "app.a:a", "app.one:a{x=\"1\"}", "app.absent:c", url=f"{server.url}/metrics")
    check(got.value("app.a") == 7 and got.value("app.one") == 3, f"the sums of what the selectors name: {got}")
    check(str(got.value("app.absent")) == "nan", f"a series that is not there is unknown: {got}")
    check(got.stats["series"] == 20003 and got.stats["failures"] == 0 and got.stats["ok"], f"all series were seen: {got}")
    asked = server.seen[0]
    check(asked["accept-encoding"] == "identity" and "openmetrics" in asked["accept"], f"what was asked for: {asked}")
    check(asked["user-agent"].startswith("memgov/"), f"who asked: {asked}")


def connection_is_kept(scratch):
    server = serve(scratch, b"a 1\n")
    got = fetch(10, "app.a:a", url=f"{server.url}/metrics", every_ms=20)
    check(len(got.samples) == 10, f"ten scrapes: {got}")
    check(len(server.connections) == 1, f"they take one connection, not {len(server.connections)}")


def openmetrics(scratch):
    body = b"# TYPE a counter\na_total 7 %.3f\n# EOF\n" % (time.time() - 30)
    got = fetch(1, "app.a:a_total", url=f"{serve(scratch, body, OPENMETRICS).url}/metrics")
    check(got.value("app.a") == 7, f"the counter's value: {got}")
    check(28 < got.samples[0]["age_s"] < 33, f"its timestamp is 30 s old: {got}")
    fails(fetch(1, "app.a:a_total", url=f"{serve(scratch, b'a_total 7', OPENMETRICS).url}/metrics"), "# EOF")


def text_timestamps(scratch):
    body = b"a 7 %d\nb 8 %d\n" % ((time.time() - 30) * 1000, (time.time() + 3600) * 1000)
    got = fetch(2, "app.a:a", "app.b:b", url=f"{serve(scratch, body).url}/metrics")
    ages = {s["sample"]: s["age_s"] for s in got.samples}
    check(28 < ages["app.a"] < 33, f"30 s old: {got}")
    check(0 <= ages["app.b"] < 2, f"a time to come is now: {got}")


def malformed_exposition(scratch):
    got = fetch(1, "app.a:a", url=f"{serve(scratch, b'a 1' + bytes([10]) + b'b{x=secret} 1' + bytes([10])).url}/metrics")
    fails(got, "line 2, column 5")
    check("secret" not in got.failures[0], "no text of the body is in an error")
    fails(fetch(1, "app.a:a", url=f"{serve(scratch, b'a 1').url}/metrics"), "must end with a newline")


def compressed_answer(scratch):
    server = serve(scratch, gzip.compress(b"a 1\n"), Content_Encoding="gzip")
    fails(fetch(1, "app.a:a", url=f"{server.url}/metrics"), "compressed", "127.0.0.1:")


def error_status(scratch):
    fails(fetch(1, "app.a:a", url=f"{serve(scratch, b'secret', status=503).url}/metrics"), "HTTP status 503")
    fails(fetch(1, "app.a:a", url=f"{serve(scratch, b'a 1').url}/elsewhere"), "HTTP status 404")


def redirect_is_not_followed(scratch):
    server = scratch.own(Answers({"/old": (302, {"Location": "/metrics"}, b""), "/metrics": (200, {}, b"a 1\n")}))
    fails(fetch(1, "app.a:a", url=f"{server.url}/old"), "HTTP status 302")
    check([r["path"] for r in server.seen] == ["/old"], f"nothing else was asked for: {server.seen}")


def oversize_answer(scratch):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        piece = b"a 1\n" * 16384
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    server = scratch.own(Answers({"/endless": endless}))
    fails(fetch(1, "app.a:a", url=f"{server.url}/endless"), "16 MiB")
    server = serve(scratch, b"")
    server.pages["/metrics"] = lambda h: (h.send_response(200), h.send_header("Content-Length", str(1 << 30)), h.end_headers())
    fails(fetch(1, "app.a:a", url=f"{server.url}/metrics"))


def cut_transfer(scratch):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"a 1\nb 2\n")
        handler.close_connection = True
    server = scratch.own(Answers({"/cut": cut}))
    fails(fetch(1, "app.a:a", url=f"{server.url}/cut"), "127.0.0.1:")


def slow_server(scratch):
    server = scratch.own(Answers({"/slow": lambda handler: time.sleep(30)}))
    start = time.monotonic()
    fails(fetch(1, "app.a:a", url=f"{server.url}/slow", timeout_ms=300), "timed out")
    check(time.monotonic() - start < 5, "the timeout of the source ends it")


def mute_name_server(scratch):
    """A name that is never answered costs a scrape its timeout and the loop nothing: every turn comes when it is due."""
    need_root()
    mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mute.bind(("127.0.0.53", 53))
    except OSError as error:
        raise Skipped(f"no socket for a mute name server: {error}") from error
    (scratch.path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:5 attempts:2\n")
    cover = f"mount --bind {scratch.path}/resolv.conf /etc/resolv.conf && exec \"$@\""
    start = time.monotonic()
    got = fetch(3, "app.a:a", under=("unshare", "-m", "sh", "-c", cover, "sh"), url="http://mute.test/metrics", timeout_ms=300,
                every_ms=400)
    took = time.monotonic() - start
    mute.close()
    check(len(got.failures) == 3 and "Resolving timed out" in got.failures[0], f"three time-outs: {got}")
    check(took < 4, f"three turns of 400 ms took {took:.1f} s")


def nobody_listens(scratch):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        got = fetch(2, "app.a:a", url=f"http://127.0.0.1:{s.getsockname()[1]}/metrics", every_ms=100)
    check(len(got.failures) == 2 and got.stats["scrapes"] == 2, f"it is tried again at the next turn: {got}")


def recovers(scratch):
    """A source that failed gives samples again; what it gave before was whole."""
    turns = iter([b"a 1\n", b"a x\n", b"a 3\n"])

    def page(handler):
        body = next(turns, b"a 3\n")
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    server = scratch.own(Answers({"/metrics": page}))
    got = fetch(3, "app.a:a", url=f"{server.url}/metrics", every_ms=50)
    check([s["value"] for s in got.samples] == ["1", "3"] and len(got.failures) == 1, f"good, bad, good: {got}")
    check(got.stats["failures"] == 1 and got.stats["ok"], f"the failure is counted: {got}")


def proxies_of_the_environment(scratch):
    os.environ["http_proxy"] = "http://127.0.0.1:1"
    try:
        got = fetch(1, "app.a:a", url=f"{serve(scratch, b'a 1' + bytes([10])).url}/metrics")
    finally:
        del os.environ["http_proxy"]
    check(got.value("app.a") == 1, f"a proxy of the environment is not used: {got}")


# ---- what may not be reached ----

def refused(got, *words):
    check(got.status == 3, f"the source is refused at start: {got}")
    for word in words:
        check(word in got.refused, f"it says {word!r}: {got.refused}")


def refused_urls(scratch):
    rows = {"file:///etc/passwd": "http://HOST", "http://user:secret@localhost/": "bearer_token_file", "ftp://h/": "http",
            "http://": "http"}
    for url, words in rows.items():
        got = fetch(1, "app.a:a", url=url)
        refused(got, words)
        check("secret" not in got.refused, "a password is not shown")


def metadata_addresses(scratch):
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]"):
        start = time.monotonic()
        fails(fetch(1, "app.a:a", url=f"http://{host}/", timeout_ms=2000), "link-local or metadata")
        check(time.monotonic() - start < 1.5, "without a packet sent")


# ---- TLS and tokens ----

class Authority:
    """A certificate authority with a server's and a client's certificate, made now."""

    def __init__(self, folder):
        self.folder = folder
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
                     "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.sign("server")
        self.sign("client")

    def openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"openssl {words[0]}: {done.stderr}")

    def sign(self, name):
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
                     "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "names", "-out", f"{name}.pem")

    def file(self, name):
        return self.folder / name

    def context(self, client_certificate=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem"), self.file("server.key"))
        if client_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file("ca.pem"))
        return context


PAGE = {"/metrics": (200, {"Content-Type": TEXT}, b"a 1\n")}


def https_with_a_private_authority(scratch):
    authority = Authority(scratch.path)
    server = scratch.own(Answers(PAGE, authority.context()))
    got = fetch(2, "app.a:a", url=f"{server.url}/metrics", ca=authority.file("ca.pem"))
    check(got.value("app.a") == 1 and not got.failures, f"a certificate of that authority is taken: {got}")
    fails(fetch(1, "app.a:a", url=f"{server.url}/metrics"), "certificate")
    wrong_name = server.url.replace("localhost", "127.0.0.2")
    fails(fetch(1, "app.a:a", url=f"{wrong_name}/metrics", ca=authority.file("ca.pem"), timeout_ms=2000))


def https_with_a_client_certificate(scratch):
    authority = Authority(scratch.path)
    server = scratch.own(Answers(PAGE, authority.context(client_certificate=True)))
    trust = {"url": f"{server.url}/metrics", "ca": authority.file("ca.pem")}
    got = fetch(1, "app.a:a", cert=authority.file("client.pem"), key=authority.file("client.key"), **trust)
    check(got.value("app.a") == 1, f"with its certificate it is let in: {got}")
    fails(fetch(1, "app.a:a", **trust))


def bearer_token(scratch):
    authority = Authority(scratch.path)
    server = scratch.own(Answers(PAGE, authority.context()))
    token = scratch.path / "token"
    token.write_text("first\n")
    (scratch.path / "new").write_text("second.token\n")
    threading.Timer(0.6, os.rename, (scratch.path / "new", token)).start()
    got = fetch(20, "app.a:a", url=f"{server.url}/metrics", ca=authority.file("ca.pem"), token=token, every_ms=100)
    sent = [seen["authorization"] for seen in server.seen]
    check(sent[0] == "Bearer first" and sent[-1] == "Bearer second.token", f"the token follows its file: {sent}")
    check(len(server.connections) == 1 and not got.failures, f"on one connection: {got}")


def bad_tokens(scratch):
    authority = Authority(scratch.path)
    server = scratch.own(Answers(PAGE, authority.context()))
    token = scratch.path / "token"
    for text in ("", "\n", "two\nlines\n", "sp ace", "x\r\nX-Forged: 1", "\x80", "x" * 20000):
        token.write_bytes(text.encode("latin-1"))
        got = fetch(1, "app.a:a", url=f"{server.url}/metrics", ca=authority.file("ca.pem"), token=token)
        fails(got, "not a bearer token")
    token.unlink()
    fails(fetch(1, "app.a:a", url=f"{server.url}/metrics", ca=authority.file("ca.pem"), token=token), "No such file")
    check(not server.seen, "nothing was asked with a bad token")


def token_without_tls(scratch):
    token = scratch.path / "token"
    token.write_text("t0ken\n")
    server = serve(scratch, b"a 1\n")
    refused(fetch(1, "app.a:a", url=f"{server.url}/metrics", token=token), "needs https")
    got = fetch(1, "app.a:a", url=f"{server.url}/metrics", token=token, insecure_token=1)
    check(got.value("app.a") == 1 and server.seen[0]["authorization"] == "Bearer t0ken", f"to loopback, when told to: {got}")
    own = own_address()
    elsewhere = scratch.own(Answers(PAGE, address=own))
    url = f"http://{own}:{elsewhere.server_address[1]}/metrics"
    fails(fetch(1, "app.a:a", url=url, token=token, insecure_token=1), "not loopback")
    check(not elsewhere.seen, "and nothing was sent there")


def own_address():
    """An address of this machine that is not loopback. Nothing is sent: a datagram socket only asks for the route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError as error:
            raise Skipped(f"this machine has no address but loopback: {error}") from error
        return s.getsockname()[0]


# ---- PromQL ----

def answers_of_the_api(scratch):
    def answer(handler):
        query = handler.path.split("query=")[1].split("&")[0]
        vector = b'{"status":"success","data":{"resultType":"vector","result":[%s]}}'
        body, status = {
            "late": (vector % (b'{"metric":{},"value":[%d,"4"]}' % (time.time() - 50)), 200),
            "empty": (vector % b"", 200),
            "html": (b"<html>secret</html>", 502),
            "busy": (b'{"status":"error","errorType":"unavailable","error":"secret"}', 503),
            "huge": (b" " * 300000, 200),
        }[query]
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(body)
    server = scratch.own(Answers({"/api/v1/query": answer}))
    queries = [f"q.{name}:{name}" for name in ("html", "busy", "huge", "empty", "late")]
    got = fetch(5, *queries, kind="promql", url=f"{server.url}/")
    check(got.value("q.late") == 4 and 48 < got.samples[1]["age_s"] < 54, f"a late sample carries its age: {got}")
    check(str(got.value("q.empty")) == "nan", f"an empty vector is unknown: {got}")
    check(len(got.failures) == 3, f"three of five queries fail, the others are asked: {got}")
    expected = ("q.html: HTTP status 502", "q.busy: the server answers unavailable", "q.huge: the answer is larger")
    for failure, words in zip(got.failures, expected):
        check(failure.startswith(words) and "secret" not in failure, f"{words!r} expected: {failure}")


if __name__ == "__main__":
    run_tests(selected_series, connection_is_kept, openmetrics, text_timestamps, malformed_exposition, compressed_answer,
              error_status, redirect_is_not_followed, oversize_answer, cut_transfer, slow_server, mute_name_server,
              nobody_listens, recovers, proxies_of_the_environment, refused_urls, metadata_addresses,
              https_with_a_private_authority, https_with_a_client_certificate, bearer_token, bad_tokens, token_without_tls,
              answers_of_the_api)
