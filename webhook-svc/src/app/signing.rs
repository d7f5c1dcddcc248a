//! Makes, seals, opens and replaces what signs the requests to an endpoint.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use svc_kit::{access::Caller, clock::Timestamp, seal::SealError};

use super::Webhooks;
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointId},
        signature::{Scheme, Signer, SigningKey, SigningSecret},
        signing::{Rotating, SealedKey, Signing},
    },
    error::WebhookError,
    ports::DeliveryStore,
};

/// What a rotation made.
#[derive(Debug)]
pub struct Rotated {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its new secret, if it has one.
    pub secret: Option<SecretString>,
}

impl<S: DeliveryStore> Webhooks<S> {
    /// Puts a new secret, a new key, or both in the place of what an endpoint has; the old ones sign too for `overlap`.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], [`WebhookError::Contention`], or a failure of the store.
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        id: &EndpointId,
        overlap: Duration,
    ) -> Result<Rotated, WebhookError> {
        let mut endpoint = self.own_endpoint(caller, id).await?;
        let until = self.clock.now().saturating_add(overlap);
        let Signing { secrets, keys } = endpoint.signing;
        let new = secrets.is_some().then(|| self.new_secret(id)).transpose()?;
        let (secret, sealed) = new.unzip();
        endpoint.signing = Signing {
            secrets: secrets.zip(sealed).map(|(secrets, sealed)| secrets.replaced_by(sealed, until)),
            keys: keys.map(|keys| Ok::<_, SealError>(keys.replaced_by(self.new_key(id)?, until))).transpose()?,
        };
        Ok(Rotated { endpoint: self.put(endpoint).await?, secret })
    }

    /// Returns the public keys that sign the requests to an endpoint now, as a JSON Web Key Set (RFC 7517): two at most.
    /// `None` when there is no such endpoint.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn jwks(&self, id: &EndpointId) -> Result<Option<Value>, WebhookError> {
        let endpoint = self.store.endpoint(id).await?;
        let keys = endpoint.map(|endpoint| endpoint.signing.public_keys(self.clock.now()));
        Ok(keys.map(|keys| json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })))
    }

    /// Makes what a scheme needs and is not there, and drops what it does not need; returns a new secret too.
    pub(super) fn fit(
        &self,
        id: &EndpointId,
        signing: Signing,
        scheme: Scheme,
    ) -> Result<(Signing, Option<SecretString>), WebhookError> {
        let Signing { secrets, keys } = signing;
        let (mut secrets, mut keys) = (secrets.filter(|_| scheme.has_secret()), keys.filter(|_| scheme.has_key()));
        let mut made = None;
        if scheme.has_secret() && secrets.is_none() {
            let (secret, sealed) = self.new_secret(id)?;
            (made, secrets) = (Some(secret), Some(Rotating::new(sealed)));
        }
        if scheme.has_key() && keys.is_none() {
            keys = Some(Rotating::new(self.new_key(id)?));
        }
        Ok((Signing { secrets, keys }, made))
    }

    /// What signs at `now`: the current ones first.
    pub(super) fn signers(&self, endpoint: &Endpoint, now: Timestamp) -> Result<Vec<Signer>, SealError> {
        let (id, Signing { secrets, keys }) = (&endpoint.id, &endpoint.signing);
        let secrets = secrets.iter().flat_map(|secrets| secrets.at(now)).map(|sealed| {
            let bytes = self.seal.open(&secret_context(id), sealed)?;
            Ok(Signer::Secret(SigningSecret::from_bytes(bytes)))
        });
        let keys = keys.iter().flat_map(|keys| keys.at(now)).map(|key| {
            let seed = self.seal.open(&key_context(id), &key.seed)?;
            SigningKey::from_seed(&seed).map(Signer::Key).ok_or(SealError::Damaged)
        });
        let (secrets, keys): (Vec<_>, Vec<_>) =
            (secrets.collect::<Result<_, SealError>>()?, keys.collect::<Result<_, SealError>>()?);
        Ok(in_turns(secrets, keys))
    }

    fn new_secret(&self, id: &EndpointId) -> Result<(SecretString, Vec<u8>), SealError> {
        let secret = SigningSecret::generate(&*self.entropy);
        let sealed = self.seal.seal(&*self.entropy, &secret_context(id), secret.as_bytes())?;
        Ok((secret.reveal(), sealed))
    }

    fn new_key(&self, id: &EndpointId) -> Result<SealedKey, SealError> {
        let seed = SigningKey::generate_seed(&*self.entropy);
        let public = SigningKey::from_seed(&seed).ok_or(SealError::Damaged)?.public();
        Ok(SealedKey { public, seed: self.seal.seal(&*self.entropy, &key_context(id), &seed)? })
    }
}

fn secret_context(id: &EndpointId) -> Vec<u8> {
    id.as_str().as_bytes().to_vec()
}

/// Another than that of secrets: neither can be put in the other's place.
fn key_context(id: &EndpointId) -> Vec<u8> {
    format!("{id} key").into_bytes()
}

/// Both lists, entry by entry: what is current comes before what is previous.
fn in_turns<T>(one: Vec<T>, other: Vec<T>) -> Vec<T> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut all = Vec::with_capacity(one.len() + other.len());
    loop {
        let before = all.len();
        all.extend(one.next());
        all.extend(other.next());
        if all.len() == before {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_current_comes_first() {
        assert_eq!(
            in_turns(vec!["v1 now", "v1 old"], vec!["v1a now", "v1a old"]),
            ["v1 now", "v1a now", "v1 old", "v1a old"]
        );
        assert_eq!(in_turns(vec!["v1 now", "v1 old"], vec![]), ["v1 now", "v1 old"]);
        assert_eq!(in_turns(vec!["v1"], vec!["v1a now", "v1a old"]), ["v1", "v1a now", "v1a old"]);
    }
}
