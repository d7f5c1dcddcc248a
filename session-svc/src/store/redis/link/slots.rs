//! Which of a cluster's 16,384 slots a key is in.

/// Slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key: of its hash tag, where it has one.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

/// What is between the first brace and the next one that closes, unless there is nothing.
fn hash_tag(key: &[u8]) -> &[u8] {
    let tagged = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    tagged.unwrap_or(key)
}

/// CRC-16/XMODEM, as the specification of Redis Cluster has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // CLUSTER KEYSLOT of a Redis 7.0 said so.
        for (key, expected) in [("foo", 12_182), ("{user1000}.following", 3_443), ("somekey", 11_058)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn only_the_first_tag_counts_and_an_empty_one_is_none() {
        assert_eq!(hash_tag(b"s1:{002a}:x"), b"002a");
        assert_eq!(hash_tag(b"a{b}{c}"), b"b");
        assert_eq!(hash_tag(b"a{{b}}"), b"{b");
        for whole in [&b"a{}{b}"[..], b"a{b", b"a}b"] {
            assert_eq!(hash_tag(whole), whole);
        }
    }
}
