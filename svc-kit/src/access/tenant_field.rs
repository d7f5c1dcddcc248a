//! Finds the tenant in an encoded request without decoding the rest.

use prost::encoding::{WireType, decode_key, decode_varint};

/// Bytes of the gRPC frame before the message: compression flag and length.
const FRAME_HEADER_BYTES: usize = 5;

/// What an encoded request says about its tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'m> {
    /// The field has this value (the last one, as protobuf merges).
    Value(&'m [u8]),
    /// The field is not there.
    Absent,
    /// The message cannot be read; its decoder will say so.
    Malformed,
}

/// Looks for the text field at `path` (field numbers) in a gRPC frame.
pub(super) fn find<'m>(frame: &'m [u8], path: &[u32]) -> Found<'m> {
    // A compressed message is refused by the server, which accepts no compression.
    match frame.split_at_checked(FRAME_HEADER_BYTES) {
        Some(([0, ..], message)) => find_in(message, path),
        _ => Found::Malformed,
    }
}

fn find_in<'m>(mut message: &'m [u8], path: &[u32]) -> Found<'m> {
    let Some((wanted, rest)) = path.split_first() else { return Found::Value(message) };
    let mut found = Found::Absent;
    while !message.is_empty() {
        let Ok((number, wire)) = decode_key(&mut message) else { return Found::Malformed };
        let Some(value) = take_value(&mut message, wire) else { return Found::Malformed };
        if number == *wanted && wire == WireType::LengthDelimited {
            // A message field that occurs twice is merged: a later occurrence without the field keeps the earlier value.
            match find_in(value, rest) {
                Found::Absent => {}
                other => found = other,
            }
        }
    }
    found
}

/// Takes one value off `message`; `None` when it is cut off or of a kind that proto3 does not have.
fn take_value<'m>(message: &mut &'m [u8], wire: WireType) -> Option<&'m [u8]> {
    let length = match wire {
        WireType::Varint => {
            decode_varint(message).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(message).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (value, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], &length[..], message].concat()
    }

    fn text(number: u8, value: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn the_last_value_wins_as_in_protobuf() {
        let message = [text(1, b"mine"), text(2, b"x"), text(1, b"theirs")].concat();
        assert_eq!(find(&frame(&message), &[1]), Found::Value(b"theirs"));
    }

    #[test]
    fn a_nested_message_in_two_parts_is_merged() {
        let parts = [text(3, &text(1, b"theirs")), text(3, &text(2, b"user"))].concat();
        assert_eq!(find(&frame(&parts), &[3, 1]), Found::Value(b"theirs"));
        let parts = [text(3, &text(1, b"mine")), text(3, &text(1, b"theirs"))].concat();
        assert_eq!(find(&frame(&parts), &[3, 1]), Found::Value(b"theirs"));
    }

    #[test]
    fn other_fields_of_every_kind_are_skipped() {
        let others = [vec![0x20, 0xff, 0x01], vec![0x29, 0, 0, 0, 0, 0, 0, 0, 0], vec![0x35, 0, 0, 0, 0]].concat();
        let message = [others, text(1, b"mine")].concat();
        assert_eq!(find(&frame(&message), &[1]), Found::Value(b"mine"));
        assert_eq!(find(&frame(&[]), &[1]), Found::Absent);
        assert_eq!(find(&frame(&[0x0a, 9, b'x']), &[1]), Found::Malformed);
        assert_eq!(find(&[1, 0, 0, 0, 0], &[1]), Found::Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = find(&bytes, &[1, 1]);
            let _ = find(&frame(&bytes), &[1]);
        }
    }
}
