//! Compressed bodies, decoded no further than the first byte past the limit.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use tokio::sync::Semaphore;

use super::BodyError;

/// Most compressed bytes that are decoded where they arrive. Made to be slow, a kilobyte of gzip costs some
/// hundred microseconds.
pub(super) const DECODED_AT_ONCE: usize = 16 * 1024;

/// More than that is decoded one body after the other, whoever sent them, so that whoever sends many has one
/// processor and not all.
static LONG_DECODING: Semaphore = Semaphore::const_new(1);

pub(super) async fn decode_gzip(sent: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    if sent.len() <= DECODED_AT_ONCE {
        return inflate(&sent, limit);
    }
    let turn = LONG_DECODING.acquire().await;
    let decode = move || {
        let decoded = inflate(&sent, limit);
        drop(turn);
        decoded
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    decoded.unwrap_or(Err(BodyError::EncodingInvalid))
}

fn inflate(sent: &[u8], limit: usize) -> Result<Bytes, BodyError> {
    let mut decoded = Vec::new();
    let one_too_many = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut member = GzDecoder::new(sent).take(one_too_many);
    member
        .read_to_end(&mut decoded)
        .map_err(|_invalid| BodyError::EncodingInvalid)?;
    if decoded.len() > limit {
        return Err(BodyError::TooLargeAfterDecoding { limit });
    }
    if member.into_inner().into_inner().is_empty() {
        Ok(Bytes::from(decoded))
    } else {
        Err(BodyError::EncodingInvalid)
    }
}
