#!/usr/bin/env python3
"""One walk through the whole API with Python's standard library, for a customer of its own.

README.md beside this shows what it prints.

    AUTH_CLIENT_SERVICE_URL   where the service is; http://127.0.0.1:8001 by default
    AUTH_CLIENT_CREDENTIAL    the admin token; not needed in open mode
"""

import json
import os
import urllib.error
import urllib.request
import uuid

SERVICE = os.environ.get("AUTH_CLIENT_SERVICE_URL", "http://127.0.0.1:8001")
CREDENTIAL = os.environ.get("AUTH_CLIENT_CREDENTIAL")
CUSTOMER = str(uuid.uuid4())
EVENT = f"evt-{CUSTOMER}"


def send(method, path, body, headers):
    """Status and JSON of an answer, whatever the status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(SERVICE + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def call(method, path, body=None, expect=200):
    """A call that has to be answered with the status `expect`."""
    headers = {"Authorization": f"Bearer {CREDENTIAL}"} if CREDENTIAL else {}
    status, answer = send(method, path, body, headers)
    if status != expect:
        raise SystemExit(f"{method} {path}: {status} {answer}")
    return answer


def mint(kind, expect=200, **body):
    return call("POST", f"/tokens/{kind}", {"customer_id": CUSTOMER, **body}, expect)


def authorize(token, action):
    body = {"token": token["token"], "action": action, "resource": "repo:countersign"}
    return call("POST", "/tokens/authorize", body)["step"]


def introspect(token):
    return json.dumps(call("POST", "/tokens/introspect", {"token": token["token"]})["active"])


# A signing key, and with it the customer.
print("key:", call("POST", "/keys/signing", {"customer_id": CUSTOMER})["key_type"])

# App token -> bearer -> agent -> subagent -> session.
app = mint("app", name="walk")
print("app:", app["token"][:7])
bearer = mint("bearer", app_token_hash=app["token_hash"])
print("bearer:", bearer["environment"])
policy = {
    "allowed_actions": ["data:read:*", "code:review:*"],
    "denied_actions": ["data:write:*"],
    "allowed_resources": ["repo:*"],
    "denied_resources": [],
    "max_sensitivity_level": 3,
}
agent = mint(
    "agent",
    bearer_jti=bearer["jti"],
    agent_id="code-review-agent",
    agent_name="Code Review Agent",
    rbac=policy,
    ttl_hours=24,
)
print("agent:", agent["agent_id"])
below = {"parent_agent_jti": agent["jti"]}
subagent = mint("subagent", **below, agent_id="reader", rbac={"allowed_actions": ["data:read:diff"]})
print("subagent: depth", subagent["delegation_depth"])
wider = mint("subagent", expect=400, **below, agent_id="writer", rbac={"allowed_actions": ["code:*"]})
print("wider subagent:", wider["code"])
session = mint(
    "session",
    parent_jti=subagent["jti"],
    parent_type="subagent",
    session_id="pull-request-7",
    max_events=2,
)
events = f"/sessions/{session['jti']}/events"
print("session:", call("POST", events, {"customer_id": CUSTOMER})["events_remaining"], "event left")
print("two more:", call("POST", events, {"customer_id": CUSTOMER, "count": 2}, expect=429)["code"])

# Judging.
print("introspect agent:", introspect(agent))
print("agent reads:", authorize(agent, "data:read:diff"))
print("agent writes:", authorize(agent, "data:write:diff"))
print("subagent reviews:", authorize(subagent, "code:review:file"))

# A human decides a flagged event, at most once.
override = mint("override", event_id=EVENT, reason="High-risk data access flagged by scoring pipeline")


def decide(decision, expect):
    body = {
        "customer_id": CUSTOMER,
        "override_jti": override["jti"],
        "decision": decision,
        "decided_by": "reviewer@example.org",
    }
    return call("POST", f"/overrides/{EVENT}/decide", body, expect)


decided = decide("approve", expect=200)
print("decision:", decided["decision"])
print("second decision:", decide("reject", expect=409)["code"])
cosigned = {
    "customer_id": CUSTOMER,
    "override_jti": override["jti"],
    "decision": "approve",
    "cosignature": decided["cosignature"],
}
print("cosignature:", json.dumps(call("POST", f"/overrides/{EVENT}/verify", cosigned)["valid"]))


# A DENY stops an agent and what it minted at the next question; nothing is issued again.
def api(method, path, body=None, expect=200):
    """A call of the permission family, where an app token is the key."""
    status, answer = send(method, f"/api/v1{path}", body, {"x-api-key": app["token"]})
    if status != expect:
        raise SystemExit(f"{method} {path}: {status} {answer}")
    return answer["data"]


deny = {
    "adminId": "code-review-agent",
    "path": "data",
    "action": "*",
    "effect": "DENY",
    "reason": "Under investigation until tomorrow",
}
rule = api("POST", "/permissions/overrides", deny, expect=201)
question = {"adminId": "code-review-agent", "path": "data", "action": "read"}
print("permission:", api("POST", "/permissions/check", question)["source"])
print("subagent reads:", authorize(subagent, "data:read:diff"))
print("deleted:", json.dumps(api("DELETE", f"/permissions/overrides/remove/{rule['id']}")["deleted"]))
print("subagent reads again:", authorize(subagent, "data:read:diff"))

# Revoking one token, then one with everything derived from it.
revoked = call("DELETE", f"/revocation/{session['jti']}", {"customer_id": CUSTOMER})
print("revoke session:", json.dumps(revoked["revoked"]))
print("introspect subagent:", introspect(subagent))
why = {"customer_id": CUSTOMER, "reason": "end of the walk"}
print("cascade:", call("POST", f"/revocation/cascade/{agent['jti']}", why)["revoked_count"])
print("introspect subagent:", introspect(subagent))
print("feed:", len(call("GET", f"/revocations?customer_id={CUSTOMER}")["revocations"]))
