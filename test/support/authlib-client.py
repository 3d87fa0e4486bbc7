# Authlib as a client: told in JSON what it is and where, it answers a line for each step on its standard output and reads the address that a person came back to
# from its standard input.
import json
import sys
import time

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken


def say(**what):
    print(json.dumps(what), flush=True)


told = json.loads(sys.argv[1])
issuer = told["issuer"]
session = OAuth2Session(told["clientId"], told["clientSecret"], redirect_uri=told["redirectUri"], scope="openid email offline_access", code_challenge_method="S256")
metadata = session.get(issuer + "/.well-known/openid-configuration", withhold_token=True).json()
session.metadata["token_endpoint"] = metadata["token_endpoint"]
verifier, nonce = generate_token(48), generate_token(16)
address, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
say(step="authorize", address=address)
token = session.fetch_token(metadata["token_endpoint"], authorization_response=sys.stdin.readline().strip(), code_verifier=verifier, state=state)
keys = JsonWebKey.import_key_set(session.get(metadata["jwks_uri"], withhold_token=True).json())
claims = jwt.decode(token["id_token"], keys, claims_cls=CodeIDToken, claims_options={"iss": {"value": issuer}, "aud": {"value": told["clientId"]}}, claims_params={"nonce": nonce, "client_id": told["clientId"], "access_token": token["access_token"]})
claims.validate(leeway=30)
say(step="in", by=claims["sub"], **session.get(metadata["userinfo_endpoint"]).json())
renewed = session.refresh_token(metadata["token_endpoint"])
say(step="renewed", isOther=renewed["refresh_token"] != token["refresh_token"])
say(step="introspected", **session.introspect_token(metadata["introspection_endpoint"], token=renewed["access_token"]).json())
session.revoke_token(metadata["revocation_endpoint"], token=renewed["refresh_token"])
say(step="revoked", **session.introspect_token(metadata["introspection_endpoint"], token=renewed["access_token"]).json())

service = OAuth2Session(told["serviceId"], told["serviceKey"], token_endpoint_auth_method="private_key_jwt")
# its own assertions live an hour and are for the endpoint; here they are for the issuer and live ten minutes at most
service.register_client_auth_method(PrivateKeyJWT(issuer, headers={"kid": "k1"}, claims={"exp": int(time.time()) + 300}))
say(step="service", scope=service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", resource=told["resource"])["scope"])
