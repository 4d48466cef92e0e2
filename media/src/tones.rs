//! Making a tone and measuring one: how the demo knows that what was said is what was heard.

use std::f64::consts::TAU;

/// A sine of `hz` at `rate_hz` samples a second, with this peak amplitude.
pub fn sine(hz: f64, rate_hz: u32, amplitude: i16, samples: usize) -> Vec<i16> {
    let step = TAU * hz / f64::from(rate_hz);
    // A float cast saturates.
    (0..samples).map(|n| (f64::from(amplitude) * (step * n as f64).sin()).round() as i16).collect()
}

/// The share of the samples' power that lies at `hz`: 1 for a pure tone, near 0 for noise, other tones and silence.
///
/// One Goertzel filter over all samples, so it tells tones apart that are more than `rate_hz / samples.len()` Hz away.
pub fn tone_share(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let total: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hz / f64::from(rate_hz)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power / (total * samples.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use callfield_domain::{Random, Seed};

    #[test]
    fn a_tone_is_found_at_its_own_frequency_only() {
        let tone = sine(440.0, 8000, 9000, 8000);
        assert!(tone_share(&tone, 8000, 440.0) > 0.99);
        assert!(tone_share(&tone, 8000, 880.0) < 0.01);
        assert!(tone_share(&tone, 8000, 450.0) < 0.01);
    }

    #[test]
    fn noise_and_silence_are_no_tone() {
        let mut random = Random::new(Seed::from_number(1));
        let noise: Vec<i16> = (0..8000).map(|_| random.below(20000) as i16 - 10000).collect();
        assert!(tone_share(&noise, 8000, 440.0) < 0.01);
        assert!(tone_share(&[0; 8000], 8000, 440.0) == 0.0);
        assert!(tone_share(&[], 8000, 440.0) == 0.0);
    }

    #[test]
    fn half_noise_is_about_half_a_tone() {
        let mut random = Random::new(Seed::from_number(2));
        // Uniform noise of ±a has the power of a sine of peak a · √(2/3).
        let mixed: Vec<i16> =
            sine(1000.0, 8000, 8165, 16000).iter().map(|&s| s + random.below(20001) as i16 - 10000).collect();
        let share = tone_share(&mixed, 8000, 1000.0);
        assert!((0.45..0.55).contains(&share), "{share}");
    }
}
