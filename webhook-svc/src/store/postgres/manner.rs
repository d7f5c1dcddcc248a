//! What signs the requests to an endpoint, and what its owner says about them: in columns of their own.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use svc_kit::clock::Timestamp;

use super::{
    failed,
    rows::{EndpointRow, unreadable},
};
use crate::{
    domain::{
        endpoint::{Endpoint, Manner},
        headers::{CustomHeader, HeaderName, Kept},
        payload::Profile,
        schedule::Schedule,
        signature::PublicKey,
        signing::{Rotating, SealedKey, Signing},
    },
    ports::StoreError,
};

/// A header as it is stored.
#[derive(Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

/// The sealed secret as it is stored: empty when there is none.
pub(super) fn secret(endpoint: &Endpoint) -> &[u8] {
    endpoint.signing.secrets.as_ref().map_or(&[], |secrets| &secrets.current)
}

/// The secret before it.
pub(super) fn previous_secret(endpoint: &Endpoint) -> Option<&(Vec<u8>, Timestamp)> {
    endpoint.signing.secrets.as_ref()?.previous.as_ref()
}

/// Writes the columns of an endpoint that was written otherwise.
pub(super) async fn write(connection: &mut PgConnection, endpoint: &Endpoint) -> Result<(), StoreError> {
    let keys = endpoint.signing.keys.as_ref();
    let (key, previous) = (keys.map(|keys| &keys.current), keys.and_then(|keys| keys.previous.as_ref()));
    let headers: Vec<Header> = endpoint.manner.headers.iter().map(stored_header).collect();
    let headers = serde_json::to_value(headers).map_err(unreadable)?;
    let pauses_ms = endpoint.manner.schedule.as_ref().map(stored_pauses);
    sqlx::query!(
        "UPDATE endpoint SET key_public = $2, key_seed = $3, previous_key_public = $4, previous_key_seed = $5,
                previous_key_until_ms = $6, headers = $7, profile = $8, retry_pauses_ms = $9
         WHERE id = $1",
        endpoint.id.as_str(),
        key.map(|key| key.public.as_bytes()),
        key.map(|key| key.seed.as_slice()),
        previous.map(|(key, _)| key.public.as_bytes()),
        previous.map(|(key, _)| key.seed.as_slice()),
        previous.map(|(_, until)| until.as_ms()),
        headers,
        profile(endpoint.manner.profile),
        pauses_ms.as_deref(),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

fn stored_header(header: &CustomHeader) -> Header {
    let (value, sealed) = match &header.value {
        Kept::Plain(value) => (Some(value.clone()), None),
        Kept::Sealed(sealed) => (None, Some(STANDARD.encode(sealed))),
    };
    Header { name: header.name.as_str().to_owned(), value, sealed }
}

fn stored_pauses(schedule: &Schedule) -> Vec<i64> {
    schedule.pauses().iter().map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)).collect()
}

fn profile(profile: Profile) -> i16 {
    match profile {
        Profile::Full => 1,
        Profile::Ids => 2,
    }
}

/// What signs, as a row says.
pub(super) fn signing(row: &EndpointRow) -> Result<Signing, StoreError> {
    let until = Timestamp::from_ms(row.previous_until_ms);
    let secrets = (!row.secret.is_empty()).then(|| Rotating {
        current: row.secret.clone(),
        previous: row.previous_secret.clone().map(|previous| (previous, until)),
    });
    let previous = key(row.previous_key_public.as_ref(), row.previous_key_seed.as_ref())?;
    let previous = previous.zip(row.previous_key_until_ms.map(Timestamp::from_ms));
    let current = key(row.key_public.as_ref(), row.key_seed.as_ref())?;
    Ok(Signing { secrets, keys: current.map(|current| Rotating { current, previous }) })
}

fn key(public: Option<&Vec<u8>>, seed: Option<&Vec<u8>>) -> Result<Option<SealedKey>, StoreError> {
    let Some((public, seed)) = public.zip(seed) else { return Ok(None) };
    let public = PublicKey::from_bytes(public).ok_or_else(|| unreadable("a stored public key is malformed"))?;
    Ok(Some(SealedKey { public, seed: seed.clone() }))
}

/// What its owner says, as a row says.
pub(super) fn manner(row: &EndpointRow) -> Result<Manner, StoreError> {
    let profile = [Profile::Full, Profile::Ids].into_iter().find(|found| profile(*found) == row.profile);
    let schedule = row.retry_pauses_ms.as_ref().map(|pauses_ms| {
        let pauses = pauses_ms.iter().map(|ms| Duration::from_millis(ms.unsigned_abs()));
        Schedule::new(pauses.collect()).map_err(unreadable)
    });
    Ok(Manner {
        headers: headers(&row.headers)?,
        profile: profile.ok_or_else(|| unreadable("a stored profile is unknown"))?,
        schedule: schedule.transpose()?,
    })
}

fn headers(stored: &Value) -> Result<Vec<CustomHeader>, StoreError> {
    let stored = Vec::<Header>::deserialize(stored).map_err(unreadable)?;
    let read = |Header { name, value, sealed }: Header| {
        let value = match (value, sealed) {
            (Some(value), None) => Kept::Plain(value),
            (None, Some(sealed)) => Kept::Sealed(STANDARD.decode(sealed).map_err(unreadable)?),
            _ => return Err(unreadable("a stored header is malformed")),
        };
        Ok(CustomHeader { name: HeaderName::parse(&name).map_err(unreadable)?, value })
    };
    stored.into_iter().map(read).collect()
}
