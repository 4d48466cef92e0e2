//! How much a change's columns would unpack to, counted without unpacking.

use super::Rejection;
use super::reader::Reader;

/// The most operations in a change (sync.md 5).
pub(super) const MAX_OPERATIONS: u64 = 2_000;
/// The most operations that one change's operations overwrite.
const MAX_OVERWRITTEN: u64 = 8_000;
/// The most bytes of keys, each counted as often as it is used.
const MAX_KEY_BYTES: u64 = 1 << 20;

const GROUP: u64 = 0;
const ACTOR: u64 = 1;
const DELTA: u64 = 3;
const BOOLEAN: u64 = 4;
const STRING: u64 = 5;
const VALUE: u64 = 7;
const DEFLATED: u64 = 8;

/// Walks the column list and the columns; the reader is left behind them.
pub(super) fn check(reader: &mut Reader<'_>) -> Result<(), Rejection> {
    let mut columns = Vec::new();
    for _ in 0..reader.length()? {
        let (specification, length) = (reader.unsigned()?, reader.unsigned()?);
        if specification & DEFLATED != 0 {
            return Err(Rejection::Malformed);
        }
        columns.push((specification, usize::try_from(length).map_err(|_| Rejection::Malformed)?));
    }
    let groups: Vec<_> = columns.iter().filter(|(spec, _)| spec & 7 == GROUP).map(|(spec, _)| spec >> 4).collect();
    for (specification, length) in columns {
        let data = Reader::new(reader.take(length)?);
        let is_grouped = specification & 7 != GROUP && groups.contains(&(specification >> 4));
        let most = if is_grouped { MAX_OVERWRITTEN } else { MAX_OPERATIONS };
        match specification & 7 {
            VALUE => {}
            BOOLEAN => booleans(data, most)?,
            kind => runs(data, kind, most)?,
        }
    }
    Ok(())
}

/// Alternating run lengths.
fn booleans(mut data: Reader<'_>, most: u64) -> Result<(), Rejection> {
    let mut rows = 0_u64;
    while !data.is_at_end() {
        rows = rows.saturating_add(data.unsigned()?);
        if rows > most {
            return Err(Rejection::TooLarge);
        }
    }
    Ok(())
}

/// Runs: a count and a value; zero and a count of nulls; or minus a count and so many values.
fn runs(mut data: Reader<'_>, kind: u64, most: u64) -> Result<(), Rejection> {
    let (mut rows, mut weight) = (0_u64, 0_u64);
    while !data.is_at_end() {
        let count = data.signed()?;
        let (values, repeat) = match count {
            1.. => (1, count.unsigned_abs()),
            0 => (0, data.unsigned()?),
            _ => (count.unsigned_abs(), 1),
        };
        rows = rows.saturating_add(if values == 0 { repeat } else { values.saturating_mul(repeat) });
        if rows > most {
            return Err(Rejection::TooLarge);
        }
        for _ in 0..values {
            weight = weight.saturating_add(value_weight(&mut data, kind)?.saturating_mul(repeat));
        }
        if weight > (if kind == STRING { MAX_KEY_BYTES } else { MAX_OVERWRITTEN }) {
            return Err(Rejection::TooLarge);
        }
    }
    Ok(())
}

/// Skips a value and tells what it weighs: the length of a key, the size of a group.
fn value_weight(data: &mut Reader<'_>, kind: u64) -> Result<u64, Rejection> {
    Ok(match kind {
        GROUP => data.unsigned()?,
        STRING => u64::try_from(data.prefixed()?.len()).unwrap_or(u64::MAX),
        DELTA => {
            data.signed()?;
            0
        }
        ACTOR.. => {
            data.unsigned()?;
            0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_column(specification: u8, data: &[u8]) -> Result<(), Rejection> {
        let column = [&[1, specification, u8::try_from(data.len()).unwrap()], data].concat();
        check(&mut Reader::new(&column))
    }

    #[test]
    fn what_a_change_may_hold_passes() {
        assert_eq!(check_column(0x42, &[0xd0, 0x0f, 1]), Ok(()), "a run of 2,000");
        assert_eq!(check_column(0x42, &[0x7e, 1, 2]), Ok(()), "two different ones");
        assert_eq!(check_column(0x34, &[0xd0, 0x0f]), Ok(()));
        assert_eq!(check_column(0x15, &[0x7f, 5, b't', b'i', b't', b'l', b'e']), Ok(()));
    }

    #[test]
    fn every_way_to_promise_too_much_is_seen() {
        assert_eq!(check_column(0x42, &[0xd1, 0x0f, 1]), Err(Rejection::TooLarge), "2,001 operations");
        assert_eq!(check_column(0x42, &[0, 0xd1, 0x0f]), Err(Rejection::TooLarge), "2,001 nulls");
        assert_eq!(check_column(0x34, &[0xd1, 0x0f]), Err(Rejection::TooLarge), "2,001 flags");
        assert_eq!(check_column(0x70, &[2, 0xc0, 0x3e]), Err(Rejection::TooLarge), "two that overwrite 8,000 each");
        let key = [&[0xd0, 0x0f, 100][..], &[b'k'; 100]].concat();
        assert_eq!(check_column(0x15, &key), Ok(()));
        let mut many = vec![2, 0x15, 103, 0x15, 103];
        many.extend([key.clone(), key].concat());
        assert_eq!(check(&mut Reader::new(&many)), Ok(()));
    }

    #[test]
    fn columns_that_are_deflated_or_cut_short_are_refused() {
        assert_eq!(check_column(0x4a, &[1, 1]), Err(Rejection::Malformed));
        assert_eq!(check(&mut Reader::new(&[1, 0x42, 9, 1])), Err(Rejection::Malformed));
        assert_eq!(check_column(0x42, &[5]), Err(Rejection::Malformed));
    }
}
