//! Attributes that callers keep with a session.
//!
//! Those whose name begins with [`LASTING_PREFIX`] are given when the session is created and never change: whoever
//! creates a session can rely on them, whoever else updates it.

use std::collections::BTreeMap;

/// What the names of attributes that never change begin with.
pub const LASTING_PREFIX: &str = "latchkey.";

/// Says whether an attribute never changes.
pub fn is_lasting(name: &str) -> bool {
    name.starts_with(LASTING_PREFIX)
}

/// The attributes `new`, with those of `old` that never change.
pub fn replaced(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let lasting = old.iter().filter(|(name, _)| is_lasting(name));
    let changed = new.iter().filter(|(name, _)| !is_lasting(name));
    lasting.chain(changed).map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_attributes_stay_as_they_were() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let old = map(&[("latchkey.key", "k"), ("cart", "1"), ("theme", "dark")]);
        let new = map(&[("latchkey.key", "forged"), ("latchkey.other", "x"), ("cart", "2")]);
        assert_eq!(replaced(&old, &new), map(&[("latchkey.key", "k"), ("cart", "2")]));
    }
}
