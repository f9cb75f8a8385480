#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Requests as they come over the wire: who is asked for what, which component gets
# it, clients that close their sending half, and answers that come before their
# request has ended.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

python() {
    /usr/bin/python3 "$@"
}

{
    printf 'slight = 1\nname = "app"\n[management]\nlisten = "127.0.0.1:0"\n'
    printf 'allowed-hosts = ["slight.example"]\n'
    for name in site admin cafe files; do
        printf '[[component]]\nname = "%s"\nenv = { NAME = "%s" }\nsource = "%s"\n' \
            $name $name "$SL_TEST_GUESTS/e2e-http.wasm"
    done
    printf '[[component]]\nname = "work"\nsource = "%s"\n' "$SL_TEST_GUESTS/e2e-http.wasm"
    for route in site:/ admin:/admin cafe:/café files:/files; do
        printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.1:0"\n'
        printf 'component = "%s"\nroute = "%s"\n' "${route%%:*}" "${route#*:}"
    done
    printf '[[trigger]]\ntype = "http"\nlisten = "localhost:0"\ncomponent = "work"\n'
    printf 'max-body = "1MiB"\nconcurrency = 3\n'
    printf '[[component]]\nname = "three"\nsource = "%s"\n' "$SL_TEST_GUESTS/e2e-responses3.wasm"
    printf '[[trigger]]\ntype = "http"\nlisten = "127.0.0.2:0"\ncomponent = "three"\n'
} >app.toml
serve app.toml --grace 60s --log-level info
wait_for grep -q 'http://127.0.0.2' served
ROUTES=$(sed -n 's|.*[ "]\(http://127.0.0.1:[0-9]*\)/admin.*|\1|p' served | head -n 1)
WORK=$(sed -n 's|.*[ "]\(http://localhost:[0-9]*\)/.*|\1|p' served | head -n 1)
THREE=$(sed -n 's|.*[ "]\(http://127.0.0.2:[0-9]*\)/.*|\1|p' served | head -n 1)
MANAGEMENT=$(sed -n 's|^app management ||p' served)
WHAT="the addresses"
for address in "$ROUTES" "$WORK" "$THREE" "$MANAGEMENT"; do
    holds test -n "$address"
done

cat >wire.py <<'END'
import socket, sys, time

def place(url):
    host, port = url.removeprefix("http://").rsplit(":", 1)
    return socket.gethostbyname(host), int(port)

def connect(url):
    one = socket.create_connection(place(url), 300)
    one.settimeout(300)
    return one

def read_all(one):
    got = b""
    while True:
        try:
            piece = one.recv(65536)
        except ConnectionResetError:
            return got + b"<reset>"
        if not piece:
            return got
        got += piece

# What is answered to these bytes, to the end of the connection.
def ask(url, request):
    with connect(url) as one:
        one.sendall(request)
        one.shutdown(socket.SHUT_WR)
        return read_all(one)

def status(answer):
    words = answer.split(b" ", 2)
    return int(words[1]) if words[0].startswith(b"HTTP/1.") else answer

# Of the first answer; the only chunk of it, where it has chunks.
def body(answer):
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        rest = rest.split(b"\r\n")[1]
    return rest.decode(errors="replace").strip()

failures = 0
def expect(what, got, wanted):
    global failures
    if got != wanted:
        failures += 1
        print("FAIL: %s: got %r, not %r" % (what, got, wanted))

def done():
    sys.exit(failures > 0)
END

# --- Host: RFC 9112, section 3.2, on both listeners.
cat >hosts.py <<'END'
from wire import *
routes, management, three = sys.argv[1:]
own = "%s:%d" % place(routes)

def request(version, hosts, target="/who"):
    fields = b"".join(b"Host: " + host + b"\r\n" for host in hosts)
    close = b"Connection: close\r\n"
    return b"GET " + target.encode() + b" HTTP/" + version + b"\r\n" + fields + close + b"\r\n"

good = {b"a": "a", b"a.example:80": "a.example:80", b"[::1]": "[::1]", b"[::1]:8080": "[::1]:8080",
        b"127.0.0.1": "127.0.0.1", b"a_b~c": "a_b~c", b"a.": "a.", b"a:65535": "a:65535", b"a:": "a:",
        b"xn--caf-dma": "xn--caf-dma", b"": own, b" a ": "a"}
bad = [b"a b", b"u@b", b"u:p@b", b"a:65536", b"a:99999999999", b"a:x", b"a:+1", b"a:1:2", b":80",
       b"::1", b"[::1", b"[::1]x", b"[]", b"[a]", b"[fe80::1%25eth0]", b"caf\xc3\xa9", b"\xff", b"a/b",
       b"a?b", b"a#b", b"a\\b", b"http://a", b"a, b", b"<a>", b"a\tb", b"a%20b"]
for host, authority in good.items():
    answer = ask(routes, request(b"1.1", [host]))
    expect("Host %r" % host, (status(answer), body(answer)), (200, "site %s /who" % authority))
for host in bad:
    for version in b"1.0", b"1.1":
        expect("Host %r of %r" % (host, version), status(ask(routes, request(version, [host]))), 400)
        expect("Host %r there" % host, status(ask(management, request(version, [host], "/healthz"))), 400)
for url, target in (routes, "/who"), (management, "/healthz"):
    expect("no Host", status(ask(url, request(b"1.1", [], target))), 400)
    expect("no Host, absolute", status(ask(url, request(b"1.1", [], "http://127.0.0.1" + target))), 400)
    expect("two of them", status(ask(url, request(b"1.1", [b"127.0.0.1"] * 2, target))), 400)
    expect("two of 1.0", status(ask(url, request(b"1.0", [b"127.0.0.1"] * 2, target))), 400)
    expect("none of 1.0", status(ask(url, request(b"1.0", [], target))), 200)
    wrong = request(b"1.1", [b"a b"], "http://127.0.0.1" + target)
    expect("a wrong one and a target", status(ask(url, wrong)), 400)
    expect("before routing", status(ask(url, request(b"1.1", [], "/none"))), 400)
expect("1.0 without", body(ask(routes, request(b"1.0", []))), "site %s /who" % own)

# As WASI 0.3 has it.
def asked(*args):
    return body(ask(three, request(*args)))
expect("0.3, Host", asked(b"1.1", [b"a.example:80"], "/who/finish"), "a.example:80")
expect("0.3, absolute", asked(b"1.1", [b"a"], "http://b:81/who/finish"), "b:81")
expect("0.3, none", asked(b"1.0", [], "/who/finish"), "%s:%d" % place(three))

# The target's host counts.
answer = ask(routes, request(b"1.1", [b"other"], "http://target.example:81/who?q"))
expect("absolute", body(answer), "site target.example:81 /who?q")
expect("absolute, without a path", body(ask(routes, request(b"1.1", [b"x"], "http://t"))), "site t /")
expect("with a user", status(ask(routes, request(b"1.1", [b"b"], "http://u@b/"))), 400)
expect("a port beyond", status(ask(routes, request(b"1.1", [b"b"], "http://b:65536/"))), 400)
expect("https", status(ask(routes, request(b"1.1", [b"b"], "https://b/"))), 421)
expect("another scheme", status(ask(routes, request(b"1.1", [b"b"], "ftp://b/"))), 421)
expect("no path", status(ask(routes, request(b"1.1", [b"b"], "who"))), 400)

# Which of them management answers.
for host, code in (b"127.0.0.1:9", 200), (b"[::1]", 200), (b"slight.example", 200), (b"", 200), \
        (b"evil.example", 421), (b"localhost.evil.example", 421):
    expect("management as %r" % host, status(ask(management, request(b"1.1", [host], "/healthz"))), code)
evil = request(b"1.1", [b"127.0.0.1"], "http://evil.example/healthz")
expect("an absolute one", status(ask(management, evil)), 421)
named = request(b"1.1", [b"evil.example"], "http://127.0.0.1/healthz")
expect("the other way", status(ask(management, named)), 200)

# CONNECT, OPTIONS *, transfer codings.
for url in routes, management:
    expect("CONNECT", status(ask(url, b"CONNECT a:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")), 501)
    answer = ask(url, b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    expect("OPTIONS *", (status(answer), b"content-length: 0" in answer), (200, True))
    expect("GET *", status(ask(url, b"GET * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")), 400)
for coding, code in ("chunked", 200), ("Chunked", 200), (", chunked", 200), ("gzip, chunked", 501), \
        ("chunked, chunked", 400), ("chunked, gzip", 400), ("gzip", 400), ("identity", 400), ("xchunked", 400), \
        ("chunked\r\nTransfer-Encoding: chunked", 400), ("gzip\r\nTransfer-Encoding: chunked", 501):
    post = "POST /who HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n" % coding
    expect("coding %r" % coding, status(ask(routes, post.encode())), code)
old = b"POST /who HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
expect("a coding of 1.0", status(ask(routes, old)), 400)
done()
END
WHAT="Host and target"
holds python hosts.py "$ROUTES" "$MANAGEMENT" "$THREE"

# --- Routes: equivalent paths are one, and none is a way around another.
cat >paths.py <<'END'
from wire import *
routes, management = sys.argv[1:]
def asked(path):
    answer = ask(routes, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    return body(answer).split(" ")[0] if status(answer) == 200 else status(answer)
for path in b"/admin", b"/admin/x", b"/admin?x", b"/%61dmin", b"/%61%64%6D%69%6e/x", b"/./admin", b"/x/../admin", \
        b"/x/%2e%2E/admin", b"//admin", b"/../admin", b"/files//../admin":
    expect("%r" % path, asked(path), "admin")
for path in b"/caf%C3%A9", b"/caf%c3%a9", "/café".encode(), b"/%63af%C3%a9/x":
    expect("%r" % path, asked(path), "cafe")
for path in b"/", b"/adminx", b"/Admin", b"/%2561dmin", b"/x%2Fy", b"/100%", b"/admin/../x", b"/x?/../admin":
    expect("%r" % path, asked(path), "site")
for path in b"/files/a%2Fb", b"/files/..x", b"/files/%25":
    expect("%r" % path, asked(path), "files")
for path in b"/admin%2Fx", b"/admin%5cx", b"/admin\\x", b"/admin%00", b"/files/..%2fadmin", b"/files%2f..%2Fadmin/x":
    expect("%r" % path, asked(path), 400)
answer = ask(routes, b"GET /x/../%61dmin//y?a=%2e HTTP/1.1\r\nHost: a\r\n\r\n")
expect("as it was sent", body(answer), "admin a /x/../%61dmin//y?a=%2e")
expect("management's", body(ask(management, b"GET /%68ealthz HTTP/1.0\r\n\r\n")), "ok")
done()
END
WHAT="routes"
holds python paths.py "$ROUTES" "$MANAGEMENT"

# --- A client that closes its sending half is answered; one that is gone is not
# waited for.
cat >halves.py <<'END'
from wire import *
import struct, urllib.request
work, management = sys.argv[1:]
def get(path, version="1.1"):
    return ("GET %s HTTP/%s\r\nHost: 127.0.0.1\r\n\r\n" % (path, version)).encode()
def running():
    text = urllib.request.urlopen(management + "/metrics", timeout=300).read().decode()
    lines = [line for line in text.splitlines() if line.startswith("slight_component_instances{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
def become(what, number):
    for _ in range(6000):
        if running() == number:
            return
        time.sleep(0.05)
    expect(what, running(), number)

for _ in range(10):
    expect("readyz", status(ask(management, get("/readyz"))), 200)
    expect("metrics", status(ask(management, get("/metrics", "1.0"))), 200)
answer = ask(work, get("/sleep"))
expect("a guest that waits", (status(answer), body(answer)), (200, "/sleep"))
answer = ask(work, get("/sleep", "1.0"))
expect("of 1.0", (status(answer), body(answer)), (200, "/sleep"))
answer = ask(work, get("/sleep") + get("/who/2") + get("/sleep"))
expect("pipelined", (answer.count(b"HTTP/1.1 200"), answer.count(b"/sleep"), answer.count(b"/who/2")), (3, 2, 1))
post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
expect("a body", b"hello" in ask(work, post), True)
cut = ask(work, b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
expect("half a body", b"whole" in cut, False)

# Gone: by a reset at once; by an end of everything as soon as it is asked.
for reset in True, False:
    held = [connect(work) for _ in range(3)]
    for one in held:
        one.sendall(get("/spin") + get("/who"))
    become("three that spin", 3)
    for one in held:
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    become("clients that are gone, reset %s" % reset, 0)

# Who waits for long is asked, and answered; a client of HTTP/1.0 is only answered.
for version, asked in ("1.1", True), ("1.0", False):
    answer = ask(work, get("/doze", version))
    expect("100 Continue of %s" % version, answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"), asked)
    expect("a long wait", (answer.count(b" 200 OK"), b"/doze" in answer), (1, True))
done()
END
WHAT="half a connection"
holds python halves.py "$WORK" "$MANAGEMENT"

# --- Answers that come before their request has ended.
cat >early.py <<'END'
from wire import *
import http.client, urllib.error, urllib.request
work, routes, three = sys.argv[1:]
def upload(url, size):
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, b"x" * size), timeout=300)
        return answer.status
    except urllib.error.HTTPError as error:
        return error.code
for size in 5 << 20, 50 << 20:
    expect("413 of %d" % size, upload(work + "/", size), 413)
expect("a guest that does not read", upload(work + "/who", 1 << 20), 200)
expect("one that goes on", upload(work + "/ignore", 1 << 20), 413)
expect("one that traps", upload(work + "/trap", 1 << 20), 500)
expect("another one", upload(routes + "/files", 5 << 20), 200)
expect("one of 0.3", upload(three + "/write-5/finish", 5 << 20), 200)
expect("one of 0.3 that goes on", upload(three + "/write-5/finish/nap2/say", 5 << 20), 200)

# In pieces, whose sum nobody knew.
def pieces(count):
    for _ in range(count):
        yield b"x" * 65536
peer = http.client.HTTPConnection(*place(work), timeout=300)
peer.request("POST", "/length", pieces(80), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
answer = peer.getresponse()
expect("chunks", (answer.status, answer.getheader("connection")), (200, "close"))
expect("too many of them", answer.read().startswith(b"cut"), True)

# A short rest is read, and the connection goes on.
peer = http.client.HTTPConnection(*place(work), timeout=300)
first = None
for size in 0, 1, 1000, 60000:
    peer.request("POST", "/who", b"x" * size)
    first = first or peer.sock
    answer = peer.getresponse()
    answer.read()
    expect("%d bytes" % size, (answer.status, answer.getheader("connection")), (200, None))
    expect("the same connection", peer.sock is first, True)
peer.request("POST", "/who", b"x" * 500000)
answer = peer.getresponse()
expect("a long rest", (answer.status, answer.getheader("connection")), (200, "close"))
answer.read()

# Nothing is asked for that nobody reads; and what is not sent is not waited for.
def expecting(path, size):
    with connect(work) as one:
        head = "POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        one.sendall((head % (path, size)).encode())
        return read_all(one)
for path, size, code in ("/who", 10, 200), ("/who", 1 << 21, 413), ("/trap", 10, 500):
    answer = expecting(path, size)
    expect("%s expects" % path, (status(answer), b"100 Continue" in answer, b"connection: close" in answer),
           (code, False, True))

# What follows in a pipeline is another request, or nothing.
post = b"POST /who HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
expect("pipelined", ask(work, post + post).count(b"HTTP/1.1 200"), 2)
large = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n"
smuggled = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n"
answer = ask(work, large + smuggled)
expect("no request in a body", (answer.count(b"HTTP/1.1"), status(answer)), (1, 413))
answer = ask(work, b"GET /who HTTP/1.1\r\nHost: a b\r\n\r\n" + smuggled)
expect("nothing behind what is wrong", (answer.count(b"HTTP/1.1"), status(answer)), (1, 400))

both = b"POST /who HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
answer = ask(work, both % (5 + len(smuggled)) + smuggled)
expect("nothing behind two lengths", (answer.count(b"HTTP/1.1"), status(answer)), (1, 200))

# What is no request at all, and still sent on.
with connect(work) as one:
    one.sendall(b"GET /" + b"a" * 65600 + b" HTTP/1.1\r\nHost: a\r\n")
    one.sendall(b"x: y\r\n\r\n")
    # The whole header is too large as well, where it is looked at before its end.
    expect("a long path", status(read_all(one)) in (414, 431), True)
with connect(work) as one:
    one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 200 + b"\r\n" + b"x" * 500000)
    expect("many fields", status(read_all(one)), 431)

# A client that sends on and on is not read for ever.
with connect(work) as one:
    one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
    sent = 0
    try:
        while sent < 1 << 30:
            sent += one.send(b"x" * (1 << 20))
    except OSError:
        pass
expect("who sends on", 1 << 20 < sent < 1 << 30, True)
done()
END
WHAT="early answers"
holds python early.py "$WORK" "$ROUTES" "$THREE"

# A client that is still sending does not hold up the end.
cat >sending.py <<'END'
from wire import *
with connect(sys.argv[1]) as one:
    one.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
    print(status(one.recv(4096)), flush=True)
    try:
        while True:
            one.send(b"x")
            time.sleep(0.1)
    except OSError:
        pass
END
python sending.py "$WORK" >sending &
PIDS="$PIDS $!"
wait_for grep -q 413 sending
stop TERM 0
finish
