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
timeout = "5s"
END
    serve "$NAME.toml" --grace 1s
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
    openssl s_server -accept 127.0.0.1:0 -cert "certs/$1.pem" -key "certs/$1.key" \
        -www -naccept 4 >"tls.$1" 2>&1 &
    PIDS="$PIDS $!"
    wait_for 20 grep -qs 'ACCEPT' "tls.$1"
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
