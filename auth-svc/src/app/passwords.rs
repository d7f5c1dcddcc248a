//! Lets users change their own passwords, by the one they have.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Adapters, Auth};
use crate::{
    domain::{
        event::What,
        user::{User, UserChange, password_problem},
    },
    error::AuthError,
    ports::{Passwords as _, RevocationReason, UserStore as _},
};

/// A password to be changed by its user.
#[derive(Debug)]
pub struct PasswordCommand {
    /// Tenant.
    pub tenant: String,
    /// Where the user is asked; empty for the hosted pages themselves.
    pub application: String,
    /// Login, as typed.
    pub login: String,
    /// The password that the user has.
    pub password: SecretString,
    /// The one that the user wants.
    pub new_password: SecretString,
    /// Where the attempt comes from, as far as that is known.
    pub address: String,
}

impl<A: Adapters> Auth<A> {
    /// Changes a password by the one before, which is checked and throttled as at a sign-in; all sessions end.
    ///
    /// # Errors
    /// Those of [`Self::authenticate`], [`AuthError::PasswordRefused`], or a failure.
    pub async fn change_password(&self, command: PasswordCommand) -> Result<User, AuthError> {
        self.open_tenant(&command.tenant).await?;
        let PasswordCommand { tenant, application, login, password, new_password, address } = command;
        let user = self.authenticate(&tenant, &application, &login, password.clone(), &address).await?;
        // Told only to whoever knows the password.
        if let Some(problem) = password_problem(new_password.expose_secret(), &user.login) {
            return Err(AuthError::PasswordRefused(problem));
        }
        if new_password.expose_secret() == password.expose_secret() {
            return Err(AuthError::PasswordRefused("must be another one than before"));
        }
        let password_hash = self.passwords.hash(new_password).await?;
        let change = UserChange::SetPassword { password_hash, must_change: false };
        let event = self.event(&tenant, "", What::PasswordChanged(user.id.to_string())).of(&address);
        let why = Some(RevocationReason::CredentialChange);
        let changed = self.store.change_user(&user.id, &change, &event, why).await?;
        self.carry_out_revocations().await;
        // Deleted while the password was checked.
        changed.ok_or(AuthError::CredentialsRefused)
    }
}
