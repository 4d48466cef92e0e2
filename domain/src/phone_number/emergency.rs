//! Emergency numbers: they bypass SIP and the records and go to the native dialler.

use super::reading::Reading;

/// Numbers every mobile phone treats as an emergency call, whatever its country (3GPP TS 22.101, section 10).
const EVERYWHERE: &[&str] = &["112", "911"];

/// Regions and the emergency numbers people dial there besides [`EVERYWHERE`].
const BY_REGION: &[(&str, &[&str])] = &[
    ("AE", &["997", "998", "999"]),
    ("AR", &["100", "101", "107"]),
    ("AT", &["122", "133", "144"]),
    ("AU", &["000", "106"]),
    ("BE", &["100", "101"]),
    ("BR", &["190", "192", "193"]),
    ("CH", &["117", "118", "144"]),
    ("CL", &["131", "132", "133"]),
    ("CN", &["110", "119", "120"]),
    ("DE", &["110"]),
    ("ES", &["061", "080", "091"]),
    ("FR", &["15", "17", "18", "114", "115", "119"]),
    ("GB", &["999"]),
    ("HK", &["999"]),
    ("ID", &["110", "113", "118"]),
    ("IE", &["999"]),
    ("IL", &["100", "101", "102"]),
    ("IN", &["100", "101", "102", "108"]),
    ("IT", &["113", "115", "118"]),
    ("JP", &["110", "118", "119"]),
    ("KR", &["112", "119"]),
    ("MY", &["999"]),
    ("NO", &["110", "113"]),
    ("NZ", &["111"]),
    ("PH", &["117"]),
    ("PL", &["997", "998", "999"]),
    ("SG", &["995", "999"]),
    ("TH", &["191", "199", "1669"]),
    ("TW", &["110", "119"]),
    ("VN", &["113", "114", "115"]),
    ("ZA", &["10111", "10177"]),
];

/// Whether `raw`, dialled in `region`, calls an emergency service.
pub fn is_emergency(raw: &str, region: &str) -> bool {
    holds(&Reading::of(raw, region).number, region)
}

/// Whether `number`, digits only, is an emergency number in `region`.
pub(super) fn holds(number: &str, region: &str) -> bool {
    let regional = BY_REGION.iter().find(|(name, _)| name.eq_ignore_ascii_case(region.trim()));
    EVERYWHERE.contains(&number) || regional.is_some_and(|(_, numbers)| numbers.contains(&number))
}
