"""Checks that every LATCHKEY_… variable in the given manifests is a setting of the service that gets it.

Usage: check-settings.py FILE…   (a compose file, or what `kubectl kustomize` prints; a file that does not exist is passed over)
A setting exists if the service's config.default.toml has it.
"""

import pathlib
import sys
import tomllib

import yaml

SERVICES = ("auth-svc", "session-svc", "webhook-svc")


def settings_of(service):
    """Names the variables that a service reads."""
    defaults = tomllib.loads(pathlib.Path(service, "src/config.default.toml").read_text())
    names = set()
    for key, value in defaults.items():
        if isinstance(value, dict):
            names |= {f"LATCHKEY_{key}__{inner}".upper() for inner in value}
        else:
            names.add(f"LATCHKEY_{key}".upper())
    return names


def of_compose(document):
    """Yields each service's image and variables."""
    for service in document["services"].values():
        yield service.get("image", ""), service.get("environment") or {}


def of_kubernetes(documents):
    """Yields the image and the variables of each container, those of its ConfigMaps and Secrets included."""
    values = {}
    for document in documents:
        if document["kind"] in ("ConfigMap", "Secret"):
            values[document["kind"], document["metadata"]["name"]] = document.get("data") or {}
    for document in documents:
        pod = document.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            variables = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
            for source in container.get("envFrom", []):
                for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if field in source:
                        # A Secret of production is made elsewhere.
                        variables |= values.get((kind, source[field]["name"]), {})
            yield container["image"], variables


def main(files):
    known = {service: settings_of(service) for service in SERVICES}
    wrong, checked = [], 0
    for file in filter(lambda file: pathlib.Path(file).exists(), files):
        documents = [document for document in yaml.safe_load_all(pathlib.Path(file).read_text()) if document]
        containers = of_compose(documents[0]) if "services" in documents[0] else of_kubernetes(documents)
        for image, variables in containers:
            service = image.split("/")[-1].split(":")[0]
            if service not in known:
                continue
            checked += len(variables)
            wrong += [f"{file}: {service} has no setting {name}" for name in set(variables) - known[service]]
    print("\n".join(wrong) or f"check-settings: {checked} settings, all known")
    return 1 if wrong or not checked else 0


sys.exit(main(sys.argv[1:]))
