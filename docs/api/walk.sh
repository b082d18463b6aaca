#!/usr/bin/env bash
# One walk through the whole API with curl, for a customer of its own. README.md beside this shows what it prints.
set -euo pipefail

source "$(dirname "$0")/lib.sh"

CUSTOMER=$(new_customer)
EVENT=evt-$CUSTOMER

# api METHOD PATH [BODY]: a call of the permission family, where an app token is the key.
api() { AUTH_CLIENT_CREDENTIAL=$APP_TOKEN call "$1" "/api/v1$2" "${3:-}"; }

# authorize TOKEN ACTION
authorize() {
  call POST /tokens/authorize "{\"token\": \"$1\", \"action\": \"$2\", \"resource\": \"repo:countersign\"}" | field step
}

# introspect TOKEN
introspect() { call POST /tokens/introspect "{\"token\": \"$1\"}" | field active; }

# A signing key, and with it the customer.
KEY=$(call POST /keys/signing "{\"customer_id\": \"$CUSTOMER\"}")
echo "key: $(field key_type <<< "$KEY")"

# App token -> bearer -> agent -> subagent -> session.
APP=$(call POST /tokens/app "{\"customer_id\": \"$CUSTOMER\", \"name\": \"walk\"}")
APP_TOKEN=$(field token <<< "$APP")
APP_HASH=$(field token_hash <<< "$APP")
echo "app: ${APP_TOKEN:0:7}"

BEARER=$(call POST /tokens/bearer "{\"customer_id\": \"$CUSTOMER\", \"app_token_hash\": \"$APP_HASH\"}")
BEARER_JTI=$(field jti <<< "$BEARER")
echo "bearer: $(field environment <<< "$BEARER")"

AGENT=$(call POST /tokens/agent "{
  \"customer_id\": \"$CUSTOMER\",
  \"bearer_jti\": \"$BEARER_JTI\",
  \"agent_id\": \"code-review-agent\",
  \"agent_name\": \"Code Review Agent\",
  \"rbac\": {
    \"allowed_actions\": [\"data:read:*\", \"code:review:*\"],
    \"denied_actions\": [\"data:write:*\"],
    \"allowed_resources\": [\"repo:*\"],
    \"denied_resources\": [],
    \"max_sensitivity_level\": 3
  },
  \"ttl_hours\": 24
}")
AGENT_TOKEN=$(field token <<< "$AGENT")
AGENT_JTI=$(field jti <<< "$AGENT")
echo "agent: $(field agent_id <<< "$AGENT")"

SUBAGENT=$(call POST /tokens/subagent "{
  \"customer_id\": \"$CUSTOMER\",
  \"parent_agent_jti\": \"$AGENT_JTI\",
  \"agent_id\": \"reader\",
  \"rbac\": {\"allowed_actions\": [\"data:read:diff\"]}
}")
SUBAGENT_TOKEN=$(field token <<< "$SUBAGENT")
SUBAGENT_JTI=$(field jti <<< "$SUBAGENT")
echo "subagent: depth $(field delegation_depth <<< "$SUBAGENT")"

WIDER=$(call POST /tokens/subagent "{
  \"customer_id\": \"$CUSTOMER\",
  \"parent_agent_jti\": \"$AGENT_JTI\",
  \"agent_id\": \"writer\",
  \"rbac\": {\"allowed_actions\": [\"code:*\"]}
}")
echo "wider subagent: $(field code <<< "$WIDER")"

SESSION=$(call POST /tokens/session "{
  \"customer_id\": \"$CUSTOMER\",
  \"parent_jti\": \"$SUBAGENT_JTI\",
  \"parent_type\": \"subagent\",
  \"session_id\": \"pull-request-7\",
  \"max_events\": 2
}")
SESSION_JTI=$(field jti <<< "$SESSION")
COUNTED=$(call POST "/sessions/$SESSION_JTI/events" "{\"customer_id\": \"$CUSTOMER\"}")
echo "session: $(field events_remaining <<< "$COUNTED") event left"
COUNTED=$(call POST "/sessions/$SESSION_JTI/events" "{\"customer_id\": \"$CUSTOMER\", \"count\": 2}")
echo "two more: $(field code <<< "$COUNTED")"

# Judging.
echo "introspect agent: $(introspect "$AGENT_TOKEN")"
echo "agent reads: $(authorize "$AGENT_TOKEN" data:read:diff)"
echo "agent writes: $(authorize "$AGENT_TOKEN" data:write:diff)"
echo "subagent reviews: $(authorize "$SUBAGENT_TOKEN" code:review:file)"

# A human decides a flagged event, at most once.
OVERRIDE=$(call POST /tokens/override "{
  \"customer_id\": \"$CUSTOMER\",
  \"event_id\": \"$EVENT\",
  \"reason\": \"High-risk data access flagged by scoring pipeline\"
}")
OVERRIDE_JTI=$(field jti <<< "$OVERRIDE")
decide() {
  call POST "/overrides/$EVENT/decide" "{
    \"customer_id\": \"$CUSTOMER\",
    \"override_jti\": \"$OVERRIDE_JTI\",
    \"decision\": \"$1\",
    \"decided_by\": \"reviewer@example.org\"
  }"
}
DECIDED=$(decide approve)
echo "decision: $(field decision <<< "$DECIDED")"
echo "second decision: $(decide reject | field code)"
VERIFIED=$(call POST "/overrides/$EVENT/verify" "{
  \"customer_id\": \"$CUSTOMER\",
  \"override_jti\": \"$OVERRIDE_JTI\",
  \"decision\": \"approve\",
  \"cosignature\": \"$(field cosignature <<< "$DECIDED")\"
}")
echo "cosignature: $(field valid <<< "$VERIFIED")"

# A DENY stops an agent and what it minted at the next question; nothing is issued again.
DENY=$(api POST /permissions/overrides '{
  "adminId": "code-review-agent",
  "path": "data",
  "action": "*",
  "effect": "DENY",
  "reason": "Under investigation until tomorrow"
}')
DENY_ID=$(field data.id <<< "$DENY")
CHECKED=$(api POST /permissions/check '{"adminId": "code-review-agent", "path": "data", "action": "read"}')
echo "permission: $(field data.source <<< "$CHECKED")"
echo "subagent reads: $(authorize "$SUBAGENT_TOKEN" data:read:diff)"
echo "deleted: $(api DELETE "/permissions/overrides/remove/$DENY_ID" | field data.deleted)"
echo "subagent reads again: $(authorize "$SUBAGENT_TOKEN" data:read:diff)"

# Revoking one token, then one with everything derived from it.
echo "revoke session: $(call DELETE "/revocation/$SESSION_JTI" "{\"customer_id\": \"$CUSTOMER\"}" | field revoked)"
echo "introspect subagent: $(introspect "$SUBAGENT_TOKEN")"
CASCADE=$(call POST "/revocation/cascade/$AGENT_JTI" "{\"customer_id\": \"$CUSTOMER\", \"reason\": \"end of the walk\"}")
echo "cascade: $(field revoked_count <<< "$CASCADE")"
echo "introspect subagent: $(introspect "$SUBAGENT_TOKEN")"
FEED=$(call GET "/revocations?customer_id=$CUSTOMER")
echo "feed: $(python3 -c 'import json, sys; print(len(json.load(sys.stdin)["revocations"]))' <<< "$FEED")"
