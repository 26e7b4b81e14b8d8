#!/bin/sh
# Keys for TLS between scheduler, workers and jobs: docker/keys.sh FOLDER
# ca.pem is a certificate authority made for this cluster alone, cert.pem a certificate that it signed, and key.pem the
# private key of that certificate. Whoever holds key.pem is let in. The authority's own key is thrown away: it signs
# nothing else.
set -eu
folder=${1:?usage: docker/keys.sh FOLDER}
mkdir -p "$folder"
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
umask 077
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 365 -subj "/CN=gapscope authority" -keyout "$away/ca.key" -out "$folder/ca.pem"
openssl req $new -subj "/CN=gapscope" -keyout "$folder/key.pem" -out "$away/asked.pem"
openssl x509 -req -days 365 -in "$away/asked.pem" -CA "$folder/ca.pem" -CAkey "$away/ca.key" -set_serial 1 \
    -out "$folder/cert.pem"
