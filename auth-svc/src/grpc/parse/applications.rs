//! Applications in requests: whole, and as a change of some fields.

use std::time::Duration;

use proto::auth::v1 as pb;

use super::{NAME_BYTES_MAX, Parsed, field, scopes, tenant, text};
use crate::{
    contract::session_policy,
    domain::{
        application::{Application, Client, SecretHash, is_client_id, is_redirect_uri},
        keys::SigningAlgorithm,
        settings::{ClientSettings, LogoutReach, LogoutTarget, is_origin, is_resource},
    },
    grpc::message,
};

/// Most values of a list of addresses.
const VALUES_MAX: usize = 32;
/// How long the secret before a rotation stays good when the request does not say, and at most.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3600);
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

const ADDRESS: &str =
    "must be https addresses (http on the own machine, a public application's own scheme) without fragment or wildcard";

pub(in crate::grpc) fn application_id(path: &str, text: String) -> Parsed<String> {
    if is_client_id(&text) { Ok(text) } else { Err(field(path, "must be 1 to 128 of A-Z a-z 0-9 . _ -")) }
}

pub(in crate::grpc) fn new_application(application: Option<pb::Application>) -> Parsed<Application> {
    let application = application.ok_or_else(|| field("application", "must be given"))?;
    let client = client(&application)?;
    parse(application, client)
}

/// The application `current` with the fields of `new` that `paths` names.
pub(in crate::grpc) fn changed(current: &Application, new: &pb::Application, paths: &[String]) -> Parsed<Application> {
    super::mask(paths)?;
    let mut merged = message::application(current);
    for path in paths {
        overlay(&mut merged, new, path)?;
    }
    let parsed = parse(merged, current.client.clone())?;
    let mut changed = Application { old_secret: current.old_secret.clone(), revision: current.revision, ..parsed };
    changed.settings.registration_token.clone_from(&current.settings.registration_token);
    Ok(changed)
}

fn overlay(to: &mut pb::Application, from: &pb::Application, path: &str) -> Parsed<()> {
    match path {
        "name" => to.name.clone_from(&from.name),
        "redirect_uris" => to.redirect_uris.clone_from(&from.redirect_uris),
        "post_logout_redirect_uris" => to.post_logout_redirect_uris.clone_from(&from.post_logout_redirect_uris),
        "service_scopes" => to.service_scopes.clone_from(&from.service_scopes),
        "session_mode" => to.session_mode = from.session_mode,
        "keep_on_sso_logout" => to.keep_on_sso_logout = from.keep_on_sso_logout,
        "frontchannel_logout_uri" => to.frontchannel_logout_uri.clone_from(&from.frontchannel_logout_uri),
        "frontchannel_logout_session_required" => {
            to.frontchannel_logout_session_required = from.frontchannel_logout_session_required;
        }
        "backchannel_logout_uri" => to.backchannel_logout_uri.clone_from(&from.backchannel_logout_uri),
        "backchannel_logout_session_required" => {
            to.backchannel_logout_session_required = from.backchannel_logout_session_required;
        }
        "jwks" => to.jwks.clone_from(&from.jwks),
        "jwks_uri" => to.jwks_uri.clone_from(&from.jwks_uri),
        "consent_required" => to.consent_required = from.consent_required,
        "pkce" => to.pkce = from.pkce,
        "cors_origins" => to.cors_origins.clone_from(&from.cors_origins),
        "allowed_resources" => to.allowed_resources.clone_from(&from.allowed_resources),
        "pushed_requests_required" => to.pushed_requests_required = from.pushed_requests_required,
        "dpop_required" => to.dpop_required = from.dpop_required,
        "userinfo_signed" => to.userinfo_signed = from.userinfo_signed,
        "device_grant" => to.device_grant = from.device_grant,
        "signing_algorithm" => to.signing_algorithm = from.signing_algorithm,
        "registration_required" => to.registration_required = from.registration_required,
        "session_policy" => to.session_policy.clone_from(&from.session_policy),
        "logout_reach" => to.logout_reach = from.logout_reach,
        "logout_application_ids" => to.logout_application_ids.clone_from(&from.logout_application_ids),
        _ => return Err(field("update_mask", "names a field that an application does not have or that cannot change")),
    }
    Ok(())
}

fn client(application: &pb::Application) -> Parsed<Client> {
    use pb::ClientAuthentication::{ClientSecret, None, PrivateKeyJwt, Unspecified};
    let path = "application.client_authentication";
    let authentication = pb::ClientAuthentication::try_from(application.client_authentication);
    match (application.client_type(), authentication) {
        (pb::ClientType::Public, Ok(Unspecified | None)) => Ok(Client::Public),
        // Stands in for the secret that the use case makes.
        (pb::ClientType::Confidential, Ok(Unspecified | ClientSecret)) => Ok(Client::Confidential(SecretHash::of(""))),
        (pb::ClientType::Confidential, Ok(PrivateKeyJwt)) => Ok(Client::PrivateKey),
        (pb::ClientType::Unspecified, _) => Err(field("application.client_type", "must be CONFIDENTIAL or PUBLIC")),
        (pb::ClientType::Public, _) => Err(field(path, "must be NONE for a public application")),
        (pb::ClientType::Confidential, _) => Err(field(path, "must be CLIENT_SECRET or PRIVATE_KEY_JWT")),
    }
}

fn parse(application: pb::Application, client: Client) -> Parsed<Application> {
    let is_application_managed = match pb::SessionMode::try_from(application.session_mode) {
        Ok(pb::SessionMode::Unspecified | pb::SessionMode::Centralized) => false,
        Ok(pb::SessionMode::ApplicationManaged) => true,
        Err(_) => return Err(field("application.session_mode", "must be CENTRALIZED or APPLICATION_MANAGED")),
    };
    if is_application_managed && application.device_grant {
        return Err(field("application.device_grant", "must be off for an application that keeps its own sessions"));
    }
    let settings = settings(&application, &client)?;
    let session_policy =
        session_policy::parse("application.session_policy", application.session_policy.as_ref(), true)?;
    let service_scopes = scopes("application.service_scopes", application.service_scopes)?;
    if client == Client::Public && !service_scopes.is_empty() {
        return Err(field("application.service_scopes", "must be empty: a public client cannot authenticate itself"));
    }
    let is_good = |uri: &str| client.may_be_answered_at(uri);
    let redirect_uris = values("application.redirect_uris", application.redirect_uris, is_good, ADDRESS)?;
    let after_logout = application.post_logout_redirect_uris;
    let after_logout = values("application.post_logout_redirect_uris", after_logout, is_good, ADDRESS)?;
    if !settings.frontchannel_logout.is_of_one_of(&redirect_uris) {
        return Err(field("application.frontchannel_logout_uri", "must be of the origin of a redirect address"));
    }
    Ok(Application {
        name: text("application.name", application.name, NAME_BYTES_MAX)?,
        redirect_uris,
        post_logout_redirect_uris: after_logout,
        service_scopes,
        is_application_managed,
        keep_on_sso_logout: application.keep_on_sso_logout,
        settings,
        session_policy,
        ..Application::new(
            &application_id("application.id", application.id)?,
            &tenant("application.tenant_id", &application.tenant_id)?,
            client,
        )
    })
}

fn settings(application: &pb::Application, client: &Client) -> Parsed<ClientSettings> {
    let requires_pkce = match pb::PkceRequirement::try_from(application.pkce) {
        Ok(pb::PkceRequirement::Unspecified | pb::PkceRequirement::Required) => true,
        Ok(pb::PkceRequirement::Optional) if *client != Client::Public => false,
        _ => return Err(field("application.pkce", "must be REQUIRED, or OPTIONAL for a confidential application")),
    };
    let target = |path: &str, uri: &str, session_required| {
        if uri.is_empty() || is_redirect_uri(uri) {
            Ok(LogoutTarget { uri: uri.to_owned(), session_required })
        } else {
            Err(field(path, "must be an https address (http on the own machine) without fragment or wildcard"))
        }
    };
    let origins = application.cors_origins.clone();
    let resources = application.allowed_resources.clone();
    let settings = ClientSettings {
        frontchannel_logout: target(
            "application.frontchannel_logout_uri",
            &application.frontchannel_logout_uri,
            application.frontchannel_logout_session_required,
        )?,
        backchannel_logout: target(
            "application.backchannel_logout_uri",
            &application.backchannel_logout_uri,
            application.backchannel_logout_session_required,
        )?,
        jwks: application.jwks.clone(),
        jwks_uri: application.jwks_uri.clone(),
        requires_consent: application.consent_required,
        requires_pkce,
        requires_pushed_requests: application.pushed_requests_required,
        requires_dpop: application.dpop_required,
        signs_userinfo: application.userinfo_signed,
        allows_devices: application.device_grant,
        signing_algorithm: match application.signing_algorithm {
            0 => SigningAlgorithm::default(),
            given => signing_algorithm("application.signing_algorithm", given)?,
        },
        cors_origins: values(
            "application.cors_origins",
            origins,
            is_origin,
            "must be origins, https://host or https://host:port (http on the own machine)",
        )?,
        allowed_resources: values(
            "application.allowed_resources",
            resources,
            is_resource,
            "must be absolute addresses without fragment",
        )?,
        logout_reach: logout_reach(application)?,
        requires_registration: application.registration_required,
        registration_token: String::new(),
    };
    match settings.keys_problem(*client == Client::PrivateKey) {
        Some((member, problem)) => Err(field(&format!("application.{member}"), problem)),
        None => Ok(settings),
    }
}

fn logout_reach(application: &pb::Application) -> Parsed<LogoutReach> {
    let path = "application.logout_application_ids";
    let listed = application.logout_application_ids.clone();
    let listed = values(path, listed, is_client_id, "must be ids of applications")?;
    match (pb::LogoutReach::try_from(application.logout_reach), listed.is_empty()) {
        (Ok(pb::LogoutReach::Unspecified | pb::LogoutReach::Own), true) => Ok(LogoutReach::Own),
        (Ok(pb::LogoutReach::All), true) => Ok(LogoutReach::All),
        (Ok(pb::LogoutReach::Listed), false) => Ok(LogoutReach::Listed(listed)),
        (Ok(pb::LogoutReach::Listed), true) => {
            Err(field("application.logout_reach", "must not be LISTED without logout_application_ids"))
        }
        (Ok(_), false) => Err(field(path, "must be empty unless logout_reach is LISTED")),
        (Err(_), _) => Err(field("application.logout_reach", "must be OWN, LISTED or ALL")),
    }
}

fn values(path: &str, values: Vec<String>, is_good: impl Fn(&str) -> bool, rule: &str) -> Parsed<Vec<String>> {
    if values.len() > VALUES_MAX {
        return Err(field(path, format!("must not have more than {VALUES_MAX} values")));
    }
    if values.iter().all(|value| is_good(value) && !value.contains(char::is_control)) {
        Ok(values)
    } else {
        Err(field(path, rule))
    }
}

pub(in crate::grpc) fn overlap(overlap: Option<prost_types::Duration>) -> Parsed<Duration> {
    let given = match overlap {
        None => Some(OVERLAP_DEFAULT),
        // Not by the library's conversion, which panics at the smallest number of seconds.
        Some(overlap) => u64::try_from(overlap.seconds).ok().map(Duration::from_secs),
    };
    given.filter(|given| *given <= OVERLAP_MAX).ok_or_else(|| field("overlap", "must be 0 to 30 days"))
}

/// An algorithm that must be named.
pub(in crate::grpc) fn signing_algorithm(path: &str, algorithm: i32) -> Parsed<SigningAlgorithm> {
    match pb::SigningAlgorithm::try_from(algorithm) {
        Ok(pb::SigningAlgorithm::Rs256) => Ok(SigningAlgorithm::Rs256),
        Ok(pb::SigningAlgorithm::Es256) => Ok(SigningAlgorithm::Es256),
        Ok(pb::SigningAlgorithm::Eddsa) => Ok(SigningAlgorithm::EdDsa),
        Ok(pb::SigningAlgorithm::Unspecified) | Err(_) => Err(field(path, "must be RS256, ES256 or EDDSA")),
    }
}
