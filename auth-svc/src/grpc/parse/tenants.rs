//! Tenants in requests: whole, and as a change of some fields.

use std::collections::HashMap;

use proto::auth::v1 as pb;
use svc_kit::clock::Timestamp;

use super::{NAME_BYTES_MAX, Parsed, field, mask, text};
use crate::{
    contract::session_policy,
    domain::{
        application::is_redirect_uri,
        tenant::{Colours, LANGUAGES, Tenant, UnkeptSso, VARIABLES, is_colour, is_tenant_id},
    },
};

/// Every field that a tenant can be set to.
const FIELDS: [&str; 7] = [
    "name",
    "light_colors",
    "dark_colors",
    "logo_url",
    "sso_without_keep_signed_in",
    "default_language",
    "session_policy",
];

pub(in crate::grpc) fn new_tenant(tenant: &pb::Tenant) -> Parsed<Tenant> {
    if !is_tenant_id(&tenant.id) {
        return Err(field("tenant.id", "must be 1 to 63 of a-z 0-9 _ - and begin with a letter or a digit"));
    }
    let empty = Tenant::new(&tenant.id, "", Timestamp::EPOCH);
    FIELDS.into_iter().try_fold(empty, |made, path| with(made, tenant, path))
}

/// The tenant `current` with the fields of `new` that `paths` names.
pub(in crate::grpc) fn changed_tenant(current: &Tenant, new: &pb::Tenant, paths: &[String]) -> Parsed<Tenant> {
    mask(paths)?;
    paths.iter().try_fold(current.clone(), |made, path| with(made, new, path))
}

fn with(mut tenant: Tenant, new: &pb::Tenant, path: &str) -> Parsed<Tenant> {
    let settings = &mut tenant.settings;
    match path {
        "name" => tenant.name = text("tenant.name", new.name.clone(), NAME_BYTES_MAX)?,
        "light_colors" => settings.theme.light = colours("tenant.light_colors", &new.light_colors)?,
        "dark_colors" => settings.theme.dark = colours("tenant.dark_colors", &new.dark_colors)?,
        "logo_url" => {
            if !new.logo_url.is_empty() && !is_redirect_uri(&new.logo_url) {
                return Err(field("tenant.logo_url", "must be an https address (http on the own machine)"));
            }
            settings.theme.logo_url.clone_from(&new.logo_url);
        }
        "sso_without_keep_signed_in" => {
            use pb::SsoWithoutKeepSignedIn::{Browser, None, Unspecified};
            settings.unkept_sso = match pb::SsoWithoutKeepSignedIn::try_from(new.sso_without_keep_signed_in) {
                Ok(Unspecified | Browser) => UnkeptSso::Browser,
                Ok(None) => UnkeptSso::None,
                Err(_) => return Err(field("tenant.sso_without_keep_signed_in", "must be BROWSER or NONE")),
            };
        }
        "default_language" => {
            let language = new.default_language.clone();
            if !language.is_empty() && !LANGUAGES.contains(&language.as_str()) {
                return Err(field("tenant.default_language", format!("must be one of {}", LANGUAGES.join(", "))));
            }
            settings.default_language = language;
        }
        "session_policy" => {
            let given = new.session_policy.as_ref();
            tenant.session_policy = session_policy::parse("tenant.session_policy", given, false)?;
        }
        _ => return Err(field("update_mask", format!("may name {}", FIELDS.join(", ")))),
    }
    Ok(tenant)
}

fn colours(path: &str, given: &HashMap<String, String>) -> Parsed<Colours> {
    let is_good = |(name, value): (&String, &String)| VARIABLES.contains(&name.as_str()) && is_colour(value);
    if given.iter().all(is_good) {
        Ok(given.clone().into_iter().collect())
    } else {
        Err(field(path, format!("must be #rrggbb for any of {}", VARIABLES.join(", "))))
    }
}
