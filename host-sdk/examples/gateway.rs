//! A gateway in few lines: an engine of one's own, a plugin from its library, HTTP.
//!
//! ```text
//! cargo run -p host-sdk --example gateway
//! curl http://127.0.0.1:3000/api/default/count
//! ```

#![allow(clippy::print_stdout, reason = "an example prints for its user")]

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use host_sdk::{
    Engine, EngineError, EngineEvents, EngineStatus, Gateway, PresenceUpdate, SessionSpec,
    SessionStatus, loader,
};

/// Reports every second that a contact is online.
struct Ticker;

impl Engine for Ticker {
    fn name(&self) -> &str {
        "TICKER"
    }

    fn start(
        &self,
        _session: &str,
        events: EngineEvents,
    ) -> BoxFuture<'static, Result<(), EngineError>> {
        tokio::spawn(async move {
            events.status(SessionStatus::Working).await;
            loop {
                let someone = "5511999990001@s.whatsapp.net";
                let online = PresenceUpdate::new(someone, EngineStatus::AVAILABLE, None);
                events.presence(someone, &[online]).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        ready(Ok(())).boxed()
    }

    fn stop(&self, _session: &str) -> BoxFuture<'static, Result<(), EngineError>> {
        ready(Ok(())).boxed()
    }

    fn call(
        &self,
        op: &str,
        _session: &str,
        _args: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, EngineError>> {
        ready(Err(EngineError::Unsupported(op.to_owned()))).boxed()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let plugin = match std::env::args_os().nth(1) {
        Some(file) => file.into(),
        None => loader::find("counter_plugin")?,
    };
    let gateway = Gateway::builder()
        .engine(Arc::new(Ticker))
        .plugin(loader::load(plugin)?)
        .session(SessionSpec::new("default"))
        .build()?;
    gateway.start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let until_ctrl_c = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    gateway.serve(listener, until_ctrl_c).await?;
    Ok(())
}
