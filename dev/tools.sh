#!/usr/bin/env bash
# Installs the programs that tests start as real servers: git's HTTP backend comes with git; sshd, a registry and node
# are Debian packages. Where they cannot be installed, one line says what is left out (and under CI that is a failure).
set -uo pipefail

missing=()
command -v git >/dev/null || missing+=(git)
command -v cc >/dev/null || missing+=(gcc)
[ -x /usr/sbin/sshd ] || command -v sshd >/dev/null || missing+=(openssh-server)
command -v docker-registry >/dev/null || missing+=(docker-registry)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v curl >/dev/null || missing+=(curl)
# schemathesis is installed into a virtual environment of its own.
python3 -c "import venv, ensurepip" 2>/dev/null || missing+=(python3-venv)
# Another implementation of gRPC and protobuf, to talk to the API with: the system's Python and its libraries.
command -v protoc >/dev/null || missing+=(protobuf-compiler)
[ -e /usr/include/google/protobuf/descriptor.proto ] || missing+=(libprotobuf-dev)
/usr/bin/python3 -c "import grpc, google.protobuf" 2>/dev/null || missing+=(python3-grpcio python3-protobuf)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >/dev/null 2>&1
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1
    fi
fi
status=0
for need in git:git cc:gcc go:golang; do
    command -v "${need%%:*}" >/dev/null || { echo "missing: ${need%%:*} (package ${need##*:}); install it and run make again"; status=1; }
done
{ [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null; } || { echo "missing: sshd (package openssh-server); Git over SSH is not tested"; [ "${CI:-}" = true ] && status=1; }
{ command -v node && command -v npm; } >/dev/null || { echo "missing: node and npm; signing in at an OpenID provider is not tested"; [ "${CI:-}" = true ] && status=1; }
command -v docker-registry >/dev/null || { echo "missing: docker-registry; OCI registries are not tested"; [ "${CI:-}" = true ] && status=1; }
{ command -v protoc && command -v curl && /usr/bin/python3 -c "import grpc"; } >/dev/null 2>&1 || { echo "missing: curl, protobuf-compiler, libprotobuf-dev, python3-grpcio or python3-protobuf; the API's tests with other clients fail"; [ "${CI:-}" = true ] && status=1; }
exit $status
