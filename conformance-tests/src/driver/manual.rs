//! A person at the terminal, who is asked to do what a check needs.

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin, stderr, stdin},
    sync::Mutex,
};

use super::{Action, Becomes, Driver, DriverError, Step};
use crate::Ability;

/// A person with a phone.
#[derive(Debug)]
pub(super) struct Manual {
    contact: String,
    answers: Mutex<Lines<BufReader<Stdin>>>,
}

impl Manual {
    pub(super) async fn start() -> Result<Self, DriverError> {
        let mut answers = BufReader::new(stdin()).lines();
        let number =
            ask(&mut answers, "The phone number of the phone in your hand, digits only: ").await?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DriverError::failed(format!(
                "{number:?} is not a phone number; expected digits only"
            )));
        }
        Ok(Self { contact: format!("{number}@c.us"), answers: Mutex::new(answers) })
    }
}

impl Driver for Manual {
    fn name(&self) -> &str {
        "manual"
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Presence, Ability::Messages]
    }

    fn only_contact(&self) -> Option<&str> {
        Some(&self.contact)
    }

    fn perform<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        Box::pin(async move {
            let session = &step.session;
            let please = match &step.action {
                Action::Presence { is, .. } => match is {
                    Becomes::Online => "open WhatsApp on the phone".to_owned(),
                    Becomes::Offline => "close WhatsApp on the phone".to_owned(),
                    Becomes::Typing => {
                        format!("type, and keep typing, in the chat with {session}")
                    }
                    Becomes::Recording => {
                        format!("record a voice message in the chat with {session}")
                    }
                    Becomes::Stopped => "stop typing or recording".to_owned(),
                },
                Action::Message { .. } => format!("send any message in the chat with {session}"),
                _ => {
                    return Err(DriverError::Declined(
                        "the manual driver cannot do this".to_owned(),
                    ));
                }
            };
            let mut answers = self.answers.lock().await;
            let answer =
                ask(&mut answers, &format!("Please {please}, then press Enter (s: skip): "))
                    .await?;
            if answer.eq_ignore_ascii_case("s") {
                return Err(DriverError::Declined("skipped by the user".to_owned()));
            }
            Ok(Value::Null)
        })
    }
}

async fn ask(answers: &mut Lines<BufReader<Stdin>>, question: &str) -> Result<String, DriverError> {
    let failed = |error: std::io::Error| DriverError::failed(format!("the terminal: {error}"));
    let mut terminal = stderr();
    terminal.write_all(question.as_bytes()).await.map_err(failed)?;
    terminal.flush().await.map_err(failed)?;
    match answers.next_line().await.map_err(failed)? {
        Some(answer) => Ok(answer.trim().to_owned()),
        None => Err(DriverError::failed("standard input has ended".to_owned())),
    }
}
