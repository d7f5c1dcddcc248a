//! Batches that fit one packet.

/// Most bytes that the values of a statement may have: one TLS record, with room for what goes around them.
///
/// The client leaves Nagle's algorithm on (sqlx offers no way to turn it off). What does not go out in one write waits for the
/// server to acknowledge the first, and the server, which waits for the rest, puts that off by 40 ms.
const BYTES_MAX: usize = 12 * 1024;

/// Cuts `items` into runs of at most so many bytes, or of a single item that is larger.
pub(super) fn batches<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut batches, mut start, mut sum) = (Vec::new(), 0, 0);
    for (place, item) in items.iter().enumerate() {
        let size = bytes(item);
        if sum + size > BYTES_MAX && place > start {
            batches.push(&items[start..place]);
            (start, sum) = (place, 0);
        }
        sum += size;
    }
    if start < items.len() {
        batches.push(&items[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_batch_and_no_batch_is_too_large() {
        assert!(batches(&[], |size: &usize| *size).is_empty());
        let cases: [(&[usize], &[&[usize]]); 4] = [
            (&[1, 2], &[&[1, 2]]),
            (&[BYTES_MAX, 1, BYTES_MAX - 1, 1], &[&[BYTES_MAX], &[1, BYTES_MAX - 1], &[1]]),
            (&[BYTES_MAX * 9, 1], &[&[BYTES_MAX * 9], &[1]]),
            (&[1, BYTES_MAX * 9], &[&[1], &[BYTES_MAX * 9]]),
        ];
        for (sizes, expected) in cases {
            assert_eq!(batches(sizes, |size| *size), expected);
        }
    }
}
