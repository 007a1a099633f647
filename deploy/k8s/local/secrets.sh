#!/bin/sh
# Make what overlays/local expects and no repository holds: random passwords, and a key pair that signs access tokens.
# Needs kubectl (KUBECONFIG), openssl and the repository's .venv (or PYTHON, with the repository's packages).
# What exists is left alone, each for itself, so after an interruption run it again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
namespace=centralino
kubectl apply -f "$here/../base/namespace.yaml"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT

exists() { kubectl -n $namespace get "$1" "$2" >/dev/null 2>&1; }
secret() { name=$1; shift; exists secret "$name" || kubectl -n $namespace create secret generic "$name" "$@"; }
value() { kubectl -n $namespace get secret "$1" -o "jsonpath={.data.$2}" | openssl base64 -d -A; }
random() { openssl rand -hex 24; }
database() { echo "postgresql://$1:$2@postgresql:5432/postgres"; }

# A backend's password stands in two Secrets: the second is made from the first, whoever made that.
secret valkey --from-literal=valkey.conf="requirepass $(random)"
secret postgresql --from-literal=password="$(random)"
valkey=$(value valkey 'valkey\.conf') postgresql=$(value postgresql password)
valkey=${valkey#requirepass }
secret centralino-redis --from-literal=url="redis://:${valkey:?is not in the Secret valkey}@valkey:6379/0"
secret centralino-admin --from-literal=database-url="$(database postgres "${postgresql:?is not in the Secret postgresql}")"
secret centralino-router --from-literal=database-url="$(database centralino_router "$(random)")" --from-literal=api-key-pepper="$(random)"
secret centralino-chat-gateway --from-literal=database-url="$(database centralino_chat_gateway "$(random)")" --from-literal=visitor-secret="$(random)" --from-literal=file-link-secrets="$(random)"
secret centralino-email-gateway --from-literal=database-url="$(database centralino_email_gateway "$(random)")" --from-literal=reply-secret="$(random)" --from-literal=file-link-secrets="$(random)"
secret centralino-voice-gateway --from-literal=database-url="$(database centralino_voice_gateway "$(random)")" --from-literal=file-link-secrets="$(random)"
secret centralino-voice-nodes --from-literal=nodes.json='[{"name": "simulated", "driver": "simulated"}]'
secret centralino-crm --from-literal=database-url="$(database centralino_crm "$(random)")"
if ! exists secret centralino-signing-key; then
    "${PYTHON:-$root/.venv/bin/python}" -c '
import sys
from pathlib import Path
from centralino.home import Home
print(Home.open(Path(sys.argv[1])).signing_key())' "$keys/home"
    secret centralino-signing-key --from-file="$keys/home/keys/signing.pem" --from-file="$keys/home/keys/jwks.json"
fi
value centralino-signing-key 'jwks\.json' >"$keys/jwks.json"
exists configmap centralino-jwks || kubectl -n $namespace create configmap centralino-jwks --from-file="$keys/jwks.json"
