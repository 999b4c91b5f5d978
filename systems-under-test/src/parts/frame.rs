//! Length-prefixed JSON: four bytes of length, big end first, then one JSON value.

use std::io;

use serde::Serialize;
use tokio_util::bytes::{BufMut, BytesMut};
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// No message is longer; a longer one is a broken or foreign peer.
const LONGEST: usize = 256 * 1024 * 1024;

/// Cuts a stream of bytes into messages, and messages into bytes. A message is handed out as its JSON text, so that
/// whoever reads it can borrow from it.
#[derive(Debug)]
pub struct Frames(LengthDelimitedCodec);

impl Default for Frames {
    fn default() -> Self {
        Frames(LengthDelimitedCodec::builder().max_frame_length(LONGEST).new_codec())
    }
}

impl Decoder for Frames {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        self.0.decode(bytes)
    }
}

impl<T: Serialize> Encoder<&T> for Frames {
    type Error = io::Error;

    fn encode(&mut self, message: &T, bytes: &mut BytesMut) -> io::Result<()> {
        put(message, bytes)
    }
}

/// Appends a message as one frame.
pub fn put<T: Serialize>(message: &T, bytes: &mut BytesMut) -> io::Result<()> {
    put_with(bytes, |mut writer| serde_json::to_writer(&mut writer, message).map_err(io::Error::from))
}

/// Appends what `write` writes as one frame.
pub fn put_with(
    bytes: &mut BytesMut,
    write: impl FnOnce(tokio_util::bytes::buf::Writer<&mut BytesMut>) -> io::Result<()>,
) -> io::Result<()> {
    let start = bytes.len();
    bytes.put_u32(0);
    let written = write((&mut *bytes).writer());
    let length = bytes.len() - start - 4;
    if written.is_err() || length > LONGEST {
        bytes.truncate(start);
        return written.and(Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long for a frame")));
    }
    bytes[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in_whatever_the_pieces() {
        let mut bytes = BytesMut::new();
        for i in 0..5 {
            Frames::default().encode(&vec!["x"; i], &mut bytes).expect("encodes");
        }
        let whole = bytes.to_vec();
        for piece in 1..whole.len() {
            let (mut codec, mut buffer, mut messages) = (Frames::default(), BytesMut::new(), Vec::new());
            for chunk in whole.chunks(piece) {
                buffer.extend_from_slice(chunk);
                while let Some(frame) = codec.decode(&mut buffer).expect("decodes") {
                    messages.push(serde_json::from_slice::<Vec<String>>(&frame).expect("JSON").len());
                }
            }
            assert_eq!(messages, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_length_beyond_all_reason_is_an_error() {
        let mut bytes = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 0][..]);
        assert!(Frames::default().decode(&mut bytes).is_err());
    }
}
