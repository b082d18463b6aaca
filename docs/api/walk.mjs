#!/usr/bin/env node
// One walk through the whole API with what Node.js 18 or newer has built in, for a customer of its own. README.md beside this shows
// what it prints. It ends with what only this walk shows: judging tokens away from the service.
//
//   AUTH_CLIENT_SERVICE_URL   where the service is; http://127.0.0.1:8001 by default
//   AUTH_CLIENT_CREDENTIAL    the admin token; not needed in open mode
import { randomUUID } from "node:crypto";
import { env } from "node:process";

import { Revocations, verify } from "./offline.mjs";

const SERVICE = env.AUTH_CLIENT_SERVICE_URL ?? "http://127.0.0.1:8001";
const CREDENTIAL = env.AUTH_CLIENT_CREDENTIAL;
const CUSTOMER = randomUUID();
const EVENT = `evt-${CUSTOMER}`;

/** An answer that has to have the status `expect`. */
async function send(method, path, body, headers, expect) {
  const answer = await fetch(SERVICE + path, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const content = await answer.json();
  if (answer.status !== expect) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(content)}`);
  return content;
}

function call(method, path, body, expect = 200) {
  return send(method, path, body, CREDENTIAL ? { Authorization: `Bearer ${CREDENTIAL}` } : {}, expect);
}

function mint(kind, body, expect = 200) {
  return call("POST", `/tokens/${kind}`, { customer_id: CUSTOMER, ...body }, expect);
}

async function authorize({ token }, action) {
  return (await call("POST", "/tokens/authorize", { token, action, resource: "repo:countersign" })).step;
}

async function introspect({ token }) {
  return (await call("POST", "/tokens/introspect", { token })).active;
}

const say = (what, value) => console.log(`${what}: ${value}`);

// A signing key, and with it the customer.
say("key", (await call("POST", "/keys/signing", { customer_id: CUSTOMER })).key_type);

// App token -> bearer -> agent -> subagent -> session.
const app = await mint("app", { name: "walk" });
say("app", app.token.slice(0, 7));
const bearer = await mint("bearer", { app_token_hash: app.token_hash });
say("bearer", bearer.environment);
const agent = await mint("agent", {
  bearer_jti: bearer.jti,
  agent_id: "code-review-agent",
  agent_name: "Code Review Agent",
  rbac: {
    allowed_actions: ["data:read:*", "code:review:*"],
    denied_actions: ["data:write:*"],
    allowed_resources: ["repo:*"],
    denied_resources: [],
    max_sensitivity_level: 3,
  },
  ttl_hours: 24,
});
say("agent", agent.agent_id);
const below = { parent_agent_jti: agent.jti };
const subagent = await mint("subagent", { ...below, agent_id: "reader", rbac: { allowed_actions: ["data:read:diff"] } });
say("subagent", `depth ${subagent.delegation_depth}`);
const wider = { ...below, agent_id: "writer", rbac: { allowed_actions: ["code:*"] } };
say("wider subagent", (await mint("subagent", wider, 400)).code);
const session = await mint("session", {
  parent_jti: subagent.jti,
  parent_type: "subagent",
  session_id: "pull-request-7",
  max_events: 2,
});
const events = `/sessions/${session.jti}/events`;
say("session", `${(await call("POST", events, { customer_id: CUSTOMER })).events_remaining} event left`);
say("two more", (await call("POST", events, { customer_id: CUSTOMER, count: 2 }, 429)).code);

// Judging.
say("introspect agent", await introspect(agent));
say("agent reads", await authorize(agent, "data:read:diff"));
say("agent writes", await authorize(agent, "data:write:diff"));
say("subagent reviews", await authorize(subagent, "code:review:file"));

// A human decides a flagged event, at most once.
const reason = "High-risk data access flagged by scoring pipeline";
const override = await mint("override", { event_id: EVENT, reason });
const decide = (decision, expect) =>
  call(
    "POST",
    `/overrides/${EVENT}/decide`,
    { customer_id: CUSTOMER, override_jti: override.jti, decision, decided_by: "reviewer@example.org" },
    expect,
  );
const { decision, cosignature } = await decide("approve", 200);
say("decision", decision);
say("second decision", (await decide("reject", 409)).code);
const cosigned = { customer_id: CUSTOMER, override_jti: override.jti, decision, cosignature };
say("cosignature", (await call("POST", `/overrides/${EVENT}/verify`, cosigned)).valid);

// A DENY stops an agent and what it minted at the next question; nothing is issued again. An app token is the key here.
const api = async (method, path, body, expect = 200) =>
  (await send(method, `/api/v1${path}`, body, { "x-api-key": app.token }, expect)).data;
const deny = {
  adminId: "code-review-agent",
  path: "data",
  action: "*",
  effect: "DENY",
  reason: "Under investigation until tomorrow",
};
const rule = await api("POST", "/permissions/overrides", deny, 201);
const question = { adminId: "code-review-agent", path: "data", action: "read" };
say("permission", (await api("POST", "/permissions/check", question)).source);
say("subagent reads", await authorize(subagent, "data:read:diff"));
say("deleted", (await api("DELETE", `/permissions/overrides/remove/${rule.id}`)).deleted);
say("subagent reads again", await authorize(subagent, "data:read:diff"));

// Revoking one token, then one with everything derived from it.
say("revoke session", (await call("DELETE", `/revocation/${session.jti}`, { customer_id: CUSTOMER })).revoked);
say("introspect subagent", await introspect(subagent));
const why = { customer_id: CUSTOMER, reason: "end of the walk" };
say("cascade", (await call("POST", `/revocation/cascade/${agent.jti}`, why)).revoked_count);
say("introspect subagent", await introspect(subagent));
const feed = await call("GET", `/revocations?customer_id=${CUSTOMER}`);
say("feed", feed.revocations.length);

// Away from the service: the signature and the time, then what the feed told.
const jwks = await call("GET", `/keys/public/${CUSTOMER}/jwks.json`);
const revocations = new Revocations();
revocations.add(feed);
const verdict = async ({ token, jti }) => {
  const { ancestors } = await call("GET", `/tokens/${jti}/lineage?customer_id=${CUSTOMER}`);
  return revocations.verdict(verify(token, jwks), ancestors);
};
say("offline bearer", await verdict(bearer));
say("offline agent", await verdict(agent));
say("offline subagent", await verdict(subagent));
