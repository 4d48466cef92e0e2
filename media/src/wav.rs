//! WAV files as 8 kHz mono PCM: reading from and writing to anything that reads, writes and seeks.

use std::io::{Cursor, ErrorKind, Read, Seek, Write};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use thiserror::Error;

use crate::session::RATE_HZ;

/// The longest file that is read, in seconds.
pub const SECONDS_MAX: u32 = 600;

/// Why a WAV file cannot be read or written.
#[derive(Debug, Error)]
pub enum WavError {
    /// It is not a WAV file, or it ends too early.
    #[error("not a whole WAV file")]
    Broken,
    /// Only 8 to 32-bit whole-number PCM with one or two channels is read.
    #[error("the WAV file has {channels} channels of {bits} bits; 1 or 2 of 8 to 32 whole-number bits are read")]
    Format {
        /// Channels.
        channels: u16,
        /// Bits a sample.
        bits: u16,
    },
    /// Only rates that are a whole multiple of 8 kHz are read.
    #[error("the WAV file has {0} samples a second; 8000, 16000, 24000, 32000 and 48000 are read")]
    Rate(u32),
    /// The file is longer than [`SECONDS_MAX`].
    #[error("the WAV file is longer than {SECONDS_MAX} s")]
    TooLong,
    /// Reading or writing failed underneath.
    #[error("reading or writing the WAV file failed")]
    Io(#[from] std::io::Error),
}

/// Reads a WAV file as 8 kHz mono; two channels are mixed and higher rates averaged down.
pub fn read(from: impl Read) -> Result<Vec<i16>, WavError> {
    let mut reader = WavReader::new(from)?;
    let spec = reader.spec();
    let is_pcm = spec.sample_format == SampleFormat::Int && (8..=32).contains(&spec.bits_per_sample);
    if !is_pcm || !(1..=2).contains(&spec.channels) {
        return Err(WavError::Format { channels: spec.channels, bits: spec.bits_per_sample });
    }
    if !(1..=6).any(|times| times * RATE_HZ == spec.sample_rate && times != 5) {
        return Err(WavError::Rate(spec.sample_rate));
    }
    if reader.duration() > SECONDS_MAX * spec.sample_rate {
        return Err(WavError::TooLong);
    }
    let shift = u32::from(spec.bits_per_sample);
    let samples = reader.samples::<i32>().map(|sample| Ok((i64::from(sample?) << 16) >> shift));
    let samples = samples.collect::<Result<Vec<i64>, hound::Error>>()?;
    // One output sample is the mean of all channels over the input samples it stands for.
    let group = usize::from(spec.channels) * (spec.sample_rate / RATE_HZ) as usize;
    let mean = |group: &[i64]| i16::try_from(group.iter().sum::<i64>() / group.len() as i64).unwrap_or(i16::MAX);
    Ok(samples.chunks(group).map(mean).collect())
}

/// Writes 8 kHz mono PCM as a 16-bit WAV file.
pub fn write(to: impl Write + Seek, pcm: &[i16]) -> Result<(), WavError> {
    let spec = WavSpec { channels: 1, sample_rate: RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::new(to, spec)?;
    for &sample in pcm {
        writer.write_sample(sample)?;
    }
    Ok(writer.finalize()?)
}

/// The bytes of such a file.
pub fn to_bytes(pcm: &[i16]) -> Result<Vec<u8>, WavError> {
    let mut file = Cursor::new(Vec::with_capacity(pcm.len() * 2 + 64));
    write(&mut file, pcm)?;
    Ok(file.into_inner())
}

impl From<hound::Error> for WavError {
    fn from(error: hound::Error) -> Self {
        match error {
            // The reader says "other" when the file ends too early.
            hound::Error::IoError(error) if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Other) => {
                Self::Io(error)
            }
            hound::Error::IoError(_)
            | hound::Error::FormatError(_)
            | hound::Error::TooWide
            | hound::Error::UnfinishedSample
            | hound::Error::Unsupported
            | hound::Error::InvalidSampleFormat => Self::Broken,
        }
    }
}
