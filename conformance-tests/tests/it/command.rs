//! Runs the command `conformance`.

use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::ours::{KEY, Ours};

/// The command with these arguments, without variables from the environment.
pub(crate) fn conformance(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for variable in ["WAHA_URL", "WAHA_API_KEY", "WAHA_PEER_API_KEY"] {
        command.env_remove(variable);
    }
    command
}

/// The exit code, standard output and standard error.
pub(crate) async fn ended(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = conformance(args).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A run against our server with the mock driver.
pub(crate) async fn run(ours: &Ours, more: &[&str]) -> (Option<i32>, String, String) {
    let driver = format!("mock:{}", ours.url);
    let mut args = vec!["run", "--target", &ours.url, "--api-key", KEY, "--driver", &driver];
    args.extend(["--settle", "100ms", "--seed", "5"]);
    args.extend(more);
    ended(&args).await
}
