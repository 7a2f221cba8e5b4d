# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes manifests: images of workloads, and what is said of everything else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.edgefleet.crio.plugins.module_utils.documents import workloads as module
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.workloads import (
    Workloads,
    parse_workloads,
)
from ansible_collections.edgefleet.crio.plugins.module_utils.documents.yaml_text import RepeatedKey
from ansible_collections.edgefleet.crio.plugins.module_utils.errors import EdgefleetError
from hypothesis import given
from hypothesis import strategies as st
from unit.refusals import refusal

SPEC: dict[str, Any] = {"containers": [{"name": "app", "image": "quay.io/a/app:v1"}]}


def obj(kind: Any, version: Any, **more: Any) -> dict[str, Any]:
    """Return an object named web."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, **more}


def template() -> dict[str, Any]:
    """Return a pod template."""
    return {"template": {"spec": SPEC}}


def parsed(*documents: Any) -> Workloads:
    """Return what documents come to."""
    return parse_workloads(yaml.safe_dump_all(documents), "web.yml")


def images(found: Workloads) -> list[tuple[str, str]]:
    """Return names and references."""
    return [(one.name, str(one.reference)) for one in found.components]


@pytest.mark.parametrize(
    "document",
    [
        obj("Pod", "v1", spec=SPEC),
        obj("PodTemplate", "v1", **template()),
        obj("ReplicationController", "v1", spec=template()),
        obj("Deployment", "apps/v1", spec=template()),
        obj("Deployment", "extensions/v1beta1", spec=template()),
        obj("StatefulSet", "apps/v1", spec=template()),
        obj("DaemonSet", "apps/v1", spec=template()),
        obj("ReplicaSet", "apps/v1", spec=template()),
        obj("Job", "batch/v1", spec=template()),
        obj("CronJob", "batch/v1", spec={"jobTemplate": {"spec": template()}}),
        obj("DeploymentConfig", "apps.openshift.io/v1", spec=template()),
        obj("DeploymentConfig", "v1", spec=template()),
    ],
    ids=lambda one: f"{one['kind']}-{one['apiVersion']}",
)
def test_every_kind_of_workload(document: dict[str, Any]) -> None:
    """The pod spec is found wherever the kind has it."""
    name = f"{document['kind']}/web/app"
    assert images(parsed(document)) == [(name, "quay.io/a/app:v1")]
    assert parsed(document).unknown == {}


def test_every_place_of_an_image() -> None:
    """Containers of all three sorts, and volumes that are images."""
    spec = {
        "initContainers": [{"name": "init", "image": "init"}],
        "containers": [{"name": "app", "image": "app:v1"}, {"name": "side", "image": "app:v1"}],
        "ephemeralContainers": [{"name": "debug", "image": f"tools@sha256:{'a' * 64}"}],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "model", "image": {"reference": "quay.io/a/model:v2", "pullPolicy": "Never"}},
        ],
    }
    assert images(parsed(obj("Pod", "v1", spec=spec))) == [
        ("Pod/web/app", "docker.io/library/app:v1"),
        ("Pod/web/side", "docker.io/library/app:v1"),
        ("Pod/web/init", "docker.io/library/init:latest"),
        ("Pod/web/debug", f"docker.io/library/tools@sha256:{'a' * 64}"),
        ("Pod/web/model", "quay.io/a/model:v2"),
    ]


def test_lists() -> None:
    """Lists of anything, typed lists whose items lack their kind, lists in lists."""
    pod = obj("Pod", "v1", spec=SPEC)
    bare = {"metadata": {"generateName": "web-"}, "spec": template()}
    document = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            pod,
            {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [bare]},
            {"apiVersion": "v1", "kind": "ServiceList", "items": []},
            {"apiVersion": "v1", "kind": "ThingList", "items": [{"spec": {"image": "a"}}]},
        ],
    }
    found = parsed(document, pod)
    assert [name for name, _reference in images(found)] == ["Pod/web/app", "Deployment/web-/app"]
    assert found.unknown == {"Thing": 1}


def test_other_kinds_are_reported() -> None:
    """What holds images is told apart from what holds none, and counted by kind and group."""
    knative = {"template": {"spec": {"containers": [{"image": "a"}]}}}
    found = parsed(
        obj("Service", "v1", spec={"ports": []}),
        obj("Service", "serving.knative.dev/v1", spec=knative),
        obj("Job", "batch.volcano.sh/v1alpha1", spec={"tasks": [template()]}),
        obj("VirtualMachine", "kubevirt.io/v1", spec={"volumes": [{"disk": {"image": "a"}}]}),
        obj("VirtualMachine", "kubevirt.io/v1alpha3", spec={"image": "a"}),
        obj("ConfigMap", "v1", data={"rules": "{{ $labels.instance }} {% x %}"}),
        obj("CustomResourceDefinition", "v1", spec={"containers": {"type": "array"}, "image": {}}),
        {"resources": ["web.yml"], "images": [{"name": "app", "newTag": "v2"}]},
        {"image": "values of a chart"},
        obj("Service", "v1"),
        obj("Pod", ["v1"], spec=SPEC),
        obj(["Pod"], "v1", spec={}),
        obj("Pod", "v1/v1", spec={}),
        obj("Sized", "v1", spec={"containers": []}),
    )
    assert images(found) == []
    assert found.unknown == {
        "Service.serving.knative.dev": 1,
        "Job.batch.volcano.sh": 1,
        "VirtualMachine.kubevirt.io": 2,
        "no kind": 1,
        "Pod": 1,
    }


def test_nothing() -> None:
    """No documents, no images."""
    assert parse_workloads("---\n# nothing\n", "f") == Workloads((), {}, ())


RULES = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  matchType: {type: string, enum: ['!=', =, =~, '!~']}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m, labels: {app: m}, labels: {app: n}}
data: {since: 2020-13-45}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: app, image: "quay.io/a/old:v1"}]
  containers: [{name: app, image: "quay.io/a/app:v1"}]
"""


def test_what_charts_render() -> None:
    """An equal sign, an impossible date and keys that stand twice stop nothing, as in Kubernetes."""
    found = parse_workloads(RULES, "web.yml")
    assert images(found) == [("Pod/web/app", "quay.io/a/app:v1")]
    assert found.unknown == {}
    assert found.repeated == (RepeatedKey("labels", 10), RepeatedKey("containers", 18))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{- if .Values.web }}\nkind: Pod\n{{- end }}\n", "it is a template and no YAML"),
        ("spec:\n  replicas: {{ .Values.replicas }}\n", "it is a template and no YAML"),
        ("{% if web %}\nkind: Pod\n", "it is a template and no YAML"),
        (
            yaml.safe_dump(
                obj("Pod", "v1", spec={"containers": [{"name": "a", "image": "a:{{ .Tag }}"}]})
            ),
            "reading 'a' of Pod 'web' in web.yml: its image is 'a:{{ .Tag }}'",
        ),
    ],
)
def test_templates(text: str, said: str) -> None:
    """They are to be rendered first; marks within the values of what is rendered do no harm."""
    with pytest.raises(EdgefleetError) as caught:
        parse_workloads(text, "web.yml")
    assert said in str(caught.value)
    assert str(caught.value).endswith(
        "Render it first, e.g. with 'helm template', and give what that prints."
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("text", "reading web.yml: it holds 'text' where a Kubernetes object should be"),
        ([], "it holds a list where"),
        ({"kind": "List", "items": ["x"]}, "it holds 'x' where"),
        (obj("Pod", "v1"), "reading Pod 'web' in web.yml: it has no spec"),
        (obj("Pod", "v1", spec=[]), "it has no spec"),
        (obj("Job", "batch/v1", spec={"template": 7}), "it has no spec.template.spec"),
        (obj("Pod", "v1", spec={}), "it has no containers"),
        (obj("Pod", "v1", spec={"containers": "x"}), "containers is no list of mappings"),
        (obj("Pod", "v1", spec={"containers": ["x"]}), "containers is no list of mappings"),
        (
            obj("Pod", "v1", spec={"containers": [{"image": "a"}]}),
            "the name of a container or volume is nothing",
        ),
        (
            obj("Pod", "v1", spec={"containers": [{"name": "app"}]}),
            "reading 'app' of Pod 'web' in web.yml: it names no image. Whole objects are needed",
        ),
        (obj("Pod", "v1", spec={"containers": [{"name": "a", "image": ""}]}), "it names no image"),
        (
            obj("Pod", "v1", spec={"containers": [{"name": "a", "image": "A B"}]}),
            "image reference 'A B' in 'a' of Pod 'web' in web.yml: it has white space",
        ),
        (
            obj("Pod", "v1", spec={"containers": [{"name": "a", "image": 7}]}),
            "it is a int, not a string",
        ),
        (
            obj("Pod", "v1", spec={**SPEC, "volumes": [{"name": "m", "image": "x"}]}),
            "reading 'm' of Pod 'web' in web.yml: it names no image",
        ),
        (obj("Pod", "v1", spec={**SPEC, "volumes": {}}), ""),
        (obj("Pod", "v1", spec={**SPEC, "volumes": "x"}), "volumes is no list of mappings"),
        ({"kind": "Pod", "apiVersion": "v1", "metadata": "x"}, "reading Pod '' in web.yml"),
    ],
)
def test_no_workload(document: Any, said: str) -> None:
    """File, object and container are named."""
    assert said in refusal(parsed, document)
    assert bool(said) is bool(refusal(parsed, document))


def test_no_yaml() -> None:
    """What is broken and no template is told as it is."""
    with pytest.raises(EdgefleetError, match="It must be YAML"):
        parse_workloads("a: [", "web.yml")


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases cannot make much of little."""
    with pytest.raises(EdgefleetError, match="an alias in it holds itself"):
        parse_workloads("&a {kind: List, items: [*a]}", "f")
    monkeypatch.setattr(module, "_OBJECTS_MAX", 3)
    assert parse_workloads("kind: List\nitems: [{}, {}]", "f") == Workloads((), {}, ())
    with pytest.raises(EdgefleetError, match="it holds more than 3 objects"):
        parse_workloads("kind: List\nitems: [&a {}, *a, *a]", "f")
    monkeypatch.setattr(module, "_TEXT_MAX", 3)
    with pytest.raises(EdgefleetError, match="At most 3 are read"):
        parse_workloads("a: b", "f")


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.just("Pod") | st.just("v1"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["apiVersion", "kind", "items", "spec", "containers", "name", "image", "volumes"]
            ),
            inner,
        )
    ),
)


@given(ANY, st.sampled_from(["apiVersion", "kind", "metadata", "spec", "items"]), ANY)
def test_anything_is_parsed_or_refused(value: Any, key: str, other: Any) -> None:
    """No value at any place leads to another error."""
    assert "\n" not in refusal(parsed, {**obj("Pod", "v1", spec=SPEC), key: value})
    assert "\n" not in refusal(parsed, obj("Pod", "v1", spec={**SPEC, "volumes": value}))
    assert "\n" not in refusal(parsed, other)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Neither does any text."""
    assert "\n" not in refusal(parse_workloads, text, "f")
