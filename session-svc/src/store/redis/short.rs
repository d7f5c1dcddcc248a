//! Short forms of what nearly every record says, and the way back.
//!
//! A list of words has a single character below the blank in place of each word that everybody uses; no word that a caller sends
//! has such a character. Addresses are their bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Words and their numbers, from 1: scopes of OpenID Connect, then methods of RFC 8176. Numbers are in records: add at the end, up
/// to 31, and change nothing.
const WORDS: [&str; 14] = [
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
    "pwd",
    "otp",
    "mfa",
    "hwk",
    "swk",
    "sms",
    "pin",
    "user",
];
const TEXT: u8 = 0;
const V4: u8 = 4;
const V6: u8 = 6;

/// Shortens the words of a list.
pub(super) fn words(words: &[String]) -> Vec<String> {
    let short = |word: &String| {
        let number = WORDS.iter().zip(1u8..).find(|(known, _)| *known == word);
        number.map_or_else(|| word.clone(), |(_, number)| char::from(number).to_string())
    };
    words.iter().map(short).collect()
}

/// Returns the words of a shortened list; `None` where one has a number that is not known here.
pub(super) fn full_words(mut words: Vec<String>) -> Option<Vec<String>> {
    for word in &mut words {
        if let [number @ 1..b' '] = word.as_bytes() {
            *word = (*WORDS.get(usize::from(*number) - 1)?).to_owned();
        }
    }
    Some(words)
}

/// Shortens an address.
pub(super) fn address(text: &str) -> Vec<u8> {
    // Only what reads the same afterwards.
    let address = text.parse().ok().filter(|address: &IpAddr| address.to_string() == text);
    match address {
        Some(IpAddr::V4(address)) => [&[V4], &address.octets()[..]].concat(),
        Some(IpAddr::V6(address)) => [&[V6], &address.octets()[..]].concat(),
        None if text.is_empty() => Vec::new(),
        None => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// Returns the text of a shortened address.
pub(super) fn full_address(bytes: &[u8]) -> Option<String> {
    let Some((form, bytes)) = bytes.split_first() else { return Some(String::new()) };
    match *form {
        V4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        V6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        TEXT => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were_and_in_their_order() {
        let given: Vec<String> =
            ["offline_access", "openid", "a", "custom:read", "openid", "user", ""].map(Into::into).into();
        let short = words(&given);
        assert_eq!(short.iter().map(String::len).collect::<Vec<_>>(), [1, 1, 1, 11, 1, 1, 0]);
        assert_eq!(full_words(short), Some(given));
        assert_eq!(full_words(vec!["\u{1f}".into()]), None, "from a newer release");
        assert!(WORDS.len() < usize::from(b' '));
    }

    #[test]
    fn addresses_come_back_as_they_were() {
        for (text, length) in [("", 0), ("203.0.113.17", 5), ("2001:db8::1", 17), ("::ffff:1.2.3.4", 17)] {
            let short = address(text);
            assert_eq!(short.len(), length, "{text}");
            assert_eq!(full_address(&short).as_deref(), Some(text));
        }
        for text in ["somewhere", "2001:DB8::1", "1.2.3.4 ", "abcd"] {
            assert_eq!(full_address(&address(text)).as_deref(), Some(text), "no address, or not as we write it");
        }
    }
}
