"""Gives what schemathesis asks for identifiers of things that are there, so that more is asked of them than whether they exist."""

import json
import os

import schemathesis

THERE = json.loads(os.environ["COUNTERSIGN_THERE"])
# The identifier that stands in every example of the document.
EXAMPLE = "550e8400-e29b-41d4-a716-446655440000"
# What these calls do to a customer must not stop the others, so they get one of their own.
DESTRUCTIVE = ("/customers/{id}", "/revocation/bulk", "/keys/{key_id}")


def names(path):
    """The identifiers for a call of this path, by the name of the field or parameter."""
    if path.startswith(DESTRUCTIVE):
        return {"customer_id": THERE["other"], "id": THERE["other"], "key_id": THERE["other_key"]}
    return {name: THERE[name] for name in THERE if not name.startswith("other")}


def fill(members, known):
    """Puts what is there where the example's identifier stands."""
    if not isinstance(members, dict):
        return
    for name, value in members.items():
        if value == EXAMPLE and name in known:
            members[name] = known[name]


@schemathesis.hook
def before_call(context, case, kwargs):
    known = names(case.operation.path)
    for members in (case.body, case.query, case.path_parameters):
        fill(members, known)
    if isinstance(case.body, dict) and isinstance(case.body.get("requests"), list):
        for item in case.body["requests"]:
            fill(item, known)
    # Waiting proves nothing here, and takes its time.
    if isinstance(case.query, dict) and str(case.query.get("wait")) in {str(wait) for wait in range(2, 31)}:
        case.query["wait"] = 1
