//! Programs that are asked by HTTP: others', and auth-svc where browsers and applications ask it.

use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::spread;
use crate::{failure::Failure, load::Target};

/// A client that goes where it is told and nowhere else.
///
/// # Errors
/// [`Failure::Http`].
pub fn client() -> Result<Client, Failure> {
    Ok(Client::builder().no_proxy().redirect(Policy::none()).build()?)
}

/// The application that asks, and where.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The endpoint.
    pub url: String,
    /// `client_id`.
    pub id: &'static str,
    /// `client_secret`.
    pub secret: &'static str,
}

impl Asking {
    /// A request of the application with these fields.
    pub fn request(&self, client: &Client, fields: &[(&str, &str)]) -> RequestBuilder {
        client.post(&self.url).basic_auth(self.id, Some(self.secret)).form(fields)
    }
}

#[derive(Deserialize)]
struct Activity {
    active: bool,
}

/// Asks about tokens, or about cookies where there is nobody to ask in the name of.
pub struct ActiveTarget {
    asking: Asking,
    shown: Vec<String>,
}

impl ActiveTarget {
    /// Introspects tokens (RFC 7662).
    pub fn of_tokens(asking: Asking, tokens: Vec<String>) -> Self {
        Self { asking, shown: tokens }
    }

    /// Shows cookies.
    pub fn of_cookies(url: String, cookies: Vec<String>) -> Self {
        Self { asking: Asking { url, id: "", secret: "" }, shown: cookies }
    }
}

impl Target for ActiveTarget {
    type Connection = Client;

    async fn connect(&self) -> Result<Client, Failure> {
        client()
    }

    async fn call(&self, client: &mut Client, slot: usize, turn: usize) -> Result<(), Failure> {
        let shown = &self.shown[spread(slot, turn, self.shown.len())];
        let request = match self.asking.id {
            "" => client.get(&self.asking.url).header("cookie", shown),
            _ => self.asking.request(client, &[("token", shown.as_str())]),
        };
        let answer: Activity = request.send().await?.error_for_status()?.json().await?;
        if answer.active { Ok(()) } else { Err(Failure::Unexpected("a session is not alive".into())) }
    }
}

#[derive(Deserialize)]
struct Rotated {
    refresh_token: String,
}

/// Exchanges refresh tokens at a token endpoint, each for its successor.
pub struct RotateTarget {
    asking: Asking,
    /// The current tokens of each slot.
    slots: Vec<Mutex<Vec<String>>>,
}

impl RotateTarget {
    /// Deals `tokens` out to `slots` places.
    pub fn new(asking: Asking, tokens: &[String], slots: usize) -> Self {
        let share = |slot| tokens.iter().skip(slot).step_by(slots).cloned().collect();
        Self { asking, slots: (0..slots).map(|slot| Mutex::new(share(slot))).collect() }
    }
}

impl Target for RotateTarget {
    type Connection = Client;

    async fn connect(&self) -> Result<Client, Failure> {
        client()
    }

    async fn call(&self, client: &mut Client, slot: usize, turn: usize) -> Result<(), Failure> {
        // Only this slot uses these tokens, one call at a time.
        let mut tokens = self.slots[slot].lock().await;
        let place = turn % tokens.len();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens[place].as_str())];
        let answer = self.asking.request(client, &fields).send().await?.error_for_status()?;
        tokens[place] = answer.json::<Rotated>().await?.refresh_token;
        Ok(())
    }
}
