//! The routes of the server: `/ws/chat` for clients, `/mock/whatsapp/…` for who plays the phones.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Query, Request, State, WebSocketUpgrade, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use host_sdk::HttpError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    credentials::Owner,
    noise::{MAX_FRAME, root_key_hex},
    pairing::PairingError,
    people::lid_of,
    server::WhatsApp,
    socket,
};

impl WhatsApp {
    /// Where clients connect: `/ws/chat`.
    pub fn clients(&self) -> Router {
        Router::new().route("/ws/chat", any(chat)).with_state(self.clone())
    }

    /// What whoever plays the phones calls.
    pub(crate) fn routes(&self) -> Router {
        let mut router = Router::new();
        for (path, methods) in paths() {
            router = router.route(path, methods);
        }
        router.with_state(self.clone())
    }
}

/// The paths, which the OpenAPI document describes.
pub(crate) fn paths() -> [(&'static str, axum::routing::MethodRouter<WhatsApp>); 6] {
    [
        ("/mock/whatsapp", get(overview)),
        ("/mock/whatsapp/scan", post(scan)),
        ("/admin/mock-phone/scan-qr", post(scan)),
        ("/mock/whatsapp/code", post(code)),
        ("/mock/whatsapp/credentials", get(credentials)),
        ("/mock/whatsapp/key", get(key)),
    ]
}

async fn chat(State(server): State<WhatsApp>, upgrade: WebSocketUpgrade) -> Response {
    let Some(seat) = server.seat() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n").into_response();
    };
    // A frame, and a little of the next.
    let upgrade = upgrade.max_message_size(2 * MAX_FRAME).max_frame_size(2 * MAX_FRAME);
    let mock = server.engine().clone();
    upgrade.on_upgrade(move |socket| async move {
        // The clock waits until what a step says is on its way to the clients.
        let served = mock.spawn(socket::serve(server, seat, socket));
        let _ = served.await;
    })
}

/// `GET /mock/whatsapp`: the devices, the pending links, and the unknown requests.
async fn overview(State(server): State<WhatsApp>) -> Json<Value> {
    let devices: Vec<Value> = server
        .all_devices()
        .iter()
        .map(|device| {
            let (waiting, dropped) = device.waiting();
            json!({
                "session": device.session,
                "jid": device.jid(),
                "lid": device.lid_jid(),
                "connected": device.is_connected(),
                "closed": device.is_closed(),
                "waiting": waiting,
                "dropped": dropped,
            })
        })
        .collect();
    let unlinked = server.waiting(|all| all.len());
    Json(json!({
        "connections": server.connections(),
        "unlinked": unlinked,
        "devices": devices,
        "unknown": server.unknown(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanBody {
    qr: String,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

/// `POST /mock/whatsapp/scan`: the text of a QR code, or `{"qr", "phone"?, "name"?}`.
async fn scan(State(server): State<WhatsApp>, request: Request) -> Result<Json<Value>, HttpError> {
    let bytes = host_sdk::extract::read_body(request).await?;
    let text = String::from_utf8_lossy(&bytes);
    let body = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| {
            HttpError::bad_request(format!(
                r#"{error}; expected the QR's text, or {{"qr":"2@…","phone":"5511999990001"}}"#
            ))
        })?
    } else {
        ScanBody { qr: text.into_owned(), phone: None, name: None }
    };
    let paired = server
        .scan(&body.qr, body.phone.as_deref(), body.name.as_deref())
        .map_err(|error| refused(&error))?;
    Ok(Json(json!({ "jid": paired.jid, "lid": paired.lid, "session": paired.session })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    phone: String,
    code: String,
}

/// How long a client may take to answer a code.
const CODE_PATIENCE: Duration = Duration::from_secs(20);

/// `POST /mock/whatsapp/code`: answers once the device is linked.
async fn code(State(server): State<WhatsApp>, request: Request) -> Result<Json<Value>, HttpError> {
    let bytes = host_sdk::extract::read_body(request).await?;
    let CodeBody { phone, code } = serde_json::from_slice(&bytes).map_err(|error| {
        let example = r#"{"phone":"5511999990001","code":"ABCD1234"}"#;
        HttpError::bad_request(format!("{error}; expected a body like {example}"))
    })?;
    let entered = tokio::time::timeout(CODE_PATIENCE, server.enter_code(&phone, &code)).await;
    let paired = entered.unwrap_or(Err(PairingError::NoCode)).map_err(|error| refused(&error))?;
    Ok(Json(json!({ "jid": paired.jid, "lid": paired.lid, "session": paired.session })))
}

fn refused(error: &PairingError) -> HttpError {
    let status = match error {
        PairingError::Malformed => StatusCode::BAD_REQUEST,
        PairingError::Unknown | PairingError::NoCode => StatusCode::NOT_FOUND,
        PairingError::WrongCode | PairingError::Device(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    HttpError::new(status, error.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsQuery {
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    device: Option<u16>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "x-api-key")]
    _api_key: Option<String>,
}

/// `GET /mock/whatsapp/credentials`: `creds.json` of a device of the account of `?phone=…` or
/// `?session=…`, the first session's unless said; `&device=1&name=Mock`.
async fn credentials(
    State(server): State<WhatsApp>,
    query: Result<Query<CredentialsQuery>, QueryRejection>,
) -> Result<Json<Value>, HttpError> {
    let Query(query) = query.map_err(|error| {
        let error = error.body_text();
        HttpError::bad_request(format!("{error}; expected ?phone=5511999990001&device=1&name=Mock"))
    })?;
    let mock = server.engine();
    let bad = |error: String| HttpError::bad_request(error);
    let (phone, own_name) = match (query.phone, query.session) {
        (Some(_), Some(_)) => return Err(bad("phone and session: give one of the two".to_owned())),
        (Some(phone), None) => (phone, None),
        (None, session) => {
            let first = || mock.sessions().into_iter().next().unwrap_or_default();
            let me = mock.me(&session.unwrap_or_else(first));
            let me =
                me.map_err(|error| HttpError::new(StatusCode::NOT_FOUND, error.to_string()))?;
            (me.id.replace("@c.us", ""), Some(me.push_name))
        }
    };
    let device = query.device.unwrap_or(1);
    let name = query.name.or(own_name).unwrap_or_else(|| "Mock".to_owned());
    server.device(&phone, device, Some(&name)).map_err(|error| refused(&error.into()))?;
    let lid = lid_of(mock, &phone).unwrap_or_default();
    let owner = Owner { seed: mock.seed(), phone: &phone, lid: &lid, device, name: &name };
    Ok(Json(owner.baileys(mock.now_ms() / 1000)))
}

/// `GET /mock/whatsapp/key`: the root key that clients have to trust, in hexadecimal.
async fn key() -> String {
    root_key_hex() + "\n"
}
