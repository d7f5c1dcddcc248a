//! The device grant (RFC 8628): a device asks, shows a code, and asks again until its user has decided elsewhere.
//!
//! The user who decides is signed in with a browser. The device's session is its own: it does not end with the browser's,
//! which may be somebody else's machine.

use proto::session::v1 as pb;
use svc_kit::secret;

use crate::{
    app::{
        Adapters, Auth,
        oidc::{
            authorize::authenticated_at,
            exchange::{ExchangeError, Redeemed},
        },
        throttle::Attempt,
        tokens::TokenSet,
    },
    domain::{
        application::Application,
        authorize::Parameters,
        claims::ClaimsRequest,
        consent::Consent,
        device::{DEVICE_LIFETIME, Decision, Device, DeviceRequest, INTERVAL_S, Told, UserCode},
        grant::{Grant, user_scopes},
        throttle::network_of,
    },
    error::AuthError,
    ports::DeviceStore as _,
};

/// How often a user code is made anew because another device shows it, and how often a change is tried again because
/// another came first.
const TRIES: usize = 8;
/// Whom wrong user codes are counted for, besides the network: nobody can have this login.
const GUESSER: &str = "a user code";

/// What a device is told that begins.
#[derive(Debug)]
pub struct Begun {
    /// The code that it asks with.
    pub device_code: String,
    /// The code that it shows.
    pub user_code: UserCode,
}

/// What a device presents for tokens.
#[derive(Clone, Copy, Debug)]
pub struct PresentedDeviceCode<'r> {
    /// The code that it asks with.
    pub code: &'r str,
    /// Thumbprint of the key that it shows, if any.
    pub key: Option<&'r str>,
    /// Resources that the access token is for; none: all that were granted.
    pub resources: &'r [String],
}

/// Why a device is not told to wait, or gets no tokens.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Error code and description (RFC 8628 §3.5).
    #[error("the device is refused: {0}")]
    Refused(&'static str, &'static str),
    /// The exchange fails.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl From<crate::ports::StoreError> for DeviceError {
    fn from(error: crate::ports::StoreError) -> Self {
        Self::Exchange(error.into())
    }
}

impl<A: Adapters> Auth<A> {
    /// Lets a device of `application` begin.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn begin_device(&self, application: &Application, asked: &Parameters) -> Result<Begun, DeviceError> {
        if !application.may_use_devices() {
            return Err(DeviceError::Exchange(ExchangeError::UnauthorizedClient));
        }
        let scopes = user_scopes(asked.text("scope"));
        if scopes.is_empty() {
            return Err(DeviceError::Exchange(ExchangeError::InvalidScope));
        }
        if !application.may_ask_for(asked.resources()) {
            return Err(DeviceError::Exchange(ExchangeError::InvalidTarget));
        }
        let device_code = self.random_text();
        let now = self.clock.now();
        let request = DeviceRequest {
            tenant: application.tenant.clone(),
            client_id: application.id.clone(),
            scopes,
            resources: asked.resources().to_vec(),
            interval_s: INTERVAL_S,
            asked_at: None,
            decision: Decision::Open,
        };
        for _ in 0..TRIES {
            let user_code = UserCode::generate(&*self.entropy);
            let device = Device {
                hash: secret::sha256(device_code.as_bytes()),
                user_code: user_code.hash(),
                request: request.clone(),
                expires_at: now.saturating_add(DEVICE_LIFETIME),
                revision: 0,
            };
            if self.store.add_device(&device, now).await? {
                return Ok(Begun { device_code, user_code });
            }
        }
        Err(DeviceError::Exchange(AuthError::ChangedMeanwhile.into()))
    }

    /// Returns the device that shows a code and waits, as far as somebody at `address` may try codes.
    ///
    /// # Errors
    /// [`AuthError::Throttled`], or a failure of the store.
    pub async fn device_to_decide(
        &self,
        tenant: &str,
        typed: &str,
        address: &str,
    ) -> Result<Option<(UserCode, Device)>, AuthError> {
        let attempt = Attempt::new(tenant, GUESSER, &network_of(address));
        self.throttle.begin(&attempt, self.clock.now()).map_err(AuthError::Throttled)?;
        let found = match UserCode::parse(typed) {
            Some(code) => self.open_device(tenant, &code).await.map(|found| found.map(|device| (code, device))),
            None => Ok(None),
        };
        // A good code forgives no bad ones: it can be had for the asking.
        if !matches!(found, Ok(None)) {
            self.throttle.take_back(&attempt);
        }
        found
    }

    /// Returns the device that shows a code and waits. Whoever asks was asked for the code before.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn open_device(&self, tenant: &str, code: &UserCode) -> Result<Option<Device>, AuthError> {
        let found = self.store.device_that_shows(code.hash()).await?;
        Ok(found.filter(|device| device.request.tenant == tenant && device.is_open(self.clock.now())))
    }

    /// Takes what the user of an SSO session says to a device; `false` when the device does not wait any more, or the user
    /// may not sign in.
    ///
    /// # Errors
    /// A failure.
    pub async fn decide_device(&self, code: &UserCode, sso: &pb::Session, is_allowed: bool) -> Result<bool, AuthError> {
        let Some(user) = self.user_of(sso).await? else { return Ok(false) };
        for _ in 0..TRIES {
            let Some(mut device) = self.open_device(&sso.tenant_id, code).await? else { return Ok(false) };
            device.request.decision = if is_allowed {
                let request = &device.request;
                let consent = Consent {
                    user: user.id.clone(),
                    application: request.client_id.clone(),
                    scopes: request.scopes.clone(),
                    given_at: self.clock.now(),
                };
                self.remember_consent(&user, consent).await?;
                Decision::Allowed(Box::new(granted(request, sso, user.epoch)))
            } else {
                Decision::Denied
            };
            if self.store.replace_device(&device).await? {
                return Ok(true);
            }
        }
        Err(AuthError::ChangedMeanwhile)
    }

    /// Tells a device what became of its request: tokens, once, or why there are none.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub async fn exchange_device_code(
        &self,
        application: &Application,
        presented: &PresentedDeviceCode<'_>,
    ) -> Result<TokenSet, DeviceError> {
        let hash = secret::sha256(presented.code.as_bytes());
        for _ in 0..TRIES {
            let found = self.store.device(hash).await?;
            let found = found.filter(|device| device.request.client_id == application.id);
            let unknown = ExchangeError::InvalidGrant("the device code is unknown");
            let (then, told) = found.ok_or(unknown)?.ask(self.clock.now());
            if !self.store.replace_device(&then).await? {
                continue;
            }
            return match told {
                Told::Pending => Err(DeviceError::Refused("authorization_pending", "the user did not decide yet")),
                Told::SlowDown => Err(DeviceError::Refused("slow_down", "the device asks too often")),
                Told::Denied => Err(DeviceError::Refused("access_denied", "the user said no")),
                Told::Over => Err(DeviceError::Refused("expired_token", "the device code is over")),
                Told::Allowed(grant) => {
                    let redeemed = Redeemed { grant: &grant, key: presented.key, resources: presented.resources };
                    Ok(self.redeem(application, &redeemed, None).await?)
                }
            };
        }
        Err(DeviceError::Exchange(AuthError::ChangedMeanwhile.into()))
    }
}

/// What a user grants to a device. It has no parent: it is not part of the browser's sign-in.
fn granted(request: &DeviceRequest, sso: &pb::Session, epoch: i64) -> Grant {
    Grant {
        tenant: request.tenant.clone(),
        client_id: request.client_id.clone(),
        user_id: sso.user_id.clone(),
        redirect_uri: String::new(),
        scopes: request.scopes.clone(),
        nonce: String::new(),
        challenge: String::new(),
        dpop_jkt: String::new(),
        resources: request.resources.clone(),
        claims: ClaimsRequest::default(),
        sso_session: String::new(),
        authenticated_at: authenticated_at(sso),
        epoch,
    }
}
