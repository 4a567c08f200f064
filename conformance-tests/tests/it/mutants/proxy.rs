//! A proxy between the suite and our server, which applies a [`Mutant`]'s changes.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{
        FromRequestParts, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::tungstenite;

use super::{Mutant, memory::Memory};

/// A request on its way to our server.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// An answer to the suite, or an answer of the suite's receiver to our server.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A webhook on its way to the suite's receiver.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The fate of a webhook.
pub(crate) enum Fate {
    /// Deliver it.
    Forward,
    /// Drop it, and answer our server with 200.
    Lose,
    /// Deliver it twice.
    Twice,
    /// Deliver it after the next webhook.
    AfterTheNext,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, value: &Value) {
        self.body = value.to_string().into_bytes();
    }
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Self { status, headers, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, value: &Value) {
        self.body = value.to_string().into_bytes();
    }
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn set_json(&mut self, value: &Value) {
        self.body = value.to_string().into_bytes();
    }
}

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// A running proxy; stops when dropped.
pub(crate) struct Proxy {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

/// The proxy's state, shared by its handlers. The mutexes are held for single steps, never across
/// an await or together.
struct Between {
    mutant: &'static Mutant,
    upstream: String,
    own: String,
    client: HttpClient,
    memory: Mutex<Memory>,
    held: Mutex<Vec<Post>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, mutant: &'static Mutant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let between = Arc::new(Between {
            mutant,
            upstream: upstream.to_owned(),
            own: url.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            memory: Mutex::default(),
            held: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(between);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, server }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(between): State<Arc<Between>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    if head.uri.path() == "/ws" {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut head, &()).await;
        let query = head.uri.query().unwrap_or_default().to_owned();
        return match upgrade {
            Ok(upgrade) => between.socket(upgrade, query).await,
            Err(rejection) => rejection.into_response(),
        };
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
    if let Some(hook) = head.uri.path().strip_prefix("/__hook/") {
        let url = String::from_utf8(hex::decode(hook).unwrap()).unwrap();
        let post = Post { url, headers: head.headers, body };
        return between.webhook(post).await.into_response();
    }
    let call = Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(|query| format!("?{query}")).unwrap_or_default(),
        headers: head.headers,
        body,
    };
    between.call(call).await.into_response()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        *response.headers_mut() = self.headers;
        response.headers_mut().remove("content-length");
        response.headers_mut().remove("transfer-encoding");
        response
    }
}

impl Between {
    async fn call(&self, mut call: Call) -> Reply {
        let early = {
            let mut memory = self.memory.lock().unwrap();
            memory.sees_call(&call);
            self.mutant.request.and_then(|change| change(&mut call, &mut memory))
        };
        if let Some(reply) = early {
            self.flush().await;
            return reply;
        }
        let mut sent = call.body.clone();
        if call.path.starts_with("/api/sessions") && !sent.is_empty() {
            sent = self.hooked_here(&sent);
        }
        let url = format!("{}{}{}", self.upstream, call.path, call.query);
        let mut reply = self.send(&call.method, &url, &call.headers, sent).await;
        {
            let mut memory = self.memory.lock().unwrap();
            if let Some(change) = self.mutant.answer {
                change(&call, &mut reply, &mut memory);
            }
            memory.saw_reply(&call, &reply);
        }
        self.flush().await;
        reply
    }

    /// Sends the mutant's additional webhooks.
    async fn flush(&self) {
        let made_up = std::mem::take(&mut self.memory.lock().unwrap().outbox);
        for post in made_up {
            self.deliver(post).await;
        }
    }

    /// The configuration with its webhooks redirected to this proxy.
    fn hooked_here(&self, body: &[u8]) -> Vec<u8> {
        let Ok(mut body_json) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
        let hooks = body_json.pointer_mut("/config/webhooks").and_then(Value::as_array_mut);
        for hook in hooks.into_iter().flatten() {
            if let Some(url) = hook["url"].as_str().filter(|url| url.starts_with("http")) {
                hook["url"] = format!("{}/__hook/{}", self.own, hex::encode(url)).into();
            }
        }
        body_json.to_string().into_bytes()
    }

    async fn send(&self, method: &Method, url: &str, headers: &HeaderMap, body: Vec<u8>) -> Reply {
        let mut request = http::Request::new(Full::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.parse().unwrap();
        *request.headers_mut() = headers.clone();
        for own in ["host", "content-length", "connection", "transfer-encoding"] {
            request.headers_mut().remove(own);
        }
        match self.client.request(request).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes().to_vec());
                let (status, headers) = (head.status.as_u16(), head.headers);
                Reply { status, headers, body: body.unwrap_or_default() }
            }
            Err(_) => Reply::new(599, ""),
        }
    }

    async fn webhook(&self, mut post: Post) -> Reply {
        let fate = {
            let mut memory = self.memory.lock().unwrap();
            let fate = self.mutant.webhook.map(|change| change(&mut post, &mut memory));
            memory.sees_post(&post);
            fate.unwrap_or(Fate::Forward)
        };
        let reply = match fate {
            Fate::Lose => return Reply::new(200, ""),
            Fate::AfterTheNext => {
                self.held.lock().unwrap().push(post);
                return Reply::new(200, "");
            }
            Fate::Twice => {
                self.deliver(post.clone()).await;
                self.deliver(post.clone()).await
            }
            Fate::Forward => self.deliver(post.clone()).await,
        };
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for late in held {
            self.deliver(late).await;
        }
        self.flush().await;
        let mut reply = reply;
        let again = {
            let mut memory = self.memory.lock().unwrap();
            let change = self.mutant.receipt;
            change.and_then(|change| change(&post, &mut reply, &mut memory))
        };
        match again {
            Some(elsewhere) => self.deliver(elsewhere).await,
            None => reply,
        }
    }

    async fn deliver(&self, post: Post) -> Reply {
        self.send(&Method::POST, &post.url, &post.headers, post.body).await
    }

    async fn socket(self: Arc<Self>, upgrade: WebSocketUpgrade, query: String) -> Response {
        let query = match self.mutant.socket {
            Some(change) => change(&query),
            None => query,
        };
        let url = format!("{}/ws?{query}", self.upstream.replacen("http", "ws", 1));
        match tokio_tungstenite::connect_async(url).await {
            Ok((stream, _)) => upgrade.on_upgrade(move |socket| self.pump(socket, stream)),
            Err(tungstenite::Error::Http(answer)) => {
                Reply::new(answer.status().as_u16(), "").into_response()
            }
            Err(_) => Reply::new(599, "").into_response(),
        }
    }

    async fn pump<S>(self: Arc<Self>, socket: WebSocket, stream: S)
    where
        S: futures_util::Stream<Item = Result<tungstenite::Message, tungstenite::Error>> + Unpin,
    {
        let (mut to_suite, mut from_suite) = socket.split();
        let mut stream = stream;
        loop {
            let message = tokio::select! {
                message = stream.next() => message,
                gone = from_suite.next() => match gone {
                    Some(Ok(_)) => continue,
                    _ => return,
                },
            };
            let message = match message {
                Some(Ok(tungstenite::Message::Text(text))) => {
                    let mut event: Value = serde_json::from_str(&text).unwrap();
                    let goes_on = self.mutant.frame.is_none_or(|change| change(&mut event));
                    if !goes_on {
                        continue;
                    }
                    Message::Text(event.to_string().into())
                }
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    let code = frame.as_ref().map_or(1000, |frame| frame.code.into());
                    let reason = frame.map(|it| it.reason.to_string()).unwrap_or_default();
                    let code = self.mutant.close.unwrap_or(code);
                    let frame = CloseFrame { code, reason: reason.into() };
                    let _ = to_suite.send(Message::Close(Some(frame))).await;
                    return;
                }
                Some(Ok(_)) => continue,
                _ => return,
            };
            if to_suite.send(message).await.is_err() {
                return;
            }
        }
    }
}
