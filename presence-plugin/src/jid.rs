//! Ids of chats and participants: WhatsApp's form inward, WAHA's form outward.
//!
//! | inward | outward |
//! |---|---|
//! | `777`, `777@c.us`, `777@s.whatsapp.net`, `777:4@s.whatsapp.net` | `777@c.us` |
//! | `777@lid`, `777:4@lid` | `777@lid` |
//! | `1203630@g.us`, `1234567890-1234567890@g.us` | the same |
//!
//! A contact or a LID has 1 to 20 digits, a device part 1 to 5, and a group up to 64 characters: digits
//! with at most one hyphen between them. `status@broadcast`, other broadcasts and newsletters have no
//! presence. Anything else is not a valid id.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// The kind of chat or participant that an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// A contact by phone number, `@c.us`.
    Contact,
    /// A contact by hidden id, `@lid`.
    Lid,
    /// A group, `@g.us`.
    Group,
}

impl Server {
    /// The outward suffix, with its `@`.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Contact => "@c.us",
            Self::Lid => "@lid",
            Self::Group => "@g.us",
        }
    }
}

/// An id of a chat or of a participant, without its device part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Jid<'a> {
    user: &'a str,
    server: Server,
    number: Option<u64>,
}

impl<'a> Jid<'a> {
    /// Parses an id in any of the forms above.
    ///
    /// # Errors
    ///
    /// When it is not a valid id, or names something that has no presence.
    pub fn parse(text: &'a str) -> Result<Self, JidError> {
        let (user, server) = match text.split_once('@') {
            None => (text, Server::Contact),
            Some((user, "s.whatsapp.net" | "c.us")) => (user, Server::Contact),
            Some((user, "g.us")) => (user, Server::Group),
            Some((user, "lid")) => (user, Server::Lid),
            Some((_, "broadcast" | "newsletter")) => return Err(JidError::elsewhere(text)),
            Some(_) => return Err(JidError::form(text)),
        };
        let jid = match server {
            Server::Group => group(user),
            Server::Contact | Server::Lid => contact(user, server, text.len() > user.len()),
        };
        jid.ok_or_else(|| JidError::form(text))
    }

    /// The kind of chat or participant.
    #[must_use]
    pub fn server(&self) -> Server {
        self.server
    }

    /// The part before the `@`.
    #[must_use]
    pub fn user(&self) -> &'a str {
        self.user
    }

    /// The user as a number below 10^18, if it is one without leading zeros.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.number
    }

    /// The id as the engine writes it.
    #[must_use]
    pub fn to_engine(&self) -> String {
        match self.server {
            Server::Contact => format!("{}@s.whatsapp.net", self.user),
            Server::Lid | Server::Group => self.to_string(),
        }
    }
}

/// Hashes the number where there is one, which is faster than the text; equal ids have equal numbers.
impl Hash for Jid<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self.number {
            Some(number) => number.hash(hasher),
            None => self.user.hash(hasher),
        }
    }
}

/// The outward form.
impl fmt::Display for Jid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user)?;
        f.write_str(self.server.suffix())
    }
}

/// The reason why a text is not the id of a chat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// It is not a valid id.
    #[error(
        "{0} is not a valid chat id: expected a contact (777, 777@c.us or 777@s.whatsapp.net, of 1 \
         to 20 digits), a LID (777@lid) or a group (1203630@g.us or 1234-5678@g.us)"
    )]
    Form(String),
    /// It names something that has no presence.
    #[error(
        "{0} has no presence: expected a contact (777@c.us), a LID (777@lid) or a group \
         (1203630@g.us), not a broadcast or a newsletter"
    )]
    Elsewhere(String),
}

impl JidError {
    fn form(text: &str) -> Self {
        Self::Form(quote(text))
    }

    fn elsewhere(text: &str) -> Self {
        Self::Elsewhere(quote(text))
    }
}

const CONTACT_DIGITS: usize = 20;
const DEVICE_DIGITS: usize = 5;
const GROUP_LENGTH: usize = 64;

/// The largest number of digits that is kept as a number: 10^18 is the last power of ten in 62 bits.
const NUMBER_DIGITS: usize = 18;

fn contact(text: &str, server: Server, may_have_device: bool) -> Option<Jid<'_>> {
    let user = match text.split_once(':') {
        None => text,
        Some((user, device)) => {
            let fits = may_have_device && (1..=DEVICE_DIGITS).contains(&device.len());
            (fits && all_digits(device)).then_some(user)?
        }
    };
    let fits = (1..=CONTACT_DIGITS).contains(&user.len());
    (fits && all_digits(user)).then(|| Jid { user, server, number: number(user) })
}

fn group(user: &str) -> Option<Jid<'_>> {
    if user.len() > GROUP_LENGTH {
        return None;
    }
    let number = match user.split_once('-') {
        None => all_digits(user).then(|| number(user))?,
        Some((creator, made)) => (all_digits(creator) && all_digits(made)).then_some(None)?,
    };
    Some(Jid { user, server: Server::Group, number })
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(digits: &str) -> Option<u64> {
    if digits.len() > NUMBER_DIGITS || (digits.starts_with('0') && digits.len() > 1) {
        return None;
    }
    Some(digits.bytes().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Quotes and escapes a text, cut after 80 characters.
fn quote(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} and more", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn outward(text: &str) -> String {
        Jid::parse(text).unwrap().to_string()
    }

    #[test]
    fn all_forms_of_a_contact_are_one_chat() {
        for form in ["777", "777@c.us", "777@s.whatsapp.net", "777:4@s.whatsapp.net", "777:99@c.us"]
        {
            assert_eq!(Jid::parse(form), Jid::parse("777"), "{form}");
            assert_eq!(outward(form), "777@c.us");
        }
        assert_eq!(Jid::parse("777").unwrap().to_engine(), "777@s.whatsapp.net");
    }

    #[test]
    fn groups_and_lids_stay_themselves() {
        for id in ["777@lid", "1203630@g.us", "1234567890-1234567890@g.us"] {
            assert_eq!(outward(id), id);
            assert_eq!(Jid::parse(id).unwrap().to_engine(), id);
        }
        assert_eq!(outward("777:4@lid"), "777@lid");
    }

    #[test]
    fn a_lid_is_not_the_contact_of_that_number() {
        assert_ne!(Jid::parse("777@lid"), Jid::parse("777@c.us"));
    }

    #[test]
    fn the_long_group_id_of_the_documentation_is_valid() {
        let long = "11111111111111111111111@g.us";
        assert_eq!(outward(long), long);
        assert_eq!(Jid::parse(long).unwrap().number(), None);
    }

    #[test]
    fn garbage_is_refused() {
        let long = format!("{}@g.us", "1".repeat(65));
        let garbage = [
            "",
            "@",
            "@c.us",
            "garbage",
            "+777",
            "777@",
            "777@C.US",
            "777@example.com",
            "777 ",
            " 777@c.us",
            "777@c.us@c.us",
            "777:@c.us",
            "777:x@c.us",
            "777:123456@c.us",
            "777:4",
            ":4@c.us",
            "1-2@c.us",
            "-1@g.us",
            "1-@g.us",
            "1-2-3@g.us",
            "1:2@g.us",
            "७७७@c.us",
            "123456789012345678901@c.us",
            "777%40c.us",
            "null",
            "[object Object]",
            &long,
        ];
        for text in garbage {
            let error = Jid::parse(text).unwrap_err();
            assert!(matches!(error, JidError::Form(_)), "{text}");
        }
    }

    #[test]
    fn an_error_says_what_was_wrong_and_what_would_be_right() {
        insta::assert_snapshot!(
            Jid::parse("garbage").unwrap_err(),
            @r#""garbage" is not a valid chat id: expected a contact (777, 777@c.us or 777@s.whatsapp.net, of 1 to 20 digits), a LID (777@lid) or a group (1203630@g.us or 1234-5678@g.us)"#
        );
    }

    #[test]
    fn the_error_for_a_long_text_is_short() {
        let refused = Jid::parse(&"é".repeat(10_000)).unwrap_err().to_string();
        assert!(refused.len() < 500, "{refused}");
    }

    #[test]
    fn broadcasts_and_newsletters_have_no_presence() {
        for text in ["status@broadcast", "123@broadcast", "123@newsletter"] {
            assert!(matches!(Jid::parse(text), Err(JidError::Elsewhere(_))), "{text}");
        }
    }

    #[test]
    fn only_users_that_print_back_the_same_are_numbers() {
        let number = |text| Jid::parse(text).unwrap().number();
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("007"), None);
        assert_eq!(number("999999999999999999"), Some(999_999_999_999_999_999));
        assert_eq!(number("1000000000000000000"), None);
    }

    proptest! {
        #[test]
        fn every_valid_outward_id_prints_as_itself(user in "[0-9]{1,20}(-[0-9]{1,10})?", at in "@(c\\.us|lid|g\\.us)") {
            let text = format!("{user}{at}");
            if let Ok(jid) = Jid::parse(&text) {
                assert_eq!(jid.to_string(), text);
                assert_eq!(Jid::parse(&jid.to_engine()), Ok(jid));
                if let Some(number) = jid.number() {
                    assert_eq!(number.to_string(), jid.user());
                }
            }
        }

        #[test]
        fn arbitrary_text_is_parsed_or_refused(text in any::<String>()) {
            if let Ok(jid) = Jid::parse(&text) {
                assert_eq!(Jid::parse(&jid.to_string()), Ok(jid));
            }
        }
    }
}
