"""Verifies tokens with an independent JOSE library (PyJWT on pyca/cryptography).

Mints all six kinds over plain HTTP, strips their prefixes, and checks each through the published JWK Set and through the
published PEM, before and after both kinds of rotation. Usage: verify.py PATH-TO-COUNTERSIGN
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid

import jwt

SHARED = {"jti", "sub", "typ", "iat", "exp"}
# Kind: its own claims, its default lifetime in seconds.
KINDS = {
    "app": ({"scopes"}, 365 * 86_400),
    "bearer": ({"parent_jti", "env"}, 90 * 86_400),
    "agent": ({"parent_jti", "agent_id", "rbac"}, 24 * 3_600),
    "subagent": ({"parent_jti", "agent_id", "rbac", "depth"}, 4 * 3_600),
    "session": ({"parent_jti", "session_id", "max_events"}, 60 * 60),
    "override": ({"event_id", "allowed_decisions"}, 5 * 60),
}
RBAC = {
    "allowed_actions": ["data:read:*", "code:review:*"],
    "denied_actions": ["data:write:*"],
    "allowed_resources": ["repo:*", "dépôt:*"],
    "denied_resources": [],
    "max_sensitivity_level": 3,
}


class Checks:
    """Counts what held and prints what did not."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, what, holds):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}")

    def equal(self, what, found, expected):
        self.check(f"{what}: {found!r} instead of {expected!r}", found == expected)

    def raises(self, what, error, call):
        try:
            call()
        except error:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}: it was accepted")


class Service:
    """The program on a free port, with a key that signs ahead by two seconds."""

    def __init__(self, program, directory):
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AUTH_")}
        variables.update(
            AUTH_PORT="0",
            AUTH_DATA_DIR=os.path.join(directory, "data"),
            AUTH_LOG="warn",
            AUTH_STORAGE_DISK_FREE_MIN_MIB="0",
            AUTH_KEYS_KEY_PUBLISH_AHEAD_SECONDS="2",
        )
        self.process = subprocess.Popen(
            [program], cwd=directory, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        # A program that never says that it listens is ended, so that the line below comes back empty.
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line.startswith("listening on "):
            raise SystemExit(f"the program did not start: {line!r}")
        self.base = line.removeprefix("listening on ").strip()

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise SystemExit(f"{path}: {refusal.code} {refusal.read().decode()}")

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


def mint_all(service, customer):
    """One token of every kind, each below the one before; the answers by kind."""

    def mint(kind, **fields):
        return service.call(f"/tokens/{kind}", {"customer_id": customer, **fields})

    app = mint("app", name="jose", scopes=["tokens:mint", "tokens:read"])
    bearer = mint("bearer", app_token_hash=app["token_hash"], environment="staging")
    agent = mint("agent", bearer_jti=bearer["jti"], agent_id="réviseur", rbac=RBAC)
    subagent = mint("subagent", parent_agent_jti=agent["jti"], agent_id="lecteur")
    session = mint("session", parent_jti=subagent["jti"], parent_type="subagent", session_id="s-1", max_events=7)
    override = mint("override", event_id="evt-1", allowed_decisions=["approve"])
    return dict(app=app, bearer=bearer, agent=agent, subagent=subagent, session=session, override=override)


def compact(kind, answer):
    return answer["token"].removeprefix(f"qt_{kind}_")


def decode(token, key):
    return jwt.decode(token, key, algorithms=["ES256"], options={"require": sorted(SHARED - {"typ"}), "verify_sub": True})


def key_of(service, customer, token):
    """The key that the token's header names, from the published set."""
    keys = jwt.PyJWKSet.from_dict(service.call(f"/keys/public/{customer}/jwks.json"))
    kid = jwt.get_unverified_header(token)["kid"]
    return next((key for key in keys.keys if key.key_id == kid), None)


def verify_all(checks, service, customer, minted, kid, pem=None):
    for kind, answer in minted.items():
        token = compact(kind, answer)
        checks.equal(f"{kind}: header", jwt.get_unverified_header(token), {"alg": "ES256", "typ": "JWT", "kid": kid})
        key = key_of(service, customer, token)
        checks.check(f"{kind}: its key is published", key is not None)
        if key is None:
            continue
        claims = decode(token, key)
        checks.equal(f"{kind}: the answer's claims", answer["claims"], claims)
        verify_claims(checks, kind, customer, answer, claims)
        if pem is not None:
            checks.equal(f"{kind}: by PEM", decode(token, pem), claims)


def verify_claims(checks, kind, customer, answer, claims):
    own, lifetime = KINDS[kind]
    checks.equal(f"{kind}: claims", set(claims), SHARED | own)
    checks.equal(f"{kind}: jti", claims["jti"], answer["jti"])
    checks.equal(f"{kind}: sub", claims["sub"], customer)
    checks.equal(f"{kind}: typ", claims["typ"], kind)
    checks.check(f"{kind}: times are integers", type(claims["iat"]) is int and type(claims["exp"]) is int)
    checks.equal(f"{kind}: lifetime", claims["exp"] - claims["iat"], lifetime)
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"]))
    checks.equal(f"{kind}: expires_at", answer["expires_at"], shown)


def verify_values(checks, minted):
    claims = {kind: answer["claims"] for kind, answer in minted.items()}
    for child, parent in [("bearer", "app"), ("agent", "bearer"), ("subagent", "agent"), ("session", "subagent")]:
        checks.equal(f"{child}: parent_jti", claims[child]["parent_jti"], claims[parent]["jti"])
    checks.equal("app: scopes", claims["app"]["scopes"], ["tokens:mint", "tokens:read"])
    checks.equal("bearer: env", claims["bearer"]["env"], "staging")
    checks.equal("agent: agent_id", claims["agent"]["agent_id"], "réviseur")
    checks.equal("agent: rbac", claims["agent"]["rbac"], {**RBAC, "sensitivity_level": 3})
    checks.equal("subagent: rbac", claims["subagent"]["rbac"], claims["agent"]["rbac"])
    checks.equal("subagent: depth", claims["subagent"]["depth"], 1)
    checks.equal("session: max_events", claims["session"]["max_events"], 7)
    checks.equal("session: session_id", claims["session"]["session_id"], "s-1")
    checks.equal("override: event_id", claims["override"]["event_id"], "evt-1")
    checks.equal("override: allowed_decisions", claims["override"]["allowed_decisions"], ["approve"])


def verify_tampering(checks, service, customer, minted, foreign):
    def encoded(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    for kind, answer in minted.items():
        token = compact(kind, answer)
        key = key_of(service, customer, token)
        header, _, signature = token.split(".")
        later = {**answer["claims"], "exp": answer["claims"]["exp"] + 1}
        longer = f"{header}.{encoded(later)}.{signature}"
        checks.raises(f"{kind}: other claims", jwt.InvalidSignatureError, lambda: decode(longer, key))
        first = "B" if signature[0] == "A" else "A"
        flipped = f"{token.rsplit('.', 1)[0]}.{first}{signature[1:]}"
        checks.raises(f"{kind}: another signature", jwt.InvalidSignatureError, lambda: decode(flipped, key))
        checks.raises(f"{kind}: another customer's key", jwt.InvalidSignatureError, lambda: decode(token, foreign))


def rotate(service, customer, kid, immediate):
    return service.call(f"/keys/{kid}/rotate", {"customer_id": customer, "immediate": immediate})


def await_active(service, customer, pem):
    """Waits until the key signs."""
    for _ in range(200):
        if service.call(f"/keys/public/{customer}")["public_key"] == pem:
            return
        time.sleep(0.05)
    raise SystemExit("the published key never became the active one")


def run(checks, service):
    customer, other = str(uuid.uuid4()), str(uuid.uuid4())
    first = service.call("/keys/signing", {"customer_id": customer})
    foreign = service.call("/keys/signing", {"customer_id": other})["public_key"]
    oldest = mint_all(service, customer)
    verify_all(checks, service, customer, oldest, first["key_id"], first["public_key"])
    verify_values(checks, oldest)
    verify_tampering(checks, service, customer, oldest, foreign)

    second = rotate(service, customer, first["key_id"], immediate=True)
    older = mint_all(service, customer)
    verify_all(checks, service, customer, older, second["key_id"], second["public_key"])
    verify_all(checks, service, customer, oldest, first["key_id"], first["public_key"])

    # Fetched before the third key signs: what a verifier that caches already knows then.
    third = rotate(service, customer, second["key_id"], immediate=False)
    cached = service.call(f"/keys/public/{customer}/jwks.json")
    checks.check("published ahead", any(key["kid"] == third["key_id"] for key in cached["keys"]))
    await_active(service, customer, third["public_key"])
    newest = mint_all(service, customer)
    verify_all(checks, service, customer, newest, third["key_id"], third["public_key"])
    ahead = next(key for key in jwt.PyJWKSet.from_dict(cached).keys if key.key_id == third["key_id"])
    for kind, answer in newest.items():
        checks.equal(f"{kind}: by the cached set", decode(compact(kind, answer), ahead), answer["claims"])
    verify_all(checks, service, customer, older, second["key_id"], second["public_key"])
    verify_all(checks, service, customer, oldest, first["key_id"], first["public_key"])
    checks.check("the old key does not verify new tokens", not verifies(newest["app"]["token"], first["public_key"]))


def verifies(token, pem):
    try:
        decode(token.removeprefix("qt_app_"), pem)
    except jwt.InvalidSignatureError:
        return False
    return True


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as directory:
        service = Service(os.path.abspath(sys.argv[1]), directory)
        try:
            run(checks, service)
        finally:
            code = service.stop()
        checks.equal("exit code", code, 0)
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed != 0)


if __name__ == "__main__":
    main()
