//! The least that HTTP costs: actix-web parsing the same requests and answering the same bodies, with the same claims built and signed
//! with a kept key, but without rules, state, journal or disk.

use std::io::Write as _;
use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use countersign_actors::clock::{Clock as _, SystemClock, fresh_uuid};
use countersign_actors::crypto::CryptoError;
use countersign_actors::crypto::keys::{PublicKey, SigningKey, VerifyingKey};
use countersign_actors::id::{AgentId, CustomerId, Jti, KeyId};
use countersign_actors::token::claims::{Claims, Details};
use countersign_actors::token::jwt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::process::{ANNOUNCEMENT, CEILING};

/// What the ceiling answers with.
struct Kept {
    key: SigningKey,
    kid: KeyId,
    /// The policy in every claim, as the program writes it.
    rbac: Box<RawValue>,
    /// What is answered about a presented token.
    answer: Bytes,
    /// What presented tokens are verified with.
    public: Option<VerifyingKey>,
}

#[derive(Deserialize)]
struct Mint<'a> {
    customer_id: &'a str,
    bearer_jti: &'a str,
    agent_id: &'a str,
    #[serde(rename = "agent_name")]
    _agent_name: Option<&'a str>,
    #[serde(borrow, rename = "rbac")]
    _rbac: Option<Rbac<'a>>,
    ttl_hours: Option<u32>,
}

#[derive(Deserialize)]
struct Rbac<'a> {
    #[serde(borrow, rename = "allowed_actions")]
    _allowed_actions: Option<Vec<&'a str>>,
    #[serde(borrow, rename = "denied_actions")]
    _denied_actions: Option<Vec<&'a str>>,
    #[serde(borrow, rename = "allowed_resources")]
    _allowed_resources: Option<Vec<&'a str>>,
    #[serde(rename = "max_sensitivity_level")]
    _max_sensitivity_level: Option<u8>,
}

#[derive(Serialize)]
struct Minted<'a> {
    token: &'a str,
    jti: String,
    agent_id: &'a str,
    expires_at: String,
    claims: &'a RawValue,
}

#[derive(Deserialize)]
struct Ask<'a> {
    token: &'a str,
}

/// What this process is told on its command line, if it is a ceiling: the body to answer about tokens, and the key to verify them with.
fn told() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next().as_deref() == Some(CEILING)).then(|| arguments.collect())
}

/// Serves as the ceiling until killed, if this process was started for that; returns at once if it was not.
pub fn serve_if_told() {
    let Some(told) = told() else { return };
    let mut told = told.into_iter();
    let answer = told.next().unwrap_or_default();
    let public = told.next().zip(told.next());
    let (key, _) = SigningKey::generate().expect("a key");
    let kept = Kept {
        key,
        kid: KeyId::new(fresh_uuid(SystemClock.now())),
        rbac: RawValue::from_string(RBAC_CLAIM.to_owned()).expect("JSON"),
        answer: answer.into(),
        public: public.map(|(x, y)| {
            let public = PublicKey::from_base64url(&x, &y).expect("a key");
            public.verifying().expect("a key")
        }),
    };
    let kept = Data::from(Arc::new(kept));
    let app = move || {
        App::new()
            .app_data(kept.clone())
            .route("/tokens/agent", web::post().to(mint))
            .route("/tokens/introspect", web::post().to(answer_about))
            .route("/tokens/authorize", web::post().to(answer_about))
    };
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app)
            .workers(crate::bare::cores())
            .tcp_nodelay(true)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .expect("a port");
        let address = server.addrs().first().copied().expect("an address");
        let mut out = std::io::stdout();
        writeln!(out, "{ANNOUNCEMENT}{address}").expect("told");
        server.run().await.expect("served");
    });
    std::process::exit(0);
}

const RBAC_CLAIM: &str = r#"{"allowed_actions":["data:read:*","code:review:*"],"denied_actions":["data:write:*"],"allowed_resources":["repo:*"],"denied_resources":[],"max_sensitivity_level":3,"sensitivity_level":3}"#;

async fn mint(body: Bytes, kept: Data<Kept>) -> HttpResponse {
    let mint: Mint<'_> = serde_json::from_slice(&body).expect("a request");
    let now = SystemClock.now();
    let agent_id = AgentId::parse(mint.agent_id).expect("an id");
    let (issued_at, jti) = (now.seconds(), Jti::new(fresh_uuid(now)));
    let expires_at = issued_at.plus(i64::from(mint.ttl_hours.unwrap_or(24)) * 3_600);
    let claims = Claims {
        jti,
        sub: CustomerId::parse(mint.customer_id).expect("a UUID"),
        iat: issued_at.get().unsigned_abs(),
        exp: expires_at.get().unsigned_abs(),
        details: Details::Agent {
            parent_jti: Jti::parse(mint.bearer_jti).expect("a UUID"),
            agent_id: &agent_id,
            rbac: &kept.rbac,
        },
    };
    let signed = jwt::compose::<CryptoError>(kept.kid, &claims, |input| kept.key.sign(input)).expect("a token");
    let answer = Minted {
        token: signed.token(),
        jti: jti.to_string(),
        agent_id: mint.agent_id,
        expires_at: expires_at.to_rfc3339(),
        claims: serde_json::from_str(signed.claims()).expect("JSON"),
    };
    json(serde_json::to_vec(&answer).expect("JSON"))
}

async fn answer_about(body: Bytes, kept: Data<Kept>) -> HttpResponse {
    let ask: Ask<'_> = serde_json::from_slice(&body).expect("a request");
    if let Some(public) = &kept.public {
        let presented = jwt::parse(ask.token).expect("a token");
        assert!(presented.verify_with(public), "a signature of this key");
    }
    json(kept.answer.clone())
}

fn json(body: impl actix_web::body::MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}
