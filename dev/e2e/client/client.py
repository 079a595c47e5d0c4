"""A gRPC client by another implementation: protoc's Python code of our definitions, and grpcio.

Usage: client.py ADDRESS GENERATED REPOSITORY PASSWORD. Ends with 0 when everything is as promised, and says what is not.
"""

import sys

ADDRESS, GENERATED, REPOSITORY, PASSWORD = sys.argv[1:5]
sys.path.insert(0, GENERATED)

import google  # noqa: E402
import grpc  # noqa: E402

google.__path__.append(GENERATED + "/google")

from argocd import (  # noqa: E402
    application_pb2,
    cluster_pb2,
    project_pb2,
    repository_pb2,
    session_pb2,
    v1alpha1_pb2,
    version_pb2,
)
from google.protobuf import empty_pb2  # noqa: E402

channel = grpc.insecure_channel(ADDRESS)
metadata = []


def call(path, request, answer):
    method = channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
    return method(request, timeout=30, metadata=metadata)


def refused(path, request, answer, code):
    try:
        call(path, request, answer)
    except grpc.RpcError as error:
        assert error.code() == code, (path, error.code(), error.details())
        return error.details()
    raise AssertionError(f"{path} was not refused")


def stream(path, request, answer):
    return channel.unary_stream(path, type(request).SerializeToString, answer.FromString)(
        request, timeout=30, metadata=metadata
    )


version = call("/version.VersionService/Version", empty_pb2.Empty(), version_pb2.VersionMessage)
assert version.Version.startswith("v3.5.1+landfall"), version
settings = call("/cluster.SettingsService/Get", cluster_pb2.SettingsQuery(), cluster_pb2.Settings)
assert settings.appLabelKey == "app.kubernetes.io/instance", settings

refused(
    "/session.SessionService/Create",
    session_pb2.SessionCreateRequest(username="admin", password="wrong"),
    session_pb2.SessionResponse,
    grpc.StatusCode.UNAUTHENTICATED,
)
refused(
    "/application.ApplicationService/List",
    application_pb2.ApplicationQuery(),
    v1alpha1_pb2.ApplicationList,
    grpc.StatusCode.UNAUTHENTICATED,
)
session = call(
    "/session.SessionService/Create",
    session_pb2.SessionCreateRequest(username="admin", password=PASSWORD),
    session_pb2.SessionResponse,
)
metadata = [("authorization", "Bearer " + session.token)]

APPLICATIONS = "/application.ApplicationService/"
wanted = v1alpha1_pb2.Application()
wanted.metadata.name = "by-python"
wanted.spec.project = "default"
wanted.spec.source.repoURL = REPOSITORY
wanted.spec.source.path = "app"
wanted.spec.destination.server = "https://kubernetes.default.svc"
wanted.spec.destination.namespace = "by-python"
wanted.spec.syncPolicy.syncOptions.append("CreateNamespace=true")
request = application_pb2.ApplicationCreateRequest(application=wanted)
created = call(APPLICATIONS + "Create", request, v1alpha1_pb2.Application)
assert created.metadata.name == "by-python" and created.metadata.uid, created
assert created.metadata.creationTimestamp.seconds > 1_700_000_000, created
# The same once more is no error; another spec is.
call(APPLICATIONS + "Create", request, v1alpha1_pb2.Application)
request.application.spec.source.path = "elsewhere"
details = refused(APPLICATIONS + "Create", request, v1alpha1_pb2.Application, grpc.StatusCode.INVALID_ARGUMENT)
assert details, "a refusal says why"

listed = call(APPLICATIONS + "List", application_pb2.ApplicationQuery(projects=["default"]), v1alpha1_pb2.ApplicationList)
assert [item.metadata.name for item in listed.items] == ["by-python"], listed
first = next(stream(APPLICATIONS + "Watch", application_pb2.ApplicationQuery(name="by-python"), v1alpha1_pb2.ApplicationWatchEvent))
assert first.type == "ADDED" and first.application.metadata.name == "by-python", first
refused(APPLICATIONS + "Get", application_pb2.ApplicationQuery(name="nothing"), v1alpha1_pb2.Application, grpc.StatusCode.PERMISSION_DENIED)
refused(APPLICATIONS + "Nonsense", application_pb2.ApplicationQuery(), v1alpha1_pb2.Application, grpc.StatusCode.UNIMPLEMENTED)
refused(APPLICATIONS + "List", application_pb2.ApplicationQuery(selector="(("), v1alpha1_pb2.ApplicationList, grpc.StatusCode.INVALID_ARGUMENT)

manifests = call(
    APPLICATIONS + "GetManifests",
    application_pb2.ApplicationManifestQuery(name="by-python"),
    repository_pb2.ManifestResponse,
)
assert any('"ConfigMap"' in text for text in manifests.manifests), manifests
tree = call(APPLICATIONS + "ManagedResources", application_pb2.ResourcesQuery(applicationName="by-python"), application_pb2.ManagedResourcesResponse)
assert tree.items and all(item.targetState for item in tree.items), tree

projects = call("/project.ProjectService/List", project_pb2.ProjectQuery(), v1alpha1_pb2.AppProjectList)
assert projects.items is not None

deleted = call(APPLICATIONS + "Delete", application_pb2.ApplicationDeleteRequest(name="by-python", cascade=True), application_pb2.ApplicationResponse)
assert deleted is not None
print("everything is as promised")
