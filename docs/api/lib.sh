# What the examples have in common: `source docs/api/lib.sh`. They need bash, curl and python3.
#
#   AUTH_CLIENT_SERVICE_URL   where the service is; http://127.0.0.1:8001 by default
#   AUTH_CLIENT_CREDENTIAL    the admin token, or an app token; not needed in open mode
SERVICE=${AUTH_CLIENT_SERVICE_URL:-http://127.0.0.1:8001}

# Secrets go through pipes: every user of the machine can read a command line.
credential() {
  if [ -n "${AUTH_CLIENT_CREDENTIAL:-}" ]; then
    printf 'header = "Authorization: Bearer %s"\n' "$AUTH_CLIENT_CREDENTIAL"
  fi
}

# call METHOD PATH [BODY]: the body of the answer, whatever its status.
call() {
  printf %s "${3:-}" |
    curl -sS -w '\n' -X "$1" --config <(credential) -H 'Content-Type: application/json' --data-binary @- "$SERVICE$2"
}

# field PATH: one member of the JSON on standard input, such as data.allowed.
field() {
  python3 -c '
import json, sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value[int(name)] if isinstance(value, list) else value[name]
print(value if isinstance(value, str) else json.dumps(value))' "$1"
}

new_customer() { python3 -c 'import uuid; print(uuid.uuid4())'; }
