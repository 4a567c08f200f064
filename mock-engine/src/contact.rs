//! What a contact does, as a sentence in a test.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use crate::{
    engine::{MockEngine, MockError},
    noweb::Event,
    world::{Act, Does},
};

/// A handle on one contact, to make them act: `mock.contact("alice").types()`.
#[derive(Clone, Debug)]
pub struct Who {
    mock: MockEngine,
    name: String,
}

impl MockEngine {
    /// What a contact does, as a sentence: `mock.contact("alice").types().in_group("team").await`.
    pub fn contact(&self, name: impl Into<String>) -> Who {
        Who { mock: self.clone(), name: name.into() }
    }
}

impl Who {
    /// Does that.
    pub fn does(self, does: Does) -> Deed {
        Deed { who: self, does, chat: None, text: None, session: None }
    }

    /// Comes online.
    pub fn comes_online(self) -> Deed {
        self.does(Does::Online)
    }

    /// Goes offline.
    pub fn goes_offline(self) -> Deed {
        self.does(Does::Offline)
    }

    /// Types.
    pub fn types(self) -> Deed {
        self.does(Does::Typing)
    }

    /// Records a voice message.
    pub fn records(self) -> Deed {
        self.does(Does::Recording)
    }

    /// Stops typing or recording.
    pub fn pauses(self) -> Deed {
        self.does(Does::Paused)
    }

    /// Sends a message.
    pub fn says(self, text: impl Into<String>) -> Deed {
        Deed { text: Some(text.into()), ..self.does(Does::Message) }
    }
}

/// A deed; awaiting it does it, and answers with what each session got to see of it.
#[derive(Clone, Debug)]
#[must_use = "a deed is done when it is awaited"]
pub struct Deed {
    who: Who,
    does: Does,
    chat: Option<String>,
    text: Option<String>,
    session: Option<String>,
}

impl Deed {
    /// Does it in a group.
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.chat = Some(group.into());
        self
    }

    /// Does it towards one session only.
    pub fn towards(mut self, session: impl Into<String>) -> Self {
        self.session = Some(session.into());
        self
    }
}

impl IntoFuture for Deed {
    type Output = Result<Vec<(String, Event)>, MockError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let act = Act {
                who: &self.who.name,
                does: self.does,
                chat: self.chat.as_deref(),
                text: self.text.as_deref(),
                session: self.session.as_deref(),
            };
            let seen = self.who.mock.act(act).await?;
            self.who.mock.settled().await;
            Ok(seen)
        })
    }
}
