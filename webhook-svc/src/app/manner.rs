//! What an owner says about the requests to an endpoint: headers, how much of an event, when to try again.

use secrecy::SecretString;
use svc_kit::{error::FieldError, seal::SealError};

use super::Webhooks;
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointId, Manner},
        headers::{CustomHeader, HeaderName, Kept, NewHeader},
        payload::Profile,
        schedule::Schedule,
    },
    error::WebhookError,
    ports::DeliveryStore,
};

/// What is said about the requests to a new endpoint.
#[derive(Clone, Debug, Default)]
pub struct NewManner {
    /// Headers that are added.
    pub headers: Vec<NewHeader>,
    /// How much of an event it gets.
    pub profile: Profile,
    /// When attempts are made; `None`: as is usual for the tenant.
    pub schedule: Option<Schedule>,
}

/// What to change; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct MannerChange {
    /// Headers that are added, all of them.
    pub headers: Option<Vec<NewHeader>>,
    /// How much of an event it gets.
    pub profile: Option<Profile>,
    /// When attempts are made; `Some(None)`: as is usual for the tenant.
    pub schedule: Option<Option<Schedule>>,
}

impl<S: DeliveryStore> Webhooks<S> {
    pub(super) fn manner(&self, id: &EndpointId, new: NewManner) -> Result<Manner, WebhookError> {
        let headers = self.seal_headers(id, new.headers, &[])?;
        Ok(Manner { headers, profile: new.profile, schedule: new.schedule })
    }

    pub(super) fn changed_manner(
        &self,
        id: &EndpointId,
        before: Manner,
        change: MannerChange,
    ) -> Result<Manner, WebhookError> {
        let headers = match change.headers {
            Some(headers) => self.seal_headers(id, headers, &before.headers)?,
            None => before.headers,
        };
        Ok(Manner {
            headers,
            profile: change.profile.unwrap_or(before.profile),
            schedule: change.schedule.unwrap_or(before.schedule),
        })
    }

    fn seal_headers(
        &self,
        id: &EndpointId,
        new: Vec<NewHeader>,
        before: &[CustomHeader],
    ) -> Result<Vec<CustomHeader>, WebhookError> {
        let sealed = new.into_iter().map(|NewHeader { name, value, is_secret }| {
            let value = match (is_secret, value.is_empty()) {
                (false, _) => Kept::Plain(value),
                (true, false) => Kept::Sealed(self.seal.seal(&*self.entropy, &context(id, &name), value.as_bytes())?),
                (true, true) => kept_secret(before, &name)?,
            };
            Ok::<_, WebhookError>(CustomHeader { name, value })
        });
        sealed.collect()
    }

    /// The headers of an endpoint as they are sent.
    pub(super) fn open_headers(&self, endpoint: &Endpoint) -> Result<Vec<(HeaderName, SecretString)>, SealError> {
        let open = |CustomHeader { name, value }: &CustomHeader| {
            let value = match value {
                Kept::Plain(value) => value.clone(),
                Kept::Sealed(sealed) => {
                    let bytes = self.seal.open(&context(&endpoint.id, name), sealed)?;
                    String::from_utf8(bytes).map_err(|_| SealError::Damaged)?
                }
            };
            Ok((name.clone(), SecretString::from(value)))
        };
        endpoint.manner.headers.iter().map(open).collect()
    }
}

/// The value of a secret that is kept already, for a caller who cannot know it.
fn kept_secret(before: &[CustomHeader], name: &HeaderName) -> Result<Kept, WebhookError> {
    let kept = before.iter().find(|header| header.name == *name).map(|header| &header.value);
    match kept {
        Some(Kept::Sealed(sealed)) => Ok(Kept::Sealed(sealed.clone())),
        _ => Err(FieldError::new("headers", format!("must give the value of {}: none is kept", name.as_str())).into()),
    }
}

/// A value fits its own endpoint and header only.
fn context(id: &EndpointId, name: &HeaderName) -> Vec<u8> {
    format!("{id} header {}", name.as_str()).into_bytes()
}
