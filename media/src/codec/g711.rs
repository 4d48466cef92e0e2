//! G.711: µ-law and A-law, by arithmetic (ITU-T G.711, tables 1a to 2b).

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32635;

/// One 16-bit sample as a µ-law byte.
pub(super) fn encode_ulaw(sample: i16) -> u8 {
    let sample = i32::from(sample);
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.abs().min(ULAW_CLIP) + ULAW_BIAS;
    let segment = magnitude.ilog2() - 7;
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | low_byte(segment) << 4 | low_byte(mantissa))
}

/// One µ-law byte as a 16-bit sample.
pub(super) fn decode_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte >> 4) & 7;
    let magnitude = (((i32::from(byte & 0x0f) << 3) + ULAW_BIAS) << segment) - ULAW_BIAS;
    signed(byte & 0x80 != 0, magnitude)
}

/// One 16-bit sample as an A-law byte.
pub(super) fn encode_alaw(sample: i16) -> u8 {
    let sample = i32::from(sample);
    let sign = if sample < 0 { 0 } else { 0x80 };
    // A-law is symmetric about -0.5: the 13-bit value of -1 is the negative zero.
    let magnitude = if sample < 0 { -(sample + 1) } else { sample };
    let code = if magnitude < 256 {
        low_byte(magnitude >> 4)
    } else {
        let segment = magnitude.ilog2() - 7;
        low_byte(segment) << 4 | low_byte((magnitude >> (segment + 3)) & 0x0f)
    };
    (sign | code) ^ 0x55
}

/// One A-law byte as a 16-bit sample.
pub(super) fn decode_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0f));
    let magnitude = match segment {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (segment - 1),
    };
    signed(byte & 0x80 == 0, magnitude)
}

fn signed(is_negative: bool, magnitude: i32) -> i16 {
    i16::try_from(if is_negative { -magnitude } else { magnitude }).expect("G.711 magnitudes end at 32256")
}

fn low_byte(value: impl TryInto<u8>) -> u8 {
    value.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_of_the_standard_come_out() {
        // G.711 table 2a/2b: silence, the decision values at the ends, and the first code each side of zero.
        assert_eq!((encode_ulaw(0), encode_ulaw(i16::MAX), encode_ulaw(i16::MIN)), (0xff, 0x80, 0x00));
        assert_eq!((decode_ulaw(0xff), decode_ulaw(0x7f), decode_ulaw(0x80), decode_ulaw(0x00)), (0, 0, 32124, -32124));
        assert_eq!(
            (encode_alaw(0), encode_alaw(-1), encode_alaw(i16::MAX), encode_alaw(i16::MIN)),
            (0xd5, 0x55, 0xaa, 0x2a)
        );
        assert_eq!(
            (decode_alaw(0xd5), decode_alaw(0x55), decode_alaw(0xaa), decode_alaw(0x2a)),
            (8, -8, 32256, -32256)
        );
    }

    #[test]
    fn decoding_and_encoding_gives_every_code_back() {
        for byte in 0..=255 {
            assert_eq!(encode_alaw(decode_alaw(byte)), byte, "A-law {byte:#04x}");
            // µ-law has two zeros; the negative one becomes the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode_ulaw(decode_ulaw(byte)), expected, "µ-law {byte:#04x}");
        }
    }

    #[test]
    fn a_louder_sample_never_decodes_quieter_and_errors_stay_within_half_a_step() {
        let (mut last_u, mut last_a) = (i16::MIN, i16::MIN);
        for sample in i16::MIN..=i16::MAX {
            let (u, a) = (decode_ulaw(encode_ulaw(sample)), decode_alaw(encode_alaw(sample)));
            assert!(u >= last_u && a >= last_a, "monotone at {sample}");
            (last_u, last_a) = (u, a);
            let magnitude = i32::from(sample).abs();
            // A step is 1/16 of its segment; the smallest is 8 (µ-law) or 16 (A-law).
            let half_step = (magnitude + 132) / 32 + 8;
            if magnitude < 32000 {
                assert!((i32::from(u) - i32::from(sample)).abs() <= half_step, "µ-law {sample} → {u}");
                assert!((i32::from(a) - i32::from(sample)).abs() <= half_step, "A-law {sample} → {a}");
            }
        }
    }
}
