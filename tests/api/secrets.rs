//! What must not be seen: no credential, no private key and no secret on standard output, in a log, in a refusal, or on the disk.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign_actors::crypto::seal::{MasterKey, Purpose, Sealer};
use countersign_actors::data_dir::DataDir;
use countersign_actors::id::CustomerId;
use countersign_actors::journal::{Direction, Journal, JournalOptions, Space};
use serde_json::{Value, json};

use crate::chain::{Chain, ENDPOINTS};
use crate::program::{Program, countersign};
use crate::support::{ADMIN, Answer, Client, JSON, with};

/// No secret, and told to the service in two ways: the search must find it where secrets must not be.
const MARKER: &str = "an-agent-that-everybody-may-see";
const MARKER_HEADER: &str = "x-request-id: a-request-that-everybody-may-see";

/// A text and what it is, for the message.
struct Secret {
    what: String,
    bytes: Vec<u8>,
}

impl Secret {
    fn new(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let (what, bytes) = (what.into(), bytes.into());
        assert!(
            bytes.len() >= 20,
            "{what} is too short to be found by nothing but itself"
        );
        Self { what, bytes }
    }

    /// Bytes in every form in which a program would write them.
    fn in_all_forms(what: &str, bytes: &[u8]) -> Vec<Self> {
        let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let debug = format!("{bytes:?}");
        vec![
            Self::new(what, bytes),
            Self::new(format!("{what} in upper-case hex"), lower.to_uppercase()),
            Self::new(format!("{what} in hex"), lower),
            Self::new(format!("{what} in base64"), STANDARD_NO_PAD.encode(bytes)),
            Self::new(format!("{what} in base64url"), URL_SAFE_NO_PAD.encode(bytes)),
            Self::new(format!("{what} as a list of numbers"), debug.trim_matches(['[', ']'])),
        ]
    }

    fn is_in(&self, content: &[u8]) -> bool {
        contains(content, &self.bytes)
    }
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}

#[track_caller]
fn assert_absent(secrets: &[Secret], place: &str, content: &[u8]) {
    for secret in secrets {
        assert!(!secret.is_in(content), "{} stands in {place}", secret.what);
    }
}

/// A running program and the customer that a test has made there.
struct Session {
    address: SocketAddr,
    chain: Chain,
    secrets: Vec<Secret>,
    /// Everything that was not a success.
    refusals: Vec<Answer>,
}

impl Session {
    fn begin(address: SocketAddr) -> Self {
        let admin = format!("Authorization: Bearer {ADMIN}");
        let post = |path: &str, body: &Value| {
            let answer = exchange(address, &format!("POST {path}"), &[JSON, &admin], &body.to_string());
            answer.success()
        };
        let chain = Chain::by(post);
        let mut session = Self {
            address,
            chain,
            secrets: Vec::new(),
            refusals: Vec::new(),
        };
        for endpoint in ENDPOINTS {
            session.minted(&session.chain.of(endpoint.kind).clone());
        }
        session
    }

    /// A call whose answer may be anything.
    fn call(&mut self, line: &str, headers: &[&str], body: &str) -> Answer {
        let answer = exchange(self.address, line, headers, body);
        if answer.status >= 400 {
            self.refusals.push(Answer {
                status: answer.status,
                headers: answer.headers.clone(),
                body: answer.body.clone(),
            });
        }
        answer
    }

    fn call_as(&mut self, credential: &str, line: &str, body: &Value) -> Answer {
        let authorization = format!("Authorization: Bearer {credential}");
        self.call(line, &[JSON, &authorization], &body.to_string())
    }

    /// A call of the operator that has to succeed.
    fn done(&mut self, line: &str, body: &Value) -> Value {
        self.call_as(ADMIN, line, body).success()
    }

    /// Takes note of what an answer to a mint holds.
    fn minted(&mut self, answer: &Value) {
        let token = answer["token"].as_str().unwrap();
        let kind = token.split("eyJ").next().unwrap();
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let compact = &token[kind.len()..];
        let claims = signing_input.rsplit_once('.').unwrap().1;
        self.secrets.extend([
            Secret::new(format!("a {kind} token"), token),
            Secret::new(format!("the JWS of a {kind} token"), compact),
            Secret::new(format!("the claims of a {kind} token"), claims),
            Secret::new(format!("the signature of a {kind} token"), signature),
        ]);
        self.secrets.extend(Secret::in_all_forms(
            &format!("the raw signature of a {kind} token"),
            &raw,
        ));
        if let Some(hash) = answer["token_hash"].as_str() {
            let digest = countersign_actors::crypto::digest::sha256(token.as_bytes());
            self.secrets.push(Secret::new("a token_hash", hash));
            self.secrets.extend(Secret::in_all_forms("a raw token_hash", &digest));
        }
    }

    /// Everything that calls can be about, with the operator's credential, a parent's, an API key, and the token in the body.
    fn use_everything(&mut self) {
        let customer = self.chain.customer.clone();
        let body = |members: Value| with(&members, "customer_id", customer.as_str());
        let (agent, app) = (self.chain.token("agent").to_owned(), self.chain.token("app").to_owned());
        let child = self.call_as(&agent, "POST /tokens/subagent", &json!({"agent_id": MARKER}));
        self.minted(&child.success());
        let request = json!({"customer_id": customer, "name": "again"}).to_string();
        let key = format!("Idempotency-Key: {}", "k".repeat(40));
        let admin = format!("Authorization: Bearer {ADMIN}");
        for _ in 0..2 {
            let answer = self.call("POST /tokens/app", &[JSON, &key, &admin, MARKER_HEADER], &request);
            self.minted(&answer.success());
        }
        let batch = (ENDPOINTS[2].request)(&self.chain);
        let batch = with(&super::support::without(&batch, "customer_id"), "type", "agent");
        let batch = self.done("POST /tokens/batch", &body(json!({"requests": [batch]})));
        self.minted(&batch["results"][0]["body"]);

        for token in [&agent, &app, &format!("{agent}x"), &agent.replace('.', "")] {
            self.done("POST /tokens/introspect", &json!({"token": token}));
            let question = json!({"token": token, "action": "a:read:b", "resource": "r"});
            self.done("POST /tokens/authorize", &question);
        }
        let session = self.chain.jti("session").to_owned();
        self.done(&format!("POST /sessions/{session}/events"), &body(json!({"count": 3})));
        self.decide(&customer);
        self.permissions(&app);
        for immediate in [false, true] {
            let line = format!("POST /keys/{}/rotate", self.chain.key_id());
            self.done(&line, &body(json!({"immediate": immediate})));
        }
        let mint = (ENDPOINTS[2].request)(&self.chain);
        let late = self.done("POST /tokens/agent", &mint);
        self.minted(&late);
        for line in ["tokens?limit=5", "audit?limit=50", "revocations?wait=0"] {
            self.done(&format!("GET /{line}&customer_id={customer}"), &Value::Null);
        }
        let jti = self.chain.jti("subagent").to_owned();
        self.done(&format!("DELETE /revocation/{jti}"), &body(json!({"reason": "a test"})));
        let revoked = self.call_as(&app, &format!("POST /revoke/cascade/{jti}"), &json!({}));
        assert_eq!(revoked.status, 200);
    }

    fn decide(&mut self, customer: &str) {
        let body = json!({
            "customer_id": customer, "override_jti": self.chain.jti("override"), "decision": "approve", "reason": "looked at it"
        });
        let taken = self.done("POST /overrides/evt-1/decide", &body);
        let cosignature = taken["cosignature"].as_str().unwrap().to_owned();
        let raw: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&cosignature[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        self.secrets.extend(Secret::in_all_forms("a cosignature", &raw));
        let again = self.call_as(ADMIN, "POST /overrides/evt-1/decide", &body);
        assert_eq!(again.status, 409);
        self.done(&format!("GET /overrides/evt-1?customer_id={customer}"), &Value::Null);
        for presented in [cosignature.clone(), format!("{cosignature}0")] {
            let verify = with(&super::support::without(&body, "reason"), "cosignature", presented);
            self.done("POST /overrides/evt-1/verify", &verify);
        }
        // Where it does not belong.
        self.call_as(
            ADMIN,
            &format!("GET /overrides/{cosignature}?cosignature={cosignature}"),
            &Value::Null,
        );
        self.call_as(
            ADMIN,
            "POST /overrides/evt-1/verify",
            &with(&body, "decision", cosignature),
        );
    }

    /// The permission family, whose API keys are app tokens.
    fn permissions(&mut self, key: &str) {
        let header = format!("x-api-key: {key}");
        let rule = json!({
            "adminId": MARKER, "path": "billing", "action": "read", "effect": "DENY", "reason": "because a test says so"
        });
        for (line, body, status) in [
            ("POST /api/v1/permissions/overrides", rule.clone(), 201),
            ("POST /api/v1/permissions/overrides", with(&rule, "effect", key), 400),
            ("POST /api/v1/permissions/check", rule.clone(), 200),
            ("POST /api/v1/permissions/check", with(&rule, "path", key), 400),
            ("GET /api/v1/permissions/audit", Value::Null, 200),
            ("GET /api/v1/whoami", Value::Null, 200),
        ] {
            let answer = self.call(line, &[JSON, &header], &body.to_string());
            assert_eq!(answer.status, status, "{line}: {}", answer.text());
        }
        let twisted = format!("{header}x");
        let other = format!("Authorization: Bearer {}", self.chain.token("bearer"));
        for headers in [
            &[JSON, &twisted][..],
            &[JSON, &header, &other],
            &[JSON, &other],
            &[JSON],
        ] {
            let refused = self.call("GET /api/v1/whoami", headers, "");
            assert_eq!(refused.status, 401);
        }
        self.call(
            &format!("GET /api/v1/permissions/overrides/{key}?key={key}"),
            &[&twisted],
            "",
        );
        self.call(&format!("GET /api/v1/{key}"), &[&header], "");
    }

    /// Requests with a credential where it does not belong, and with broken ones.
    fn misplace_everything(&mut self) {
        let hash = self.chain.app["token_hash"].as_str().unwrap().to_owned();
        let tokens = ENDPOINTS
            .iter()
            .map(|endpoint| self.chain.token(endpoint.kind).to_owned());
        let all: Vec<String> = tokens.chain([hash, ADMIN.to_owned()]).collect();
        for secret in all {
            for endpoint in ENDPOINTS {
                self.misplace(&secret, endpoint.path, &(endpoint.request)(&self.chain));
            }
            for line in [
                format!("GET /keys/public/{secret}"),
                format!("GET /tokens/{secret}?customer_id={secret}"),
                format!("DELETE /revocation/{secret}"),
                format!("GET /{secret}"),
                format!("GET /metrics?token={secret}"),
                format!("{} /health", &secret.replace(['_', '.'], "-")[..20]),
            ] {
                self.call_as(ADMIN, &line, &Value::Null);
            }
            // An operator's own text cannot be told from a request id.
            let request_id = if secret == ADMIN { "x-other:" } else { "x-request-id:" };
            for header in ["Authorization: Basic", "Authorization:", request_id, "Cookie: token="] {
                let header = format!("{header} {secret}");
                self.call("GET /customers", &[&header], "");
            }
        }
    }

    fn misplace(&mut self, secret: &str, path: &str, request: &Value) {
        let line = format!("POST {path}");
        for name in [
            "customer_id",
            "bearer_jti",
            "parent_jti",
            "parent_type",
            "environment",
            "ttl_hours",
        ] {
            self.call_as(ADMIN, &line, &with(request, name, secret));
        }
        for name in ["scopes", "allowed_decisions", "app_token_hash"] {
            self.call_as(ADMIN, &line, &with(request, name, json!([secret])));
        }
        let admin = format!("Authorization: Bearer {ADMIN}");
        self.call(&line, &[JSON, &admin], &format!("{{\"name\": {secret}}}"));
        self.call(&line, &[JSON, &admin], &format!("{{\"{secret}\": 1}}"));
        self.call_as(&format!("{secret}x"), &line, request);
        self.call_as(&secret[..secret.len() - 1], &line, request);
        self.call_as(ADMIN, &format!("{line}?token={secret}"), &json!({}));
    }
}

fn exchange(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Answer {
    let body = if body == "null" { "" } else { body };
    Client::open(address).unwrap().exchange(line, headers, body).unwrap()
}

/// Every file under a directory but the master key's, with its content.
fn files_under(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, found);
        } else if !path.ends_with("master.key") {
            let content = fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

/// What the vault of a store holds, opened with its master key: secrets, and beside them what is public.
struct Vault {
    secrets: Vec<Secret>,
    public_keys: Vec<Vec<u8>>,
}

impl Vault {
    /// Opens the vault of these customers. `data_dir` must be a copy, for opening a store writes to it.
    fn open(data_dir: &Path, customers: &[String]) -> Self {
        let content = fs::read(data_dir.join("master.key")).unwrap();
        let sealer = Sealer::new(&MasterKey::from_content(&content).unwrap());
        let (journal, threads) = Journal::open(DataDir::lock(data_dir).unwrap(), JournalOptions::default()).unwrap();
        let mut vault = Self {
            secrets: Vec::new(),
            public_keys: Vec::new(),
        };
        for customer in customers {
            let customer = CustomerId::parse(customer).unwrap();
            let rows = journal.scan(customer, Space::Vault, vec![0]..vec![0xff], 100, Direction::Up);
            for (key, value) in rows.unwrap() {
                vault.take(&sealer, customer, &key, &value);
            }
        }
        drop(journal);
        threads.shutdown();
        vault
    }

    fn take(&mut self, sealer: &Sealer, customer: CustomerId, key: &[u8], value: &[u8]) {
        if let Ok(kid) = <&[u8; 16]>::try_from(&key[1..]) {
            let (public, sealed) = value.split_at(64);
            let der = sealer.open(customer, kid, Purpose::SigningKey, sealed).unwrap();
            // The octet string of 32 bytes in an `ECPrivateKey` (RFC 5915).
            let at = der.windows(5).position(|window| window == [2, 1, 1, 4, 32]).unwrap() + 5;
            self.secrets
                .extend(Secret::in_all_forms("a private key", &der[at..at + 32]));
            self.secrets.extend(Secret::in_all_forms("a PKCS#8 document", &der));
            // PEM breaks its lines after 48 bytes.
            let lines = der.chunks(48).filter(|line| line.len() >= 20);
            self.secrets
                .extend(lines.map(|line| Secret::new("a line of PEM", STANDARD_NO_PAD.encode(line))));
            self.public_keys.push(public.to_vec());
        } else {
            let id = *customer.as_bytes();
            let secret = sealer.open(customer, &id, Purpose::OverrideSecret, value).unwrap();
            self.secrets.extend(Secret::in_all_forms("an override secret", &secret));
        }
    }
}

#[test]
fn no_secret_stands_on_standard_output_in_a_log_a_refusal_or_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let (mut secrets, mut refusals, mut customers) = (Vec::new(), Vec::new(), Vec::new());
    let mut said = Vec::new();
    for form in ["text", "json"] {
        let mut command = countersign(&data);
        command
            .env("AUTH_ADMIN_TOKEN", ADMIN)
            .env("AUTH_LOG", "debug,countersign=trace,countersign_actors=trace")
            .env("AUTH_LOG_FORMAT", form)
            .env("AUTH_PERMISSIONS_AUDIT_DECISIONS", "all")
            .stderr(File::options().append(true).create(true).open(&log).unwrap());
        let mut program = Program::start(command);
        let mut session = Session::begin(program.address);
        session.use_everything();
        session.misplace_everything();
        program.terminate();
        assert!(program.wait().success());
        program.child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        secrets.append(&mut session.secrets);
        refusals.append(&mut session.refusals);
        customers.push(session.chain.customer);
    }
    let inspected = countersign(&data).args(["inspect", "--json"]).output().unwrap();
    assert!(inspected.status.success() && contains(&inspected.stdout, MARKER.as_bytes()));
    said.extend(inspected.stdout);

    let content = fs::read_to_string(data.join("master.key")).unwrap();
    let content = content.trim_end();
    secrets.extend(Secret::in_all_forms("the master key", content.as_bytes()));
    let bytes = URL_SAFE_NO_PAD.decode(content).unwrap();
    secrets.extend(Secret::in_all_forms("the decoded master key", &bytes));
    secrets.push(Secret::new("the admin token", ADMIN));
    let copied = directory.path().join("copy");
    copy(&data, &copied);
    let vault = Vault::open(&copied, &customers);
    assert!(vault.public_keys.len() >= 4, "each customer has made two keys");
    secrets.extend(vault.secrets);

    assert!(refusals.len() > 1_000, "{}", refusals.len());
    for answer in &refusals {
        assert_absent(&secrets, "a refusal", &answer.body);
        assert_absent(
            &secrets,
            "a refusal's headers",
            format!("{:?}", answer.headers).as_bytes(),
        );
    }
    let logged = fs::read(&log).unwrap();
    assert!(contains(&logged, b"a-request-that-everybody-may-see"));
    assert!(
        contains(&logged, b"\"request_id\":\"") && contains(&logged, b"request_id=\""),
        "both forms"
    );
    assert_absent(&secrets, "the log", &logged);
    assert_absent(&secrets, "standard output", &said);
    let mut files = Vec::new();
    files_under(&data, &mut files);
    for (path, content) in &files {
        assert_absent(&secrets, &path.display().to_string(), content);
    }
    // The same search does find what is there: texts of events and rows, and bytes of the vault.
    let is_kept = |wanted: &[u8]| files.iter().any(|(_, content)| contains(content, wanted));
    assert!(is_kept(MARKER.as_bytes()));
    assert!(vault.public_keys.iter().all(|public| is_kept(public)));
}

#[test]
fn debug_shows_no_secret_of_the_configuration() {
    let mut config = countersign::config::Config::default();
    let secret = || Some(countersign::config::Secret::new(ADMIN.into()));
    config.secrets.admin_token = secret();
    config.secrets.master_key = secret();
    let shown = format!("{config:?} {config:#?} {:?}", secret());
    let forms = Secret::in_all_forms("a secret", ADMIN.as_bytes());
    assert_absent(&forms, "the configuration's Debug", shown.as_bytes());
}
