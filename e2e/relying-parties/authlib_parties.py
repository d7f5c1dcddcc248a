"""Plays a relying party and a resource server with PyPI's Authlib.

Says line by line what a browser must do, reads what came of it, and ends with what it found.
Usage: authlib_parties.py ISSUER
"""

import json
import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

issuer = sys.argv[1]
about = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
keys = requests.get(about["jwks_uri"], timeout=10).json()


def tell(what):
    print(json.dumps(what), flush=True)
    return json.loads(sys.stdin.readline())


def relying_party():
    session = OAuth2Session(
        "demo-web",
        "demo-web-secret",
        redirect_uri="http://localhost:8080/cb",
        scope="openid profile email",
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    )
    verifier, nonce = "v" * 64, "some nonce"
    address, _ = session.create_authorization_url(
        about["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    came = tell({"open": address})
    token = session.fetch_token(
        about["token_endpoint"], authorization_response=came["url"], code_verifier=verifier
    )
    signed = jwt.decode(token["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])
    checked = CodeIDToken(
        signed.claims,
        signed.header,
        {"iss": {"values": [issuer]}, "aud": {"values": ["demo-web"]}},
        {"nonce": nonce, "access_token": token["access_token"], "client_id": "demo-web"},
    )
    checked.validate(leeway=10)
    user = session.get(about["userinfo_endpoint"]).json()
    again = session.refresh_token(about["token_endpoint"], token["refresh_token"])
    seen = session.introspect_token(about["introspection_endpoint"], again["access_token"]).json()
    session.revoke_token(about["revocation_endpoint"], again["refresh_token"])
    gone = session.introspect_token(about["introspection_endpoint"], again["access_token"]).json()
    return token, {"email": user["email"], "sub": user["sub"] == checked["sub"], "active": [seen["active"], gone["active"]]}


class Resource(JWTBearerTokenValidator):
    def get_jwks(self):
        return KeySet.import_key_set(keys)


def resource_server(token):
    """What a service says of an access token and of an ID token (RFC 9068 §4)."""
    service = Resource(issuer=issuer, resource_server="latchkey")
    found = {}
    for name in ["access_token", "id_token"]:
        try:
            claims = service.authenticate_token(token[name])
            service.validate_token(claims, ["email"], None)
            found[name] = claims["client_id"]
        except Exception as refused:
            found[name] = type(refused).__name__
    return found


tokens, party = relying_party()
print(json.dumps({"found": {"relyingParty": party, "resourceServer": resource_server(tokens)}}), flush=True)
