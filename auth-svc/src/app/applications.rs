//! Manages applications.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use svc_kit::access::Caller;

use super::{Adapters, Auth};
use crate::{
    domain::{
        application::{Application, Client, OldSecret, SecretHash},
        event::What,
    },
    error::AuthError,
    ports::{ApplicationStore as _, TenantStore as _},
};

/// How often a change is tried when others change the same application at the same time.
const TRIES: usize = 8;

/// How the names of scopes begin that open our own services.
const OUR_SCOPES: [&str; 3] = ["sessions.", "directory.", "webhooks."];

impl<A: Adapters> Auth<A> {
    /// Creates an application; returns the secret of a confidential one, which is made here.
    ///
    /// # Errors
    /// [`AuthError::TenantNotFound`], [`AuthError::ApplicationExists`], [`AuthError::JwksUriRefused`], or a failure.
    pub async fn create_application(
        &self,
        actor: &str,
        mut application: Application,
    ) -> Result<(Application, Option<SecretString>), AuthError> {
        if !self.store.has_tenant(&application.tenant).await? {
            return Err(AuthError::TenantNotFound);
        }
        self.may_read_keys(&application)?;
        let secret = matches!(application.client, Client::Confidential(_)).then(|| self.new_secret());
        if let Some(secret) = &secret {
            application.client = Client::Confidential(SecretHash::of(secret.expose_secret()));
        }
        let event = self.event(&application.tenant, actor, What::created(&application));
        if !self.store.add_application(&application, &event).await? {
            return Err(AuthError::ApplicationExists);
        }
        self.carry_out_if(!application.session_policy.is_empty()).await;
        Ok((application, secret))
    }

    /// Creates an application on behalf of `caller`, as [`Self::create_application`] does.
    ///
    /// # Errors
    /// [`AuthError::ScopeNotHeld`], and as there.
    pub async fn create_application_for(
        &self,
        caller: &Caller,
        application: Application,
    ) -> Result<(Application, Option<SecretString>), AuthError> {
        may_grant(caller, &[], &application.service_scopes)?;
        self.create_application(&caller.subject, application).await
    }

    /// Checks that we may read the keys of an application where it publishes them.
    fn may_read_keys(&self, application: &Application) -> Result<(), AuthError> {
        let uri = &application.settings.jwks_uri;
        if !uri.is_empty() {
            self.settings.egress.check_url(uri).map_err(AuthError::JwksUriRefused)?;
        }
        Ok(())
    }

    /// Returns an application that exists for `caller`.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], or a failure.
    pub async fn application(&self, caller: &Caller, id: &str) -> Result<Application, AuthError> {
        let application = self.store.application(id).await?;
        application.filter(|found| caller.may_see(&found.tenant)).ok_or(AuthError::ApplicationNotFound)
    }

    /// Changes an application to what `change` makes of it. Of two changes at once the second builds on the first.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], [`AuthError::ChangedMeanwhile`], [`AuthError::ScopeNotHeld`],
    /// [`AuthError::JwksUriRefused`], what `change` finds, or a failure.
    pub async fn update_application(
        &self,
        caller: &Caller,
        id: &str,
        fields: &[String],
        change: impl Fn(&Application) -> Result<Application, AuthError>,
    ) -> Result<Application, AuthError> {
        for _ in 0..TRIES {
            let current = self.application(caller, id).await?;
            let changed = change(&current)?;
            may_grant(caller, &current.service_scopes, &changed.service_scopes)?;
            let (old, new) = (&current.settings, &changed.settings);
            if new.jwks_uri != old.jwks_uri {
                self.may_read_keys(&changed)?;
            }
            // Whoever has a key of the application can do what it can.
            let has_other_keys = (&new.jwks, &new.jwks_uri) != (&old.jwks, &old.jwks_uri);
            if changed.client == Client::PrivateKey && has_other_keys {
                may_grant(caller, &[], &changed.service_scopes)?;
            }
            let what = What::updated(&changed, fields);
            let event = self.event(&changed.tenant, &caller.subject, what);
            if self.store.replace_application(&changed, &event).await? {
                self.carry_out_if(changed.session_policy != current.session_policy).await;
                return Ok(changed);
            }
        }
        Err(AuthError::ChangedMeanwhile)
    }

    /// Gives an application a new secret; the one before stays good for `overlap`.
    ///
    /// # Errors
    /// [`AuthError::NoSecret`], and as for [`Self::update_application`].
    pub async fn rotate_client_secret(
        &self,
        caller: &Caller,
        id: &str,
        overlap: Duration,
    ) -> Result<(Application, SecretString), AuthError> {
        let secret = self.new_secret();
        let rotate = |current: &Application| {
            // Whoever gets the secret can do what the application can.
            may_grant(caller, &[], &current.service_scopes)?;
            let Client::Confidential(before) = &current.client else { return Err(AuthError::NoSecret) };
            let until = self.clock.now().saturating_add(overlap);
            Ok(Application {
                client: Client::Confidential(SecretHash::of(secret.expose_secret())),
                old_secret: (!overlap.is_zero()).then(|| OldSecret { hash: before.clone(), until }),
                ..current.clone()
            })
        };
        let rotated = self.update_application(caller, id, &["client_secret".to_owned()], rotate).await?;
        Ok((rotated, secret))
    }

    /// Deletes an application; its sessions end.
    ///
    /// # Errors
    /// [`AuthError::ApplicationNotFound`], or a failure.
    pub async fn delete_application(&self, caller: &Caller, id: &str) -> Result<(), AuthError> {
        let application = self.application(caller, id).await?;
        let what = What::ApplicationDeleted(id.to_owned());
        let event = self.event(&application.tenant, &caller.subject, what);
        if !self.store.delete_application(&application, &event).await? {
            return Err(AuthError::ApplicationNotFound);
        }
        self.carry_out_revocations().await;
        Ok(())
    }
}

/// What opens our own services is given by those only who hold it themselves; what opens others is theirs to judge.
fn may_grant(caller: &Caller, before: &[String], after: &[String]) -> Result<(), AuthError> {
    let opens_us = |scope: &&String| OUR_SCOPES.iter().any(|area| scope.starts_with(area));
    let new = after.iter().filter(|scope| !before.contains(scope)).filter(opens_us);
    match new.into_iter().find(|scope| !caller.scopes.include(scope)) {
        Some(missing) => Err(AuthError::ScopeNotHeld(missing.clone())),
        None => Ok(()),
    }
}
