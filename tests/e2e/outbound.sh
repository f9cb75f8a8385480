#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Components that ask other servers: those that are granted, where they are.
. "$(dirname "$0")/lib.sh"
. "$HERE/serving.sh"

# web ALLOWED: the guest, which may reach these.
web() {
    cat >"$NAME.toml" <<END
slight = 1
name = "$NAME"
[component]
source = "$SL_TEST_GUESTS/e2e-http.wasm"
allowed-hosts = [$1]
[[trigger]]
type = "http"
listen = "127.0.0.1:0"
timeout = "60s"
END
    serve "$NAME.toml" --grace 60s
}

# fetch ANSWER URL-AS-PATH: the guest asks, and this became of it.
fetch() {
    get 200 "/fetch/$2"
    says body "$1"
}

# Whom it asks: another slight, and one with a certificate.
NAME=other web ''
OTHER=${URL##*:}
OTHER_SERVER=$SERVER
"$HERE/../services/certs.sh" certs
tls() { # NAME: a server with that certificate
    rm -f "tls.$1"
    openssl s_server -accept 127.0.0.1:0 -cert "certs/$1.pem" -key "certs/$1.key" \
        -www -naccept 4 >"tls.$1" 2>&1 &
    PIDS="$PIDS $!"
    wait_for grep -qs 'ACCEPT' "tls.$1"
    TLS=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "tls.$1" | head -n 1)
}
tls server
GOOD=$TLS
tls other
WRONG=$TLS

NAME=web web "\"http://127.0.0.1:$OTHER\", \"http://*:1\", \"http://localhost:*\", \"http://*.invalid\""
fetch "answered 200 /hello" "http/127.0.0.1:$OTHER/hello"
fetch "answered 200 /hello" "http/127.0.0.1:$OTHER/hello"
fetch "answered 200 /x" "http/localhost:$OTHER/x"
fetch "answered 200 /x" "http/LOCALHOST:$OTHER/x"
fetch "answered 500" "http/127.0.0.1:$OTHER/trap"
# Who answers too late, or nothing.
fetch "silent" "http/127.0.0.1:$OTHER/spin"
# Another port, another scheme, another address.
fetch "denied" "http/127.0.0.1:2/"
fetch "denied" "https/127.0.0.1:$OTHER/"
fetch "denied" "http/127.0.0.2:$OTHER/"
# Every host at port 1 is every public one.
fetch "prohibited" "http/127.0.0.1:1/"
fetch "prohibited" "http/127.1:1/"
fetch "prohibited" "http/[::1]:1/"
fetch "prohibited" "http/[::ffff:127.0.0.1]:1/"
fetch "prohibited" "http/169.254.169.254:1/"
fetch "prohibited" "http/0.0.0.0:1/"
fetch "refused" "http/localhost:1/"
fetch "unknown" "http/nobody.invalid/"
WHAT="the log"
says served 'event=host-denied component=web scheme=http host=127.0.0.1 port=2'
says served 'event=address-denied component=web scheme=http host=169.254.169.254 port=1'
stop TERM 0

# Certificates: of an unknown authority, of a known one, of another name.
NAME=tls web "\"https://localhost:*\""
fetch "certificate" "https/localhost:$GOOD/"
stop TERM 0
SSL_CERT_FILE=$PWD/certs/ca.pem
export SSL_CERT_FILE
NAME=tls web "\"https://localhost:*\""
fetch "answered 200" "https/localhost:$GOOD/"
fetch "certificate" "https/localhost:$WRONG/"
stop TERM 0

# --- What a server sees of requests, and what its answers may be ---
cat >origin.py <<'PY'
# Answers each request with what it was, and the number of its connection.
import itertools, socket, socketserver, sys, threading, time
numbers = itertools.count(1)
class Origin(socketserver.StreamRequestHandler):
    def body(self, fields):
        if fields.get("transfer-encoding") == "chunked":
            text = b""
            while (size := int(self.rfile.readline(), 16)) > 0:
                text += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return "chunks " + text.decode()
        if "content-length" in fields:
            return "length " + self.rfile.read(int(fields["content-length"])).decode()
        return "none"
    def handle(self):
        number = next(numbers)
        while line := self.rfile.readline():
            method, target, _ = line.decode().split()
            fields = {}
            while (field := self.rfile.readline().decode().strip()):
                name, value = field.split(":", 1)
                fields[name.lower()] = value.strip()
            text = f"{method} {target} body: {self.body(fields)}, connection {number}\n"
            extra = ""
            if target.startswith("/fields/"):
                extra = "".join(f"x-{i}: y\r\n" for i in range(int(target[8:])))
            if target == "/long":
                extra = "".join(f"x-{i}: {'y' * 8000}\r\n" for i in range(100))
            self.wfile.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\n{extra}\r\n{text}".encode())
            if target == "/close":
                return # which it did not say
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    def shutdown_request(self, request):
        super().shutdown_request(request)
        print("closed", flush=True)
server = Server(("127.0.0.1", 0), Origin)
print(server.server_address[1], flush=True)
server.serve_forever()
PY
python origin.py >origin.port 2>origin.err &
PIDS="$PIDS $!"
wait_for test -s origin.port
ORIGIN=http/127.0.0.1:$(head -n 1 origin.port)
unset SSL_CERT_FILE
NAME=asks web "\"http://127.0.0.1:*\""
fetch "GET /x body: none, connection 1" "$ORIGIN/x"
fetch "GET / body: none, connection 1" "none+$ORIGIN/"
fetch "OPTIONS * body: none, connection 1" "all+$ORIGIN/"
fetch "GET /x body: chunks a body, connection 1" "body+$ORIGIN/x"
fetch "GET /x body: none, connection 1" "empty+$ORIGIN/x"
fetch "POST /x body: chunks a body, connection 1" "post+$ORIGIN/x"
fetch "DELETE /x body: chunks a body, connection 1" "delete+$ORIGIN/x"
fetch "no method" "connect+$ORIGIN/x"
fetch "GET /fields/90 " "$ORIGIN/fields/90"
fetch "GET /fields/150 " "$ORIGIN/fields/150"
fetch "GET /fields/255 " "$ORIGIN/fields/255"
fetch "long head" "$ORIGIN/fields/300"
fetch "long head" "$ORIGIN/long"
# A connection that was closed in silence is not used again, nor told of.
is_closed() {
    [ "$(grep -c closed origin.port)" -gt "$CLOSED" ]
}
fetch_closed() {
    CLOSED=$(grep -c closed origin.port)
    fetch "GET /close " "$ORIGIN/close"
    wait_for is_closed
}
for _ in 1 2 3; do
    fetch_closed
    fetch "GET /x " "$ORIGIN/x"
    fetch_closed
    fetch "POST /x body: chunks a body" "post+$ORIGIN/x"
done
WHAT="the log of a long head"
says served 'event=request-failed component=asks scheme=http host=127.0.0.1'
says served 'more than 256 header fields'
says served 'raise max-response-fields in [component]'
stop TERM 0
sed -i 's/^allowed-hosts/max-response-fields = 1000\n&/' asks.toml
serve asks.toml
fetch "GET /fields/900 " "$ORIGIN/fields/900"
stop TERM 0

# --- A system without certificates: only https cannot be asked, until there are. ---
NAME=bare
SSL_CERT_FILE=$PWD/certs/later.pem
export SSL_CERT_FILE
OUTER_DIR=${SSL_CERT_DIR:-}
unset SSL_CERT_DIR
tls server
web "\"http://127.0.0.1:*\", \"https://localhost:*\""
fetch "GET /x body: none" "$ORIGIN/x"
fetch "configuration" "https/localhost:$TLS/"
fetch "GET /x body: none" "$ORIGIN/x"
WHAT="the log of missing certificates"
says served "event=request-failed component=bare scheme=https host=localhost port=$TLS"
says served "there are no CA certificates in $PWD/certs/later.pem (SSL_CERT_FILE)"
says served "install them (the package ca-certificates)"
stop TERM 0
# The same where the folder is named, and empty.
mkdir no-certs
unset SSL_CERT_FILE
export SSL_CERT_DIR="$PWD/no-certs"
web "\"http://127.0.0.1:*\", \"https://localhost:*\""
fetch "configuration" "https/localhost:$TLS/"
fetch "GET /x body: none" "$ORIGIN/x"
WHAT="the log of missing certificates in a folder"
says served "there are no CA certificates in $PWD/no-certs (SSL_CERT_DIR)"
cp certs/ca.pem no-certs/
fetch "answered 200" "https/localhost:$TLS/"
stop TERM 0
unset SSL_CERT_DIR
[ -z "$OUTER_DIR" ] || export SSL_CERT_DIR="$OUTER_DIR"

WHAT="what it is granted"
slight 0 check tls.toml
says out "requests to https://localhost:*"

# Errors of the manifest name the entry.
NAME=wrong
sed 's|allowed-hosts = .*|allowed-hosts = ["https://ok", "example.com"]|' tls.toml >wrong.toml
slight 3 check wrong.toml
says err 'wrong.toml:5:32: error: "allowed-hosts": expected http:// or https:// before the host'

SERVER=$OTHER_SERVER
stop TERM 0
finish
