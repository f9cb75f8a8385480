#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A throw-away authority, and certificates made by it:
#
#     tests/services/certs.sh FOLDER
#
#     ca.pem              the authority
#     server.pem .key     for localhost, 127.0.0.1 and ::1
#     other.pem .key      for other.example, to be refused
#     nameless.pem .key   for a client, without a common name
#     expired.pem .key    for localhost, past its time
#     client.pem .key     of the user "client"
#     stranger.pem        another authority, which has made none of these
set -eu

mkdir -p "$1"
cd "$1"
# Several services may be started at the same time.
exec 9>lock
flock 9
[ ! -f done ] || exit 0

openssl() {
    command openssl "$@" 2>log || { cat log >&2; return 1; }
}

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.pem" \
        -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
}

# NAME SUBJECT-ALT-NAME [SUBJECT]: a key and a request.
request() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -subj "${3:-/CN=$1}" -keyout "$1.key" -out "$1.csr"
    printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$2" >"$1.ext"
}

sign() {
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
        -days 3650 -extfile "$1.ext" -out "$1.pem"
}

# openssl x509 knows no past date, openssl ca does.
sign_expired() {
    mkdir -p database
    : >database/index
    echo 01 >database/serial
    cat >database/config <<END
[ca]
default_ca = main
[main]
database = database/index
serial = database/serial
new_certs_dir = database
default_md = sha256
policy = any
[any]
commonName = supplied
END
    openssl ca -batch -config database/config -cert ca.pem -keyfile ca.key \
        -startdate 20200101000000Z -enddate 20200201000000Z \
        -extfile "$1.ext" -in "$1.csr" -out "$1.pem" -notext
}

authority ca slight-test-authority
authority stranger another-authority
request server DNS:localhost,IP:127.0.0.1,IP:::1
sign server
request other DNS:other.example
sign other
request nameless DNS:nameless.example /O=slight
sign nameless
request expired DNS:localhost,IP:127.0.0.1
sign_expired expired
request client DNS:client
sign client
chmod 644 ./*.key
touch done
