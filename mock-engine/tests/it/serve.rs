//! `mock-engine serve`, as a process, over a socket.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Server {
    child: Child,
    address: String,
    screen: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments)
    }

    /// Starts it with these environment variables and no others of WAHA's.
    fn start_in(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = command(variables)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut screen = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).unwrap() == 0 {
                let mut stderr = String::new();
                child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("it did not start: {stderr}");
            }
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                break address.to_owned();
            }
            screen.push_str(&line);
        };
        Self { child, address, screen }
    }

    /// The status and body of a request, over a socket of its own.
    async fn request(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let mut socket = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Ends it as a service manager does, and returns its exit code.
    fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended by now unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-engine"));
    let is_waha = |name: &str| name.starts_with("WAHA_") || name.starts_with("WHATSAPP_");
    for (name, _) in std::env::vars().filter(|(name, _)| is_waha(name)) {
        command.env_remove(name);
    }
    command.env_remove("PORT").envs(variables.iter().copied()).arg("serve");
    command
}

#[tokio::test]
async fn wahas_variables_are_honoured() {
    let key = [("WHATSAPP_API_KEY", "k"), ("WHATSAPP_API_KEY_EXCLUDE_PATH", "health,ping")];
    let server = Server::start_in(&key, &["--no-scenario"]);
    assert_eq!(server.request("GET", "/api/sessions", "").await.0, 401);
    assert_eq!(server.request("GET", "/api/sessions", "X-Api-Key: k\r\n").await.0, 200);
    assert_eq!(server.request("GET", "/health", "").await.0, 200);
    server.stop();
    let several = [
        ("WHATSAPP_START_SESSION", "a,b"),
        ("WHATSAPP_DEFAULT_ENGINE", "WEBJS"),
        ("WAHA_WORKER_ID", "w1"),
        ("WHATSAPP_SWAGGER_USERNAME", "u"),
        ("WHATSAPP_SWAGGER_PASSWORD", "p"),
    ];
    let server = Server::start_in(&several, &["--no-scenario"]);
    let (_, sessions) = server.request("GET", "/api/sessions?all=true", "").await;
    let sessions: serde_json::Value = serde_json::from_str(&sessions).unwrap();
    assert_eq!((&sessions[0]["name"], &sessions[1]["name"]), (&"a".into(), &"b".into()));
    let (_, version) = server.request("GET", "/api/version", "").await;
    assert!(version.contains(r#""engine":"WEBJS""#) && version.contains(r#"{"id":"w1"}"#));
    assert_eq!(server.request("GET", "/api/a/presence", "").await.0, 422);
    for path in ["/docs/", "/openapi.json", "/-json"] {
        assert_eq!(server.request("GET", path, "").await.0, 401, "{path}");
        let login = "Authorization: Basic dTpw\r\n";
        assert_eq!(server.request("GET", path, login).await.0, 200, "{path}");
    }
    server.stop();
    let server = Server::start_in(&[("WHATSAPP_SWAGGER_ENABLED", "False")], &["--no-scenario"]);
    assert_eq!(server.request("GET", "/docs/", "").await.0, 404);
    server.stop();
}

#[test]
fn an_invalid_variable_ends_the_program_and_one_without_effect_is_warned_about() {
    let run = |variables: &[(&str, &str)]| {
        let output =
            command(variables).arg("--scenario").arg("none-of-this-name").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (name, value, expected) in [
        ("WHATSAPP_API_PORT", "x", "WHATSAPP_API_PORT: expected a port"),
        ("PORT", "70000", "PORT: expected a port"),
        ("WHATSAPP_DEFAULT_ENGINE", "NOWEBB", "WHATSAPP_DEFAULT_ENGINE: expected one of"),
        ("WHATSAPP_START_SESSION", "a/b", "WHATSAPP_START_SESSION: "),
        ("WHATSAPP_RESTART_ALL_SESSIONS", "yes", "WHATSAPP_RESTART_ALL_SESSIONS: expected true"),
        ("WAHA_LOG_LEVEL", "loud", "WAHA_LOG_LEVEL: expected one of"),
        ("WHATSAPP_HOOK_URL", "x", "WHATSAPP_HOOK_URL: "),
    ] {
        let (code, stderr) = run(&[(name, value)]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("error: {expected}")), "{stderr}");
    }
    let (_, stderr) = run(&[("WAHA_S3_BUCKET", "b"), ("WHATSAPP_API_KYE", "k")]);
    let expected = "WHATSAPP_API_KYE is not a known variable; did you mean WHATSAPP_API_KEY?";
    assert!(stderr.contains("WAHA_S3_BUCKET has no effect here: "), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
}

/// The `curl` lines of the screen, as method and path.
fn tries(screen: &str) -> Vec<(String, String)> {
    let lines = screen.lines().filter_map(|line| line.trim().strip_prefix("curl "));
    lines
        .map(|line| {
            let method = if line.contains("-X POST") { "POST" } else { "GET" };
            let url = line.split(' ').next_back().unwrap();
            let path = url.split_once("://").unwrap().1.split_once('/').unwrap().1;
            (method.to_owned(), format!("/{path}"))
        })
        .collect()
}

#[tokio::test]
async fn the_three_lines_of_the_screen_work_at_once_and_it_stops_cleanly() {
    let server = Server::start(&[]);
    let tries = tries(&server.screen);
    assert_eq!(tries.len(), 3, "{}", server.screen);
    let (status, all) = server.request(&tries[0].0, &tries[0].1, "").await;
    assert_eq!(status, 200);
    assert!(all.contains("\"lastKnownPresence\":"), "{all}");
    let (status, one) = server.request(&tries[1].0, &tries[1].1, "").await;
    assert_eq!(status, 200);
    assert!(one.starts_with("{\"id\":\"5511999990001@c.us\",\"presences\":[{"), "{one}");
    assert_eq!(server.request(&tries[2].0, &tries[2].1, "").await.0, 201);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn told_once_more_it_waits_for_no_receiver() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mut server = Server::start(&["--webhook", &url]);
    let log = BufReader::new(server.child.stderr.take().unwrap());
    server.signal("-INT");
    let mut told = Vec::new();
    for line in log.lines().map(Result::unwrap) {
        if line.contains("until interrupted again") {
            server.signal("-INT");
        }
        told.extend(line.contains("interrupted again").then_some(line));
    }
    assert_eq!(server.child.wait().unwrap().code(), Some(1), "{told:?}");
    assert!(told.last().unwrap().contains("pending events are lost"), "{told:?}");
}

#[tokio::test]
async fn a_key_is_asked_for_also_by_the_control_api() {
    let server = Server::start(&["--api-key", "secret", "--no-scenario"]);
    assert!(server.screen.contains("-H \"X-Api-Key: $WAHA_API_KEY\""), "{}", server.screen);
    assert_eq!(server.request("GET", "/mock", "").await.0, 401);
    assert_eq!(server.request("GET", "/mock", "X-Api-Key: secret\r\n").await.0, 200);
}

#[tokio::test]
async fn a_session_of_another_engine_says_that_it_cannot() {
    let server = Server::start(&["--session", "web", "--engine", "WEBJS", "--no-scenario"]);
    let (status, body) = server.request("GET", "/api/web/presence", "").await;
    assert_eq!(status, 422, "{body}");
}

#[tokio::test]
async fn as_fast_as_possible_goes_to_the_end_of_the_scenario() {
    let server = Server::start(&["--scenario", "flapping", "--speed", "max"]);
    let at_the_end = async {
        loop {
            let chat = "/api/default/presence/5511999990001@c.us";
            let shown = server.request("GET", chat, "").await.1;
            let clock = server.request("GET", "/mock/clock", "").await.1;
            if shown.contains("offline") && clock.contains("\"nextTimer\":null") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), at_the_end).await.unwrap();
}

#[tokio::test]
async fn a_recording_is_played_and_a_wrong_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("morning.jsonl");
    let path = file.to_str().unwrap();
    let data = r#"{"id":"777@s.whatsapp.net","presences":{"777@s.whatsapp.net":{"lastKnownPresence":"composing"}}}"#;
    let event =
        format!(r#"{{"time":0,"session":"default","event":"presence.update","data":{data}}}"#);
    std::fs::write(&file, format!("{{\"recording\":1,\"started\":0}}\n{event}\n")).unwrap();
    let server = Server::start(&["--recording", path, "--speed", "stepped"]);
    let (status, body) = server.request("GET", "/api/default/presence", "").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        r#"[{"id":"777@c.us","presences":[{"participant":"777@c.us","lastKnownPresence":"typing","lastSeen":null}]}]"#
    );
    std::fs::write(&file, "{\"recording\":2,\"started\":0}\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mock-engine"))
        .args(["serve", "--listen", "127.0.0.1:0", "--recording", path])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("morning.jsonl: line 1: the recording has version 2"), "{stderr}");
}

#[tokio::test]
async fn every_change_arrives_at_the_webhook() {
    let (heard, mut hear) = tokio::sync::mpsc::unbounded_channel();
    let receiver = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("POST"))
        .respond_with(move |request: &wiremock::Request| {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            // The test may have heard enough.
            let _ = heard.send(body);
            wiremock::ResponseTemplate::new(200)
        })
        .mount(&receiver)
        .await;
    let server =
        Server::start(&["--webhook", &receiver.uri(), "--webhook-events", "presence.update"]);
    assert!(server.screen.contains(&receiver.uri()), "{}", server.screen);
    let body = hear.recv().await.unwrap();
    assert_eq!(body["event"], "presence.update");
    assert_eq!(body["session"], "default");
    assert_eq!(body["engine"], "NOWEB");
    assert!(body["payload"]["presences"][0]["lastKnownPresence"].is_string(), "{body}");
    assert_eq!(server.stop(), Some(0));
}
