//! What the page of a user's sessions shows, in the order and the words that it shows it in.

use askama::Template;
use proto::session::v1::Session;
use svc_kit::clock::Timestamp;
use time::{format_description::well_known::Rfc3339, macros::format_description};

use super::{account::ELSEWHERE, language::Language, texts::Texts, user_agent};
use crate::app::oidc::account::{Account, Place};

/// The page.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) language: Language,
    pub(super) action: &'a str,
    pub(super) sign_out: &'a str,
    pub(super) interaction: &'a str,
    /// What was done just now; empty for nothing.
    pub(super) done: &'a str,
    pub(super) view: &'a View,
}

/// What a user has open.
pub(super) struct View {
    login: String,
    groups: Vec<Group>,
    has_more: bool,
    /// What ends all that is elsewhere; empty where nothing is.
    elsewhere: &'static str,
}

/// A browser with what was opened in it, or what was opened without one.
struct Group {
    /// The browser's session; `None` where there is none.
    browser: Option<Line>,
    is_here: bool,
    opened: Vec<Line>,
}

/// A session.
struct Line {
    id: String,
    /// Application, or browser.
    name: String,
    /// The device of what was opened without a browser; empty where it is not known.
    device: String,
    signed_in: Moment,
    last_seen: Moment,
}

/// A time, for machines and for people.
struct Moment {
    exact: String,
    shown: String,
}

impl View {
    /// What is shown of an account in the browser of an SSO session.
    pub(super) fn of(account: &Account, here: &str, texts: &Texts) -> Self {
        let group = |place| Group::of(account, place, here, texts.account_browser);
        let groups: Vec<Group> = account.places.iter().map(group).collect();
        let is_elsewhere = account.has_more || groups.iter().any(|group| !group.is_here);
        Self {
            login: account.user.login.as_str().to_owned(),
            groups,
            has_more: account.has_more,
            elsewhere: if is_elsewhere { ELSEWHERE } else { "" },
        }
    }
}

impl Group {
    fn of(account: &Account, place: &Place, here: &str, nameless: &str) -> Self {
        let opened = place.opened.iter().map(|session| {
            let id = &session.application_id;
            let name = account.names.get(id).unwrap_or(id).clone();
            let device = if place.browser.is_none() { device(session) } else { String::new() };
            line(session, name, device)
        });
        let browser = place.browser.as_ref().map(|session| {
            let name = Some(device(session)).filter(|name| !name.is_empty());
            line(session, name.unwrap_or_else(|| nameless.to_owned()), String::new())
        });
        Self { browser, is_here: place.is_browser(here), opened: opened.collect() }
    }
}

fn line(session: &Session, name: String, device: String) -> Line {
    let (signed_in, last_seen) = (moment(session.created_at), moment(session.last_active_at));
    Line { id: session.id.clone(), name, device, signed_in, last_seen }
}

/// What the device is called, by whoever signed in on it or by what it says of itself.
fn device(session: &Session) -> String {
    match &session.device {
        Some(device) if !device.name.is_empty() => device.name.clone(),
        Some(device) => user_agent::in_words(&device.user_agent),
        None => String::new(),
    }
}

fn moment(at: Option<prost_types::Timestamp>) -> Moment {
    let at = at.and_then(|at| Timestamp::from_proto(&at).ok()).unwrap_or(Timestamp::EPOCH).to_offset();
    let shown = at.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC")).unwrap_or_default();
    Moment { exact: at.format(&Rfc3339).unwrap_or_default(), shown }
}
