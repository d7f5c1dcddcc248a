//! In which language a page is: what the application asks for (`ui_locales`), else what the browser prefers, else what the
//! tenant does, else English.
//!
//! It is found once a request, before the handler runs, and holds for every page of that request, error pages included.

use std::future::Future;

use axum::http::{HeaderMap, Uri, header};

use super::{
    look,
    texts::{ENGLISH, GERMAN, Texts},
};
use crate::domain::authorize::AuthorizationRequest;

/// A language that the pages are translated to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// Most entries of a list of languages that are looked at.
const ENTRIES_MAX: usize = 32;

tokio::task_local! {
    static CURRENT: Option<Language>;
}

/// The language of the request that is being answered; English outside of one.
pub(super) fn current() -> Language {
    CURRENT.try_with(|language| *language).ok().flatten().or_else(look::language).unwrap_or_default()
}

/// The language of a page for an authorization request: what the application asks for, which a pushed request says and the
/// address of the browser does not.
pub(super) fn asked_for(request: &AuthorizationRequest) -> Language {
    Language::first_of(request.ui_locales.split(' ')).unwrap_or_else(current)
}

/// Answers a request in a language; in that of its tenant if there is none.
pub(super) fn speak<F: Future>(language: Option<Language>, answer: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(language, answer)
}

impl Language {
    /// The language that a request asks for, if it asks for one that we speak.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let query = uri.query().unwrap_or_default();
        let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ui_locales");
        asked.and_then(|(_, tags)| Self::first_of(tags.split(' '))).or_else(|| Self::preferred(headers))
    }

    fn preferred(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut ranges: Vec<(&str, u16)> = header.split(',').take(ENTRIES_MAX).filter_map(range).collect();
        // Stable: of two that are wanted equally the first one counts.
        ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        Self::first_of(ranges.into_iter().map(|(tag, _)| tag))
    }

    fn first_of<'t>(tags: impl Iterator<Item = &'t str>) -> Option<Self> {
        tags.take(ENTRIES_MAX).find_map(Self::named)
    }

    /// The language of a tag such as `de-AT` (RFC 5646).
    pub(super) fn named(tag: &str) -> Option<Self> {
        match tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "de" => Some(Self::German),
            _ => None,
        }
    }

    /// Its tag.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What the pages say in it.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        }
    }
}

/// Reads `tag;q=weight`, the weight in thousandths; `None` for one that is not wanted or cannot be read.
fn range(text: &str) -> Option<(&str, u16)> {
    let (tag, weight) = text.split_once(';').map_or((text, 1.0), |(tag, parameter)| {
        let weight = parameter.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        (tag, weight.unwrap_or(0.0))
    });
    // Between 0 and 1000, so nothing is cut off.
    let thousandths = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
    (thousandths > 0).then_some((tag, thousandths))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn language(uri: &str, accept: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(accept).unwrap());
        Language::of(&uri.parse().unwrap(), &headers).unwrap_or_default()
    }

    #[test]
    fn application_decides_then_browser_then_english() {
        use Language::{English, German};
        for (uri, accept, expected) in [
            ("/authorize", "", English),
            ("/authorize", "fr, de-AT;q=0.8, en;q=0.7", German),
            ("/authorize", "de;q=0.5, en;q=0.9", English),
            ("/authorize", "de;q=0, fr", English),
            ("/authorize", "DE-ch", German),
            ("/authorize?ui_locales=de", "en", German),
            ("/authorize?ui_locales=fr%20en", "de", English),
            ("/authorize?ui_locales=fr", "de", German),
            ("/authorize?ui_locales=%22%3E%3Cscript%3E", "de;q=NaN", English),
            ("/authorize?ui_locales=", "de", German),
        ] {
            assert_eq!(language(uri, accept), expected, "{uri} {accept}");
        }
    }
}
