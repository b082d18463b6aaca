// Judging a token away from the service: its signature and its time, then what the revocation feed told. No packages; Node.js 18 or
// newer. docs/tokens.md says what this can know, and what only the service can.
import { createPublicKey, verify as isSigned } from "node:crypto";

const FORM = /^qt_(app|bearer|agent|subagent|session|override)_([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/**
 * The kind, key id and claims of a token that one of the published keys signed and that has not expired at `now`, in seconds since
 * 1970. Throws for any other.
 */
export function verify(token, jwks, now = Math.floor(Date.now() / 1000)) {
  const [, kind, head, payload, signature] = FORM.exec(token) ?? refuse("this is no token");
  const { alg, kid } = JSON.parse(decoded(head));
  if (alg !== "ES256") refuse("the algorithm is not ES256");
  const jwk = jwks.keys.find((key) => key.kid === kid) ?? refuse("the token's key is not among the published ones");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const message = Buffer.from(`${head}.${payload}`);
  if (!isSigned("sha256", message, key, decoded(signature))) refuse("the signature is not valid");
  const claims = JSON.parse(decoded(payload));
  if (claims.typ !== kind) refuse("the prefix is not the token's");
  if (!(now < claims.exp)) refuse("the token is expired");
  return { kind, kid, claims };
}

/** What a customer's revocation feed has told so far. `cursor` is where to go on: `GET /revocations?after=…`. */
export class Revocations {
  cursor = 0;
  #tokens = new Map();
  #agents = new Map();
  #keys = new Map();
  #issuedBefore = 0;

  /** Adds an answer of the feed. */
  add({ revocations, cursor }) {
    for (const { kind, jti, cascade, agent_id, kid, issued_before, revoked_at } of revocations) {
      if (kind === "token") this.#tokens.set(jti, cascade || this.#tokens.get(jti) === true);
      else if (kind === "agent") this.#agents.set(agent_id, seconds(revoked_at));
      else if (kind === "issued_before") this.#issuedBefore = Math.max(this.#issuedBefore, seconds(issued_before));
      else if (kind === "key") this.#keys.set(kid, seconds(revoked_at));
      // What a newer service tells in words of its own must not pass for nothing.
      else refuse(`revocations of the kind ${kind} are not known here`);
    }
    this.cursor = cursor;
  }

  /**
   * `revoked`, `live`, or `ask` where only the service can tell. `token` is what `verify` returned; `ancestors` come from
   * `GET /tokens/{jti}/lineage`, once for each token, because they never change.
   */
  verdict({ kind, kid, claims }, ancestors) {
    const { jti, agent_id, iat } = claims;
    const self = { jti, agent_id, issued: iat };
    const above = ancestors.map(({ jti, agent_id, issued_at }) => ({ jti, agent_id, issued: seconds(issued_at) }));
    if (this.#tokens.has(jti) || this.#keys.has(kid)) return "revoked";
    if ([self, ...above].some((one) => this.#kills(one))) return "revoked";
    // The lineage does not say which keys signed the ancestors.
    const isDerived = kind !== "app" && [...this.#keys.values()].some((revoked) => iat <= revoked);
    return isDerived ? "ask" : "live";
  }

  /** Whether a revocation kills this token and everything derived from it. */
  #kills({ jti, agent_id, issued }) {
    // Times are whole seconds: what the agent got in the second of its revocation counts as revoked.
    return this.#tokens.get(jti) === true || issued <= this.#agents.get(agent_id) || issued < this.#issuedBefore;
  }
}

const decoded = (text) => Buffer.from(text, "base64url");
const seconds = (text) => Date.parse(text) / 1000;

function refuse(why) {
  throw new Error(why);
}
