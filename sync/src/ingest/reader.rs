//! Reading the small pieces a chunk is made of: LEB128 numbers and prefixed bytes.

use super::Rejection;

/// The bytes end too early, or a number is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short;

impl From<Short> for Rejection {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length or a count; what it counts has at least one byte each, so more than what is left is an error.
    pub(super) fn length(&mut self) -> Result<usize, Short> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| Short)?;
        if length > self.0.len() { Err(Short) } else { Ok(length) }
    }

    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Short> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, Short> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Short)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Short> {
        let mut value = 0_i64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let is_negative = byte & 0x40 != 0;
                return Ok(if is_negative { value | (-1_i64 << (shift + 7)) } else { value });
            }
        }
        Err(Short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_leb128() {
        assert_eq!(Reader::new(&[0xe5, 0x8e, 0x26]).unsigned(), Ok(624_485));
        assert_eq!(Reader::new(&[0xc0, 0xbb, 0x78]).signed(), Ok(-123_456));
        assert_eq!(Reader::new(&[0x7f]).signed(), Ok(-1));
        assert_eq!(Reader::new(&[0x80]).unsigned(), Err(Short));
        assert_eq!(Reader::new(&[0xff; 11]).unsigned(), Err(Short));
        assert_eq!(Reader::new(&[0xff; 11]).signed(), Err(Short));
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error() {
        assert_eq!(Reader::new(&[2, 1]).prefixed(), Err(Short));
        assert_eq!(Reader::new(&[2, 1, 7]).prefixed(), Ok(&[1, 7][..]));
    }
}
