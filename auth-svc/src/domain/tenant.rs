//! Tenants: separate worlds of users, applications and sessions, each with an issuer and a look of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use svc_kit::clock::Timestamp;

use super::session_policy::SessionPolicy;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name in addresses.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Whether its users may not sign in.
    pub is_suspended: bool,
    /// Everything else that it is set to.
    pub settings: TenantSettings,
    /// How long its sessions live.
    pub session_policy: SessionPolicy,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// Grows with every change.
    pub revision: i64,
}

/// Settings of a tenant. Read and written as a whole, so they are kept as one document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    /// How the hosted pages look.
    pub theme: Theme,
    /// What a sign-in leaves behind whose user does not ask to be kept signed in.
    pub unkept_sso: UnkeptSso,
    /// Language of the hosted pages where nobody asks for another; empty for English.
    pub default_language: String,
}

/// How the hosted pages look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Theme {
    /// Colours by CSS variable, where the browser prefers light.
    pub light: Colours,
    /// The same where it prefers dark.
    pub dark: Colours,
    /// Address of a picture; empty for ours.
    pub logo_url: String,
}

/// Colours by the name of the CSS variable.
pub type Colours = BTreeMap<String, String>;

/// What a sign-in without "keep me signed in" leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnkeptSso {
    /// The next application signs in silently until the browser is closed.
    #[default]
    Browser,
    /// Nothing.
    None,
}

/// The CSS variables that a theme may set.
pub const VARIABLES: [&str; 10] =
    ["accent", "accent-strong", "on-accent", "page", "card", "ink", "ink-soft", "line", "danger", "danger-back"];
/// The languages that the hosted pages speak.
pub const LANGUAGES: [&str; 2] = ["en", "de"];

impl Tenant {
    /// Makes a tenant without settings.
    pub fn new(id: &str, name: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            is_suspended: false,
            settings: TenantSettings::default(),
            session_policy: SessionPolicy::default(),
            created_at: now,
            updated_at: now,
            revision: 0,
        }
    }
}

impl Theme {
    /// The stylesheet that replaces the variables; empty when nothing is to be replaced.
    ///
    /// Names and values were checked before they were stored; whatever is not a colour is left out all the same, because a
    /// stylesheet has no escaping that could be relied on.
    pub fn stylesheet(&self) -> String {
        let rules = |colours: &Colours| {
            let good = colours.iter().filter(|(name, value)| VARIABLES.contains(&name.as_str()) && is_colour(value));
            good.map(|(name, value)| format!("--{name}:{value};")).collect::<String>()
        };
        let (light, dark) = (rules(&self.light), rules(&self.dark));
        let light = if light.is_empty() { light } else { format!(":root{{{light}}}\n") };
        let dark =
            if dark.is_empty() { dark } else { format!("@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n") };
        light + &dark
    }
}

/// Says whether a text is a colour: `#rrggbb`.
pub fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Says whether a text can be the id of a new tenant: part of an address, of a cookie's name and of keys in stores.
pub fn is_tenant_id(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.starts_with(is_plain)
        && text.chars().all(|c| is_plain(c) || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(pairs: &[(&str, &str)]) -> Colours {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_theme_is_a_stylesheet_of_colours_and_of_nothing_else() {
        let theme = Theme {
            light: colours(&[("accent", "#123abc"), ("page", "red}body{display:none"), ("x}y", "#000000")]),
            dark: colours(&[("ink", "#ffffff")]),
            logo_url: String::new(),
        };
        let css = ":root{--accent:#123abc;}\n@media (prefers-color-scheme:dark){:root{--ink:#ffffff;}}\n";
        assert_eq!(theme.stylesheet(), css);
        assert_eq!(Theme::default().stylesheet(), "");
    }

    #[test]
    fn ids_are_safe_in_addresses() {
        for good in ["a", "acme", "acme-2_x", "0"] {
            assert!(is_tenant_id(good), "{good}");
        }
        for bad in ["", "Acme", "-a", "_a", "a b", "a/b", "ä", "..", &"a".repeat(64)] {
            assert!(!is_tenant_id(bad), "{bad}");
        }
    }
}
