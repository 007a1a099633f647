#!/bin/sh
# Make image archives for overlays/archives, for a cluster that can pull none: archives.sh FOLDER
# `services.tar` holds this checkout's services and the story of ../tests, `backends.tar` the stand-ins of deploy/docker.
# Needs a Docker engine, and what the stand-ins need (deploy/docker/README.md).
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../.."
.venv/bin/python deploy/docker/local_images.py --stand-ins
services="router chat-gateway email-gateway voice-gateway crm cli"
for service in $services; do
    docker build --quiet -f deploy/docker/Dockerfile --build-arg BASE=centralino-test/python --build-arg SERVICE="$service" \
        -t "centralino/$service:0.1.0" .
done
docker build --quiet -t centralino-test/proof:k8s - <deploy/k8s/tests/proof/Dockerfile
# A tag of their own: Kubernetes pulls `latest` again whatever a node holds.
for backend in kafka valkey postgres; do docker tag "centralino-test/$backend" "centralino-test/$backend:k8s"; done
# shellcheck disable=SC2046 # one argument for each
docker save -o "$folder/services.tar" $(printf 'centralino/%s:0.1.0 ' $services) centralino-test/proof:k8s
docker save -o "$folder/backends.tar" centralino-test/kafka:k8s centralino-test/valkey:k8s centralino-test/postgres:k8s
