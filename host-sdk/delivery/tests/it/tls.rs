//! HTTPS receivers, and whom they have to convince.
//!
//! The certificate in `certificates/` is for `localhost`; what signed it is beside it.

use std::{path::Path, sync::Arc, time::Duration};

use host_delivery::{event_bus::DeliverySettings, tls::Tls, webhook::WebhookConfig};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;

use crate::receiver::Stage;

fn certificate(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates").join(name)
}

/// Serves HTTPS, and hands on the bodies that come: its URL.
async fn start() -> (String, mpsc::UnboundedReceiver<bytes::Bytes>) {
    let chain = vec![CertificateDer::from_pem_file(certificate("localhost.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate("localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/hook", listener.local_addr().unwrap().port());
    let (sender, bodies) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust the certificate breaks off.
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let sender = sender.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    sender.send(request.into_body().collect().await?.to_bytes()).unwrap();
                    Ok::<_, hyper::Error>(Response::new(Empty::<bytes::Bytes>::new()))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, bodies)
}

fn stage(url: &str, tls: Tls) -> Stage {
    let stage = Stage::new(DeliverySettings { tls, ..DeliverySettings::default() });
    stage.bus.set_webhooks("default", vec![WebhookConfig::new(url).unwrap()]);
    stage
}

#[tokio::test]
async fn a_certificate_is_trusted_when_its_authority_is_in_the_configured_file() {
    let (url, mut bodies) = start().await;
    let stage = stage(&url, Tls::new(Some(&certificate("ca.pem")), false).unwrap());
    stage.emit("chat", "key", 1);
    stage.drain().await;
    assert!(bodies.recv().await.unwrap().starts_with(b"{\"id\":\"evt_"));
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (url, mut bodies) = start().await;
    let stage = stage(&url, Tls::default());
    stage.emit("chat", "key", 1);
    stage.clock.next_timer().await;
    let health = stage.bus.health();
    assert!(health[0].last_error.as_ref().unwrap().contains("UnknownIssuer"), "{health:?}");
    assert_eq!(stage.bus.drain(Duration::ZERO).await.webhook_events, 1);
    assert!(bodies.try_recv().is_err());
}

#[tokio::test]
async fn verification_can_be_switched_off() {
    let (url, mut bodies) = start().await;
    let stage = stage(&url, Tls::new(None, true).unwrap());
    stage.emit("chat", "key", 1);
    stage.drain().await;
    assert!(bodies.recv().await.is_some());
}
