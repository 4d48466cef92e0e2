//! Tones into WAV files, and how much of what was heard is the tone that was played.

use std::path::Path;

use anyhow::{Context, Result};
use callfield_media::{tones, wav};

/// Frames a second.
const RATE_HZ: u32 = 8_000;
/// Samples of what was heard that are looked at together: 100 ms.
const WINDOW: usize = 800;
/// How long a tone that is played from a file lasts.
const TONE_SECONDS: usize = 5;

/// Writes a tone into a WAV file.
pub fn write_tone(path: &Path, hz: f64) -> Result<()> {
    write(path, &tones::sine(hz, RATE_HZ, 12_000, RATE_HZ as usize * TONE_SECONDS))
}

/// Writes 8 kHz mono into a WAV file.
pub fn write(path: &Path, pcm: &[i16]) -> Result<()> {
    std::fs::write(path, wav::to_bytes(pcm)?).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a WAV file.
pub fn read(path: &Path) -> Result<Vec<i16>> {
    let file = std::fs::File::open(path).with_context(|| format!("{} was not written", path.display()))?;
    Ok(wav::read(file)?)
}

/// A tone's share of the energy, 0 to 1, window by window: a packet that was late shifts the phase, and the whole would
/// cancel itself out.
pub fn share_of_tone(pcm: &[i16], hz: f64) -> f64 {
    let windows = pcm.chunks_exact(WINDOW);
    let count = windows.len().max(1) as f64;
    windows.map(|window| tones::tone_share(window, RATE_HZ, hz)).sum::<f64>() / count
}
