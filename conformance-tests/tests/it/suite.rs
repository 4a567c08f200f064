//! The suite as a library: environments, runs, and plain requests.

use std::{sync::Arc, time::Duration};

use conformance_tests::{
    Check, Environment, Plan, Profile, Receiver, Report, Settings, Target, catalogue, driver, run,
    select,
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::ours::KEY;

/// The settings of a test environment.
pub(crate) struct With<'a> {
    pub(crate) session: &'a str,
    pub(crate) driver: bool,
    pub(crate) seed: u64,
    pub(crate) timeout: Duration,
    pub(crate) settle: Duration,
}

impl Default for With<'_> {
    fn default() -> Self {
        Self {
            session: "default",
            driver: true,
            seed: 1,
            timeout: Duration::from_secs(5),
            settle: Duration::from_millis(150),
        }
    }
}

pub(crate) async fn environment(url: &str, with: With<'_>) -> Arc<Environment> {
    let target = Target::new(url, Some(KEY.to_owned()), with.timeout).unwrap();
    let named = if with.driver { format!("mock:{url}") } else { "none".to_owned() };
    let driver = driver::connect(&named, with.session, &target, None).await.unwrap();
    let receiver = Receiver::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let settings = Settings {
        session: with.session.to_owned(),
        other_engine_session: None,
        timeout: with.timeout,
        settle: with.settle,
        seed: with.seed,
        webhook_configured: false,
    };
    Arc::new(Environment::prepare(target, driver, receiver, settings).await)
}

/// Every check of all profiles.
pub(crate) fn all() -> Vec<&'static Check> {
    assert_eq!(select(Profile::Extensions, &[]).len(), catalogue().len());
    catalogue().iter().collect()
}

pub(crate) async fn try_all(environment: &Arc<Environment>, checks: Vec<&'static Check>) -> Report {
    let plan = Plan { checks, jobs: 16, ..Plan::default() };
    run(environment, &plan, |_| {}).await
}

/// A request with the key, and the status and text of its answer.
pub(crate) async fn call(
    url: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("x-api-key", KEY)
        .header("content-type", "application/json")
        .body(Full::<bytes::Bytes>::from(body.map(Value::to_string).unwrap_or_default()))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
