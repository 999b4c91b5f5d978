//! Checksummed records in files: `[length][crc32][payload]`, numbers with the little end first.

/// Bytes before each payload.
pub const HEADER_LEN: usize = 8;

/// Appends a record whose payload is what `write` writes. An empty payload is no record: zeroes, which a file
/// system may leave at the end of a file after a power cut, must not look like one.
pub fn put(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER_LEN]);
    write(bytes);
    let payload = &bytes[start + HEADER_LEN..];
    assert!(!payload.is_empty(), "a record needs a payload");
    let length = u32::try_from(payload.len()).expect("records stay below 4 GiB");
    let crc = crc32fast::hash(payload);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
}

/// The payload of the record at the start of `bytes`, if there is a whole one with the right checksum.
pub fn get(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let crc = u32::from_le_bytes(bytes.get(4..HEADER_LEN)?.try_into().ok()?);
    let payload = bytes.get(HEADER_LEN..HEADER_LEN.checked_add(length)?)?;
    (length > 0 && crc32fast::hash(payload) == crc).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_whole_and_unchanged_or_not_there() {
        let mut bytes = Vec::new();
        put(&mut bytes, |b| b.extend_from_slice(b"seventeen"));
        assert_eq!(get(&bytes), Some(&b"seventeen"[..]));
        for cut in 0..bytes.len() {
            assert_eq!(get(&bytes[..cut]), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(get(&flipped), None, "bit {bit}");
        }
        assert_eq!(get(&[0; 64]), None);
    }
}
