"""Starts the program with an admin credential, makes a few things in it, and lets schemathesis compare it with its document.

EXAMPLES (default 12) is the number of random requests for each operation, beside those that are made of examples and of limits.
Usage: conformance.py PATH-TO-COUNTERSIGN
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

ADMIN = "an-admin-credential-of-some-forty-characters"
CUSTOMER = "550e8400-e29b-41d4-a716-446655440000"
OTHER = "650e8400-e29b-41d4-a716-446655440000"
SECONDS_MAX = 300


def post(base, path, body):
    request = urllib.request.Request(
        base + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {ADMIN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def furnish(base):
    """Makes what hooks.py refers to; returns that and the key of the permission family."""
    key = post(base, "/keys/signing", {"customer_id": CUSTOMER})["key_id"]
    other_key = post(base, "/keys/signing", {"customer_id": OTHER})["key_id"]
    app = post(base, "/tokens/app", {"customer_id": CUSTOMER, "name": "app"})
    bearer = post(base, "/tokens/bearer", {"customer_id": CUSTOMER, "app_token_hash": app["token_hash"]})
    mint_agent = {"customer_id": CUSTOMER, "bearer_jti": bearer["jti"], "agent_id": "code-reviewer"}
    agent = post(base, "/tokens/agent", mint_agent)
    revoked_over_and_over = post(base, "/tokens/agent", mint_agent)
    session = {"customer_id": CUSTOMER, "parent_jti": agent["jti"], "parent_type": "agent", "session_id": "s"}
    session = post(base, "/tokens/session", session)
    override = {"customer_id": CUSTOMER, "event_id": "evt-a1b2c3d4-5678-9012-abcd-ef3456789012"}
    override = post(base, "/tokens/override", override)
    there = {
        "customer_id": CUSTOMER,
        "bearer_jti": bearer["jti"],
        "parent_agent_jti": agent["jti"],
        "parent_jti": agent["jti"],
        "session_jti": session["jti"],
        "override_jti": override["jti"],
        "jti": revoked_over_and_over["jti"],
        "key_id": key,
        "other": OTHER,
        "other_key": other_key,
    }
    return there, app["token"]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AUTH_")}
    with tempfile.TemporaryDirectory() as directory:
        settings |= {
            "AUTH_PORT": "0",
            "AUTH_DATA_DIR": os.path.join(directory, "data"),
            "AUTH_STORAGE_DISK_FREE_MIN_MIB": "0",
            "AUTH_ADMIN_TOKEN": ADMIN,
            "AUTH_LOG": "error",
            "AUTH_PERMISSIONS_MANAGEMENT_PER_HOUR": "1000000",
            "AUTH_PERMISSIONS_CHECKS_PER_HOUR": "1000000",
            "AUTH_PERMISSIONS_AUDIT_PER_HOUR": "1000000",
        }
        program = subprocess.Popen(
            [os.path.abspath(sys.argv[1])], cwd=directory, env=settings, stdout=subprocess.PIPE, text=True
        )
        try:
            base = program.stdout.readline().removeprefix("listening on ").strip()
            there, key = furnish(base)
            environment = os.environ | {
                "COUNTERSIGN_ADMIN": ADMIN,
                "COUNTERSIGN_KEY": key,
                "COUNTERSIGN_THERE": json.dumps(there),
                "HYPOTHESIS_STORAGE_DIRECTORY": os.path.join(directory, "hypothesis"),
            }
            command = [
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                "schemathesis.toml",
                "run",
                f"{base}/openapi.json",
                "--phases=examples,coverage,fuzzing",
                f"--max-examples={os.environ.get('EXAMPLES', '12')}",
                "--no-color",
            ]
            ended = subprocess.run(command, cwd=here, env=environment, timeout=SECONDS_MAX)
            alive = program.poll() is None
        finally:
            program.terminate()
            program.wait(30)
    if not alive:
        print("the program has ended by itself")
    sys.exit(ended.returncode or not alive)


if __name__ == "__main__":
    main()
