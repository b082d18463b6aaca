// What docs/api/offline.mjs makes of tokens that are wrong, and of every kind of revocation. Needs no service.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { argv } from "node:process";

const { Revocations, verify } = await import(argv[2]);

const NOW = 1_795_351_643;
const at = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

const pair = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const keys = pair();
const jwks = { keys: [{ ...keys.publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" }] };
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function token({ kind = "agent", header = {}, claims = {}, key = keys.privateKey } = {}) {
  const head = part({ alg: "ES256", typ: "JWT", kid: "k1", ...header });
  const payload = part({ jti: "a", sub: "c", typ: kind, iat: NOW, exp: NOW + 60, ...claims });
  const signature = sign("sha256", Buffer.from(`${head}.${payload}`), { key, dsaEncoding: "ieee-p1363" });
  return `qt_${kind}_${head}.${payload}.${signature.toString("base64url")}`;
}

assert.equal(verify(token(), jwks, NOW).claims.jti, "a");
assert.equal(verify(token(), jwks, NOW + 59).kid, "k1");
const refused = (text, why, now = NOW) => assert.throws(() => verify(text, jwks, now), { message: why });
refused("qt_agent_x", "this is no token");
refused(token().replace("qt_agent_", "qt_admin_"), "this is no token");
refused(token({ header: { alg: "none" } }), "the algorithm is not ES256");
refused(token({ header: { alg: "HS256" } }), "the algorithm is not ES256");
refused(token({ header: { kid: "k2" } }), "the token's key is not among the published ones");
refused(token({ key: pair().privateKey }), "the signature is not valid");
refused(token().replace("qt_agent_", "qt_app_"), "the prefix is not the token's");
refused(token(), "the token is expired", NOW + 60);
refused(token({ claims: { exp: undefined } }), "the token is expired");

const self = (more = {}) => ({ kind: "subagent", kid: "k1", claims: { jti: "self", agent_id: "below", iat: NOW, ...more } });
const ancestors = [
  { jti: "parent", agent_id: "above", issued_at: at(NOW - 10) },
  { jti: "root", issued_at: at(NOW - 20) },
];
function verdict(...entries) {
  const revocations = new Revocations();
  revocations.add({ revocations: entries.map((entry) => ({ revoked_at: at(NOW), ...entry })), cursor: 7 });
  assert.equal(revocations.cursor, 7);
  return revocations.verdict(self(), ancestors);
}
const one = (jti, cascade) => ({ kind: "token", jti, cascade });

assert.equal(verdict(), "live");
assert.equal(verdict(one("self", false)), "revoked");
assert.equal(verdict(one("parent", false)), "live", "one token alone leaves what was derived from it");
assert.equal(verdict(one("parent", true)), "revoked");
assert.equal(verdict(one("root", true), one("root", false)), "revoked", "a cascade stays one");
assert.equal(verdict(one("stranger", true)), "live");
const agent = (agent_id, when) => ({ kind: "agent", agent_id, revoked_at: at(when) });
assert.equal(verdict(agent("below", NOW)), "revoked", "the second itself counts as before");
assert.equal(verdict(agent("below", NOW - 1)), "live", "it was issued since");
assert.equal(verdict(agent("above", NOW - 10)), "revoked");
assert.equal(verdict(agent("above", NOW - 11)), "live");
const before = (when) => ({ kind: "issued_before", issued_before: at(when) });
assert.equal(verdict(before(NOW - 20)), "live", "the second itself is spared");
assert.equal(verdict(before(NOW - 19)), "revoked", "the root was issued before");
assert.equal(verdict(before(NOW - 19), before(0)), "revoked", "the latest counts");
const key = (kid, when) => ({ kind: "key", kid, revoked_at: at(when) });
assert.equal(verdict(key("k1", NOW - 100)), "revoked");
assert.equal(verdict(key("k2", NOW)), "ask", "the key may have signed an ancestor");
assert.equal(verdict(key("k2", NOW - 1)), "live");
assert.throws(() => verdict({ kind: "unheard-of" }));
