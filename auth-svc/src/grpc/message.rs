//! Objects → contract messages.

use proto::{auth::v1 as pb, session::v1 as session_pb};
use svc_kit::error::ServiceError as _;

use crate::{
    app::{introspection::Introspection, tokens::TokenSet},
    contract,
    domain::{
        application::{Application, Client},
        consent::Consent,
        keys::SigningAlgorithm,
        session_policy::SessionPolicy,
        settings::LogoutReach,
        user::{User, UserId},
        user_registration::UserRegistration,
    },
    error::AuthError,
};

pub(super) fn tokens(tokens: TokenSet) -> pb::Tokens {
    pb::Tokens {
        access_token: tokens.access_token,
        expires_in: i32::try_from(tokens.expires_in).unwrap_or(i32::MAX),
        refresh_token: tokens.refresh_token,
        id_token: tokens.id_token,
    }
}

pub(super) fn introspection(found: Introspection) -> pb::IntrospectTokenResponse {
    pb::IntrospectTokenResponse {
        active: true,
        sub: found.sub,
        client_id: found.client_id,
        tenant_id: found.tenant,
        scope: found.scope,
        sid: found.sid,
        token_use: found.token_use.to_owned(),
        exp: found.exp,
        dpop_jkt: found.key,
    }
}

pub(super) fn user(user: &User) -> pb::User {
    let state = if user.is_disabled { pb::UserState::Disabled } else { pb::UserState::Active };
    pb::User {
        id: user.id.to_string(),
        tenant_id: user.tenant.clone(),
        login: user.login.as_str().to_owned(),
        name: user.name.clone(),
        state: state.into(),
        created_at: Some(user.created_at.to_proto()),
        claims: user.claims.clone().into_iter().collect(),
        email_verified: user.is_email_verified,
        updated_at: Some(user.updated_at.to_proto()),
        password_change_required: user.must_change_password,
    }
}

pub(super) fn import_result(login: String, result: Result<UserId, AuthError>) -> pb::ImportResult {
    match result {
        Ok(id) => pb::ImportResult { login, user_id: id.to_string(), ..pb::ImportResult::default() },
        Err(error) => {
            let field = error.metadata().into_iter().find(|(name, _)| *name == "field");
            pb::ImportResult {
                login,
                user_id: String::new(),
                reason: error.reason().to_owned(),
                field: field.map(|(_, field)| field).unwrap_or_default(),
                message: error.to_string(),
            }
        }
    }
}

pub(super) fn consent(consent: &Consent) -> pb::Consent {
    pb::Consent {
        user_id: consent.user.to_string(),
        application_id: consent.application.clone(),
        scopes: consent.scopes.clone(),
        given_at: Some(consent.given_at.to_proto()),
    }
}

pub(super) fn registration(registration: &UserRegistration) -> pb::Registration {
    pb::Registration {
        user_id: registration.user.to_string(),
        application_id: registration.application.clone(),
        created_at: Some(registration.created_at.to_proto()),
    }
}

pub(super) fn application(application: &Application) -> pb::Application {
    let client_type = if application.is_public() { pb::ClientType::Public } else { pb::ClientType::Confidential };
    let session_mode = if application.is_application_managed {
        pb::SessionMode::ApplicationManaged
    } else {
        pb::SessionMode::Centralized
    };
    let authentication = match application.client {
        Client::Public => pb::ClientAuthentication::None,
        Client::Confidential(_) => pb::ClientAuthentication::ClientSecret,
        Client::PrivateKey => pb::ClientAuthentication::PrivateKeyJwt,
    };
    let pkce = if application.requires_pkce() { pb::PkceRequirement::Required } else { pb::PkceRequirement::Optional };
    let settings = &application.settings;
    let (logout_reach, logout_application_ids) = match &settings.logout_reach {
        LogoutReach::Own => (pb::LogoutReach::Own, Vec::new()),
        LogoutReach::Listed(listed) => (pb::LogoutReach::Listed, listed.clone()),
        LogoutReach::All => (pb::LogoutReach::All, Vec::new()),
    };
    pb::Application {
        id: application.id.clone(),
        tenant_id: application.tenant.clone(),
        name: application.name.clone(),
        client_type: client_type.into(),
        redirect_uris: application.redirect_uris.clone(),
        post_logout_redirect_uris: application.post_logout_redirect_uris.clone(),
        service_scopes: application.service_scopes.clone(),
        session_mode: session_mode.into(),
        keep_on_sso_logout: application.keep_on_sso_logout,
        frontchannel_logout_uri: settings.frontchannel_logout.uri.clone(),
        frontchannel_logout_session_required: settings.frontchannel_logout.session_required,
        backchannel_logout_uri: settings.backchannel_logout.uri.clone(),
        backchannel_logout_session_required: settings.backchannel_logout.session_required,
        client_authentication: authentication.into(),
        jwks: settings.jwks.clone(),
        jwks_uri: settings.jwks_uri.clone(),
        consent_required: settings.requires_consent,
        pkce: pkce.into(),
        cors_origins: settings.cors_origins.clone(),
        allowed_resources: settings.allowed_resources.clone(),
        logout_reach: logout_reach.into(),
        logout_application_ids,
        pushed_requests_required: settings.requires_pushed_requests,
        dpop_required: settings.requires_dpop,
        userinfo_signed: settings.signs_userinfo,
        device_grant: settings.allows_devices,
        signing_algorithm: algorithm(settings.signing_algorithm).into(),
        registration_required: settings.requires_registration,
        session_policy: session_policy(&application.session_policy),
        old_secret_expires_at: application.old_secret.as_ref().map(|old| old.until.to_proto()),
    }
}

pub(super) fn session_policy(policy: &SessionPolicy) -> Option<session_pb::Policy> {
    (!policy.is_empty()).then(|| contract::session_policy::to_proto(policy))
}

pub(super) fn algorithm(algorithm: SigningAlgorithm) -> pb::SigningAlgorithm {
    match algorithm {
        SigningAlgorithm::Rs256 => pb::SigningAlgorithm::Rs256,
        SigningAlgorithm::Es256 => pb::SigningAlgorithm::Es256,
        SigningAlgorithm::EdDsa => pb::SigningAlgorithm::Eddsa,
    }
}
