#!/bin/sh
# Make what overlays/local expects and no repository holds: random passwords, and a key pair that signs access tokens.
# Needs kubectl (KUBECONFIG), openssl and the repository's .venv. Made once: what exists is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
namespace=centralino
kubectl apply -f "$here/../base/namespace.yaml"
if kubectl -n $namespace get secret centralino-admin >/dev/null 2>&1; then
    echo "the secrets exist"
    exit 0
fi
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT
"$root/.venv/bin/python" -c '
import sys
from pathlib import Path
from centralino.home import Home
print(Home.open(Path(sys.argv[1])).signing_key())' "$keys/home"

secret() { name=$1; shift; kubectl -n $namespace create secret generic "$name" "$@"; }
random() { openssl rand -hex 24; }
database() { echo "postgresql://$1:$2@postgresql:5432/postgres"; }
valkey=$(random) postgresql=$(random)
secret valkey --from-literal=valkey.conf="requirepass $valkey"
secret postgresql --from-literal=password="$postgresql"
secret centralino-redis --from-literal=url="redis://:$valkey@valkey:6379/0"
secret centralino-router --from-literal=database-url="$(database centralino_router "$(random)")" --from-literal=api-key-pepper="$(random)"
secret centralino-chat-gateway --from-literal=database-url="$(database centralino_chat_gateway "$(random)")" --from-literal=visitor-secret="$(random)"
secret centralino-crm --from-literal=database-url="$(database centralino_crm "$(random)")"
secret centralino-signing-key --from-file="$keys/home/keys/signing.pem" --from-file="$keys/home/keys/jwks.json"
kubectl -n $namespace create configmap centralino-jwks --from-file="$keys/home/keys/jwks.json"
# The last one: it says that all are there.
secret centralino-admin --from-literal=database-url="$(database postgres "$postgresql")"
