//! Every endpoint is driven, at least once to a success and once to a failure, and each answer is what the document says: its
//! status, its media type, its body, and no member that is not described.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::document::Document;
use crate::service::{ADMIN, Answer, Service};

const JSON: &str = "application/json";

/// Drives a service and compares what it answers with its document.
struct Driver {
    service: Service,
    document: Document,
    /// What has succeeded, and what has failed: path, method, and whether it succeeded.
    seen: RefCell<BTreeSet<(String, String, bool)>>,
}

impl Driver {
    fn new(service: Service, is_open: bool) -> Self {
        Self {
            service,
            document: Document::new(is_open),
            seen: RefCell::default(),
        }
    }

    /// The described path that this one is of: as few parameters as possible.
    fn described(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap();
        let parts: Vec<_> = path.split('/').collect();
        let fits = |known: &String| {
            let known: Vec<_> = known.split('/').collect();
            let same = |(known, part): (&&str, &&str)| known == part || (known.starts_with('{') && !part.is_empty());
            known.len() == parts.len() && known.iter().zip(&parts).all(same)
        };
        let paths = self.document.json()["paths"].as_object().unwrap();
        let found = paths
            .keys()
            .filter(|known| fits(known))
            .min_by_key(|known| known.matches('{').count());
        found.unwrap_or_else(|| panic!("{path} is not described")).clone()
    }

    #[track_caller]
    fn call(&self, line: &str, headers: &[(&str, &str)], body: Option<(&str, &str)>, status: u16) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let (described, lower) = (self.described(path), method.to_lowercase());
        let mut all = headers.to_vec();
        all.extend(body.map(|(media, _)| ("content-type", media)));
        let answer = self.service.call(method, path, &all, body.map(|(_, text)| text));
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        let name = format!("{line} {status}");
        let said = self.document.response(&described, &lower, status);
        match answer.header("content-type") {
            None => assert!(
                said["content"].is_null() && answer.body.is_empty(),
                "{name}: there is no body"
            ),
            Some(media) => {
                let media = media.split(';').next().unwrap();
                let content = &said["content"][media];
                assert!(content.is_object(), "{name}: {media} is not described");
                let is_json = media.ends_with("json");
                let value = if is_json { answer.json() } else { json!(answer.text()) };
                // The document itself is described as an object and no more.
                let closed = content["schema"].get("properties").is_some() || !content["schema"]["type"].is_string();
                self.document.assert_valid(&name, &content["schema"], &value, closed);
            }
        }
        let succeeded = status < 400;
        if let (true, Some((media, text))) = (succeeded, body) {
            let schema = &self.document.operation(&described, &lower)["requestBody"]["content"][media]["schema"];
            if media == JSON {
                let sent = serde_json::from_str(text).unwrap();
                self.document
                    .assert_valid(&format!("{name}, its request"), schema, &sent, false);
            }
            assert!(schema.is_object(), "{name}: {media} is not described as its request");
        }
        self.seen.borrow_mut().insert((described, lower, succeeded));
        answer
    }

    /// As the operator; without a body if it is null.
    #[track_caller]
    fn operator(&self, line: &str, body: Value, status: u16) -> Value {
        self.bearer(ADMIN, line, body, status)
    }

    #[track_caller]
    fn bearer(&self, credential: &str, line: &str, body: Value, status: u16) -> Value {
        self.with(("authorization", &format!("Bearer {credential}")), line, body, status)
    }

    /// With a key of the permission family.
    #[track_caller]
    fn key(&self, key: &str, line: &str, body: Value, status: u16) -> Value {
        self.with(("x-api-key", key), &line.replacen(' ', " /api/v1", 1), body, status)
    }

    #[track_caller]
    fn with(&self, header: (&str, &str), line: &str, body: Value, status: u16) -> Value {
        let text = body.to_string();
        let body = (!body.is_null()).then_some((JSON, text.as_str()));
        let answer = self.call(line, &[header], body, status);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Operations that have not been driven to a success, or to a failure.
    fn not_driven(&self) -> Vec<(String, String, bool)> {
        let seen = self.seen.borrow();
        let operations = self.document.operations().into_iter();
        let both = operations.flat_map(|(path, method)| [(path.clone(), method.clone(), true), (path, method, false)]);
        both.filter(|wanted| !seen.contains(wanted)).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn every_answer_is_the_one_that_is_described() {
    let driver = Driver::new(Service::credentialed(), false);
    let customer = uuid();
    keys(&driver, &customer);
    let tokens = minting(&driver, &customer);
    judging(&driver, &customer, &tokens);
    looking_up(&driver, &customer, &tokens);
    decisions(&driver, &customer, &tokens);
    sessions(&driver, &customer, &tokens);
    revoking(&driver, &customer, &tokens);
    permissions(&driver, &customer);
    roles(&driver, &customer);
    permission_audit(&driver, &customer);
    service_as_a_whole(&driver);
    key_revocation(&driver, &customer);
    customers(&driver, &customer);
    // What is open to everyone fails in open mode only, for what looks like a browser or a proxy.
    let mut not_driven = driver.not_driven();
    not_driven.retain(|(path, _, _)| !["/health", "/ready"].contains(&path.as_str()));
    assert!(not_driven.is_empty(), "{not_driven:#?}");
}

#[test]
fn open_mode_refuses_as_it_is_described() {
    let driver = Driver::new(Service::open(), true);
    for line in [
        "GET /health",
        "GET /ready",
        "GET /openapi.json",
        "POST /tokens/app",
        "GET /api/v1/whoami",
    ] {
        driver.call(line, &[("x-forwarded-for", "192.0.2.1")], None, 403);
    }
    for line in ["GET /health", "GET /ready"] {
        driver.call(line, &[], None, 200);
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused_as_it_is_described() {
    let driver = Driver::new(Service::credentialed(), false);
    let customer = driver.service.customer();
    let key = new_key(&driver, &customer, &["*"]);
    let admin = format!("Bearer {ADMIN}");
    let mut bodies = 0;
    for (path, method) in driver.document.operations() {
        let body = &driver.document.operation(&path, &method)["requestBody"];
        if body.is_null() {
            continue;
        }
        bodies += 1;
        let credential = match path.starts_with("/api/v1") {
            true => ("x-api-key", key.as_str()),
            false => ("authorization", admin.as_str()),
        };
        let shown = path.replace(['{', '}'], "");
        let shown = ["key_id", "session_jti", "jti", "event_id"]
            .iter()
            .fold(shown, |shown, name| {
                shown.replace(&format!("/{name}"), &format!("/{}", uuid()))
            });
        let line = format!(
            "{} {}",
            method.to_uppercase(),
            shown.replace("/id", &format!("/{}", uuid()))
        );
        let whole = "{}".to_owned() + &" ".repeat(64 * 1024);
        driver.call(&line, &[credential], Some((JSON, "{")), 400);
        driver.call(&line, &[credential], Some(("text/plain", "{}")), 415);
        // Batches may be larger.
        if !path.ends_with("batch") {
            driver.call(&line, &[credential], Some((JSON, &whole)), 413);
        }
    }
    assert!(bodies > 25, "{bodies}");
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn keys(driver: &Driver, customer: &str) {
    driver.operator("POST /keys/signing", json!({"customer_id": "no"}), 422);
    let first = driver.operator("POST /keys/signing", json!({"customer_id": customer}), 200);
    driver.operator("POST /keys/signing", json!({"customer_id": customer}), 409);
    let rotate = format!("POST /keys/{}/rotate", text(&first["key_id"]));
    driver.operator(&rotate, json!({"customer_id": customer, "immediate": true}), 200);
    driver.operator(&rotate, json!({"customer_id": customer}), 409);
    driver.operator(
        &format!("POST /keys/{}/rotate", uuid()),
        json!({"customer_id": customer}),
        404,
    );
    let public = format!("/keys/public/{customer}");
    for path in [public.clone(), format!("{public}/jwks.json")] {
        driver.call(&format!("GET {path}"), &[], None, 200);
        driver.call(&format!("GET {}", path.replace(customer, &uuid())), &[], None, 404);
    }
    let line = format!("GET {public}/jwks.json");
    let set = driver.call(&line, &[], None, 200);
    driver.call(&line, &[("if-none-match", set.header("etag").unwrap())], None, 304);
}

/// Strings and identifiers of one token of each kind.
struct Tokens {
    app: Value,
    bearer: Value,
    agent: Value,
    subagent: Value,
    session: Value,
}

fn minting(driver: &Driver, customer: &str) -> Tokens {
    let app = driver.operator("POST /tokens/app", json!({"customer_id": customer, "name": "app"}), 200);
    driver.bearer(text(&app["token"]), "POST /tokens/app", json!({"name": "app"}), 403);
    let hash = &app["token_hash"];
    let bearer = json!({"customer_id": customer, "app_token_hash": hash, "environment": "staging"});
    let bearer = driver.operator("POST /tokens/bearer", bearer, 200);
    driver.operator(
        "POST /tokens/bearer",
        json!({"customer_id": customer, "app_token_hash": "0"}),
        404,
    );
    let policy = json!({"allowed_actions": ["code:*"], "max_sensitivity_level": 0});
    let agent = json!({"customer_id": customer, "bearer_jti": bearer["jti"], "agent_id": "a", "rbac": policy});
    let agent = driver.operator("POST /tokens/agent", agent, 200);
    let subagent = |policy: Value| json!({"customer_id": customer, "parent_agent_jti": agent["jti"], "agent_id": "b", "agent_name": "B", "rbac": policy});
    let child = driver.operator("POST /tokens/subagent", subagent(json!({"max_risk_score": 0.5})), 200);
    driver.operator(
        "POST /tokens/subagent",
        subagent(json!({"allowed_actions": ["data:*"]})),
        400,
    );
    let conflicting = json!({"customer_id": customer, "bearer_jti": bearer["jti"], "agent_id": "a",
        "rbac": {"max_sensitivity_level": 1, "sensitivity_level": 2}});
    driver.operator("POST /tokens/agent", conflicting, 400);
    let session = json!({"customer_id": customer, "parent_jti": agent["jti"], "parent_type": "agent", "session_id": "s", "max_events": 3});
    let minted = driver.operator("POST /tokens/session", session.clone(), 200);
    let mut wrong = session;
    wrong["parent_type"] = json!("subagent");
    driver.operator("POST /tokens/session", wrong, 404);
    // The other form: the parent is the credential.
    driver.bearer(
        text(&agent["token"]),
        "POST /tokens/subagent",
        json!({"agent_id": "c"}),
        200,
    );
    batch(driver, customer, &bearer);
    Tokens {
        app,
        bearer,
        agent,
        subagent: child,
        session: minted,
    }
}

fn batch(driver: &Driver, customer: &str, bearer: &Value) {
    let requests = json!([
        {"type": "agent", "bearer_jti": bearer["jti"], "agent_id": "a"},
        {"type": "agent", "bearer_jti": uuid(), "agent_id": "a"},
    ]);
    let done = driver.operator(
        "POST /tokens/batch",
        json!({"customer_id": customer, "requests": requests}),
        200,
    );
    assert_eq!(
        (&done["results"][0]["status"], &done["results"][1]["status"]),
        (&json!(200), &json!(404))
    );
    driver.operator(
        "POST /tokens/batch",
        json!({"customer_id": customer, "requests": []}),
        422,
    );
}

fn judging(driver: &Driver, customer: &str, tokens: &Tokens) {
    for token in [
        &tokens.app,
        &tokens.bearer,
        &tokens.agent,
        &tokens.subagent,
        &tokens.session,
    ] {
        let found = driver.operator("POST /tokens/introspect", json!({"token": token["token"]}), 200);
        assert_eq!(found["active"], true);
        let asked = json!({"token": token["token"], "action": "code:read:x", "resource": "r", "sensitivity_level": 0});
        driver.operator("POST /tokens/authorize", asked, 200);
    }
    driver.operator("POST /tokens/introspect", json!({"token": "qt_agent_x"}), 200);
    let form = Some((
        "application/x-www-form-urlencoded",
        "token=x&token_type_hint=access_token",
    ));
    driver.call(
        "POST /tokens/introspect",
        &[("authorization", &format!("Bearer {ADMIN}"))],
        form,
        200,
    );
    driver.call("POST /tokens/introspect", &[], form, 401);
    driver.operator("POST /tokens/authorize", json!({"token": "x"}), 422);
    let minted = json!({"customer_id": customer, "event_id": "evt-i"});
    let minted = driver.operator("POST /tokens/override", minted, 200);
    driver.operator("POST /tokens/introspect", json!({"token": minted["token"]}), 200);
}

fn looking_up(driver: &Driver, customer: &str, tokens: &Tokens) {
    let query = format!("customer_id={customer}");
    driver.operator(&format!("GET /tokens?{query}&limit=2"), Value::Null, 200);
    driver.operator(&format!("GET /tokens?{query}"), Value::Null, 200);
    driver.operator(&format!("GET /tokens?{query}&type=root"), Value::Null, 422);
    for token in [
        &tokens.app,
        &tokens.bearer,
        &tokens.agent,
        &tokens.subagent,
        &tokens.session,
    ] {
        let path = format!("/tokens/{}", text(&token["jti"]));
        driver.operator(&format!("GET {path}?{query}"), Value::Null, 200);
        driver.operator(&format!("GET {path}/lineage?{query}"), Value::Null, 200);
    }
    driver.operator(&format!("GET /tokens/{}?{query}", uuid()), Value::Null, 404);
    driver.operator(&format!("GET /tokens/no/lineage?{query}"), Value::Null, 404);
    driver.operator(&format!("GET /audit?{query}&limit=2"), Value::Null, 200);
    driver.operator(&format!("GET /audit?{query}&after=%21"), Value::Null, 422);
    driver.operator(&format!("GET /audit?customer_id={}", uuid()), Value::Null, 404);
}

fn decisions(driver: &Driver, customer: &str, tokens: &Tokens) {
    let minted = json!({"customer_id": customer, "event_id": "evt-1", "allowed_decisions": ["approve"], "reason": "r"});
    let minted = driver.operator("POST /tokens/override", minted, 200);
    driver.operator(
        "POST /tokens/override",
        json!({"customer_id": customer, "event_id": "a|b"}),
        422,
    );
    let decide = |decision: &str| json!({"customer_id": customer, "override_jti": minted["jti"], "decision": decision});
    driver.operator("POST /overrides/evt-1/decide", decide("reject"), 400);
    driver.operator("POST /overrides/evt-2/decide", decide("approve"), 400);
    let find = format!("GET /overrides/evt-1?customer_id={customer}");
    driver.operator(&find, Value::Null, 200);
    let mut who = decide("approve");
    who["decided_by"] = json!("Ada");
    let taken = driver.operator("POST /overrides/evt-1/decide", who, 200);
    driver.operator("POST /overrides/evt-1/decide", decide("approve"), 409);
    driver.operator(
        "POST /tokens/override",
        json!({"customer_id": customer, "event_id": "evt-1"}),
        409,
    );
    driver.operator(&find, Value::Null, 200);
    driver.operator(
        &format!("GET /overrides/evt-3?customer_id={customer}"),
        Value::Null,
        404,
    );
    let mut verify = decide("approve");
    verify["cosignature"] = taken["cosignature"].clone();
    driver.operator("POST /overrides/evt-1/verify", verify.clone(), 200);
    driver.bearer(
        text(&tokens.agent["token"]),
        "POST /overrides/evt-1/verify",
        verify,
        403,
    );
}

fn sessions(driver: &Driver, customer: &str, tokens: &Tokens) {
    let line = format!("POST /sessions/{}/events", text(&tokens.session["jti"]));
    driver.operator(&line, json!({"customer_id": customer, "count": 2}), 200);
    driver.bearer(text(&tokens.session["token"]), &line, Value::Null, 200);
    driver.operator(&line, json!({"customer_id": customer}), 429);
}

fn revoking(driver: &Driver, customer: &str, tokens: &Tokens) {
    let query = format!("customer_id={customer}");
    let (session, subagent, agent) = (
        text(&tokens.session["jti"]),
        text(&tokens.subagent["jti"]),
        text(&tokens.agent["jti"]),
    );
    driver.operator(&format!("DELETE /tokens/{session}?{query}"), Value::Null, 200);
    driver.operator(
        &format!("DELETE /revocation/{subagent}"),
        json!({"customer_id": customer, "reason": "r"}),
        200,
    );
    for line in [
        "DELETE /tokens/",
        "DELETE /revocation/",
        "POST /revocation/cascade/",
        "POST /revoke/cascade/",
    ] {
        driver.operator(&format!("{line}{}?{query}", uuid()), Value::Null, 404);
    }
    driver.operator(&format!("POST /revocation/cascade/{agent}?{query}"), Value::Null, 200);
    driver.operator(&format!("POST /revoke/cascade/{agent}?{query}"), Value::Null, 200);
    driver.operator(
        "POST /revocation/bulk",
        json!({"customer_id": customer, "agent_id": "c"}),
        200,
    );
    let before = json!({"customer_id": customer, "issued_before": "2020-01-01T00:00:00Z"});
    driver.operator("POST /revocation/bulk", before, 200);
    driver.operator("POST /revocation/bulk", json!({"customer_id": customer}), 422);
    driver.operator(&format!("GET /revocations?{query}&after=0"), Value::Null, 200);
    driver.operator(&format!("GET /revocations?{query}&wait=31"), Value::Null, 422);
    let below = json!({"customer_id": customer, "parent_agent_jti": agent, "agent_id": "d"});
    driver.operator("POST /tokens/subagent", below, 409);
}

fn new_key(driver: &Driver, customer: &str, scopes: &[&str]) -> String {
    text(&driver.service.app(customer, scopes)["token"]).to_owned()
}

fn rule(effect: &str) -> Value {
    json!({"adminId": "user", "path": "billing.*", "action": "delete", "effect": effect, "reason": "a reason of some length"})
}

fn permissions(driver: &Driver, customer: &str) {
    let key = new_key(driver, customer, &["*"]);
    let made = driver.key(&key, "POST /permissions/overrides", rule("DENY"), 201);
    let mut past = rule("GRANT");
    past["expiresAt"] = json!("2020-01-01T00:00:00Z");
    driver.key(&key, "POST /permissions/overrides", past, 201);
    driver.key(&key, "POST /permissions/overrides", rule("ALLOW"), 400);
    driver.key(
        &key,
        "GET /permissions/overrides/user?status=all&limit=1",
        Value::Null,
        200,
    );
    driver.key(&key, "GET /permissions/overrides/user?status=some", Value::Null, 400);
    let mut check =
        json!({"adminId": "user", "path": "billing.x", "action": "delete", "explain": true, "context": {"ip": "::1"}});
    driver.key(&key, "POST /permissions/check", check.clone(), 200);
    check["path"] = json!("other");
    driver.key(&key, "POST /permissions/check", check.clone(), 200);
    check["path"] = json!("*");
    driver.key(&key, "POST /permissions/check", check, 400);
    let checks = json!({"adminId": "user", "checks": [{"path": "billing.x", "action": "delete"}, {"adminId": "b", "path": "c", "action": "d"}]});
    driver.key(&key, "POST /permissions/check-batch", checks, 200);
    driver.key(&key, "POST /permissions/check-batch", json!({"checks": []}), 400);
    driver.key(&key, "GET /permissions/resolve/user", Value::Null, 200);
    let powerless = new_key(driver, customer, &["tokens:read"]);
    driver.key(&powerless, "GET /permissions/resolve/user", Value::Null, 403);
    let confirm = format!("POST /permissions/overrides/{}/confirm", text(&made["data"]["id"]));
    driver.key(&key, &confirm, Value::Null, 200);
    driver.key(&key, "POST /permissions/overrides/no/confirm", Value::Null, 404);
    let remove = format!("DELETE /permissions/overrides/remove/{}", text(&made["data"]["id"]));
    driver.key(&key, &remove, Value::Null, 200);
    driver.key(&key, &remove, Value::Null, 404);
    driver.key(&powerless, "GET /whoami", Value::Null, 200);
    driver.key("qt_app_x", "GET /whoami", Value::Null, 401);
}

fn roles(driver: &Driver, customer: &str) {
    let key = new_key(driver, customer, &["permissions:manage"]);
    let role = json!({"name": "clerk", "capabilities": ["billing.*:read"]});
    let made = driver.key(&key, "POST /permissions/roles", role.clone(), 201);
    driver.key(&key, "POST /permissions/roles", role, 409);
    driver.key(&key, "GET /permissions/roles?limit=1", Value::Null, 200);
    driver.key(&key, "GET /permissions/roles?limit=0", Value::Null, 400);
    let path = format!("/permissions/roles/{}", text(&made["data"]["id"]));
    for path in [path.as_str(), "/permissions/roles/viewer"] {
        driver.key(&key, &format!("GET {path}"), Value::Null, 200);
        driver.key(&key, &format!("GET {path}/capabilities"), Value::Null, 200);
    }
    driver.key(&key, "GET /permissions/roles/no", Value::Null, 404);
    driver.key(&key, "GET /permissions/roles/no/capabilities", Value::Null, 404);
    driver.key(&key, &format!("PATCH {path}"), json!({"description": "counts"}), 200);
    driver.key(&key, "PATCH /permissions/roles/viewer", json!({"name": "x"}), 409);
    let capabilities = json!({"capabilities": ["*:list"]});
    driver.key(&key, &format!("PUT {path}/capabilities"), capabilities.clone(), 200);
    driver.key(&key, "PUT /permissions/roles/viewer/capabilities", capabilities, 409);
    let users = "/permissions/users/user/roles";
    driver.key(
        &key,
        &format!("PUT {users}"),
        json!({"roleIds": [made["data"]["id"]]}),
        200,
    );
    driver.key(&key, &format!("PUT {users}"), json!({"roleIds": ["no"]}), 400);
    driver.key(&key, &format!("GET {users}"), Value::Null, 200);
    driver.key("qt_app_x", &format!("GET {users}"), Value::Null, 401);
    driver.key(&key, &format!("DELETE {path}"), Value::Null, 409);
    driver.key(&key, &format!("PUT {users}"), json!({"roleIds": []}), 200);
    driver.key(&key, &format!("DELETE {path}"), Value::Null, 200);
}

fn permission_audit(driver: &Driver, customer: &str) {
    let key = new_key(driver, customer, &["permissions:audit"]);
    for path in ["/permissions/audit", "/permissions/audit/changes"] {
        driver.key(&key, &format!("GET {path}?limit=3"), Value::Null, 200);
        driver.key(&key, &format!("GET {path}?limit=201"), Value::Null, 400);
    }
    let export = "/permissions/audit/export";
    driver.key(&key, &format!("GET {export}?format=json"), Value::Null, 200);
    driver.call(
        &format!("GET /api/v1{export}?format=csv"),
        &[("x-api-key", &key)],
        None,
        200,
    );
    driver.key(&key, &format!("GET {export}?format=xml"), Value::Null, 400);
}

fn service_as_a_whole(driver: &Driver) {
    for line in [
        "GET /health",
        "GET /ready",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/swagger-ui.css",
    ] {
        driver.call(line, &[], None, 200);
    }
    for line in ["GET /openapi.json", "GET /docs", "GET /docs/swagger-ui.css"] {
        driver.call(line, &[("authorization", "Bearer x")], None, 401);
    }
    for line in [
        "GET /metrics",
        "GET /admin/backup",
        "POST /admin/purge",
        "POST /admin/clock/confirm",
    ] {
        driver.operator(line, Value::Null, 200);
        driver.call(line, &[], None, 401);
    }
}

fn key_revocation(driver: &Driver, customer: &str) {
    let published = driver
        .call(&format!("GET /keys/public/{customer}"), &[], None, 200)
        .json();
    let active = text(&published["keys"][0]["kid"]).to_owned();
    driver.operator(
        &format!("POST /keys/{active}/revoke"),
        json!({"customer_id": customer, "reason": "stolen"}),
        200,
    );
    driver.operator(
        &format!("POST /keys/{}/revoke", uuid()),
        json!({"customer_id": customer}),
        404,
    );
    driver.operator("POST /tokens/app", json!({"customer_id": customer, "name": "app"}), 404);
}

fn customers(driver: &Driver, customer: &str) {
    driver.operator("GET /customers?limit=1", Value::Null, 200);
    driver.operator("GET /customers?limit=201", Value::Null, 422);
    let path = format!("/customers/{customer}");
    driver.operator(&format!("GET {path}"), Value::Null, 200);
    driver.operator(&format!("POST {path}/suspend"), json!({"reason": "unpaid"}), 200);
    driver.operator("POST /tokens/app", json!({"customer_id": customer, "name": "app"}), 403);
    driver.operator(&format!("GET {path}"), Value::Null, 200);
    driver.operator(&format!("POST {path}/resume"), Value::Null, 200);
    driver.operator(&format!("DELETE {path}"), Value::Null, 200);
    for line in ["GET {}", "POST {}/suspend", "POST {}/resume", "DELETE {}"] {
        driver.operator(&line.replace("{}", &format!("/customers/{}", uuid())), Value::Null, 404);
    }
}
