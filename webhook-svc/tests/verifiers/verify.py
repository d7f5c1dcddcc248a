"""Verifies webhooks with PyPI's standardwebhooks, and their Ed25519 signatures with PyCA's cryptography.

Usage: verify.py FILE_OF_DELIVERIES
The file holds [{ headers, body (base64), secrets, public_keys (whpk_…), jwks }]; says what it found of each.
"""

import base64
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError


def takes(secret, body, headers):
    try:
        return Webhook(secret).verify(body, headers) is not None
    except WebhookVerificationError:
        return False


def is_signed_by(key, body, headers):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for entry in headers["webhook-signature"].split(" "):
        scheme, signature = entry.split(",")
        try:
            if scheme == "v1a":
                key.verify(base64.b64decode(signature), signed)
                return True
        except InvalidSignature:
            pass
    return False


def of_jwk(jwk):
    assert (jwk["kty"], jwk["crv"], jwk["alg"]) == ("OKP", "Ed25519", "EdDSA"), jwk
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))


def of_text(text):
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text.removeprefix("whpk_")))


def look(delivery):
    body, headers, secrets = base64.b64decode(delivery["body"]), delivery["headers"], delivery["secrets"]
    keys = [of_jwk(jwk) for jwk in delivery["jwks"]["keys"]] + [of_text(text) for text in delivery["public_keys"]]
    other = body + b" "
    return {
        "secrets": [takes(secret, body, headers) for secret in secrets],
        "keys": [is_signed_by(key, body, headers) for key in keys],
        "others": sum(takes(secret, other, headers) for secret in secrets)
        + sum(is_signed_by(key, other, headers) for key in keys),
    }


with open(sys.argv[1], encoding="utf-8") as file:
    print(json.dumps([look(delivery) for delivery in json.load(file)]))
