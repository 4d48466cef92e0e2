//! WAV files in and out.

use std::io::Cursor;

use callfield_media::session::RATE_HZ;
use callfield_media::tones::{sine, tone_share};
use callfield_media::wav::{self, WavError};
use hound::{SampleFormat, WavSpec, WavWriter};

fn file(channels: u16, sample_rate: u32, bits_per_sample: u16, samples: &[i32]) -> Vec<u8> {
    let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn what_is_written_is_read_back() {
    let pcm = sine(440.0, RATE_HZ, 12_000, 4000);
    assert_eq!(wav::read(&wav::to_bytes(&pcm).unwrap()[..]).unwrap(), pcm);
    assert!(wav::read(&wav::to_bytes(&[]).unwrap()[..]).unwrap().is_empty());
}

#[test]
fn other_rates_widths_and_two_channels_become_8_khz_mono() {
    let tone: Vec<i32> = sine(440.0, 48_000, 12_000, 48_000).into_iter().map(i32::from).collect();
    let stereo: Vec<i32> = tone.iter().flat_map(|&sample| [sample << 8, sample << 8]).collect();
    let pcm = wav::read(&file(2, 48_000, 24, &stereo)[..]).unwrap();
    assert_eq!(pcm.len(), 8000);
    assert!(tone_share(&pcm, RATE_HZ, 440.0) > 0.99);
    assert!(pcm.iter().max().unwrap() > &11_000);
    assert_eq!(wav::read(&file(1, 8000, 8, &[-128, 0, 127])[..]).unwrap(), [-32768, 0, 32512]);
}

#[test]
fn what_cannot_be_read_says_why() {
    assert!(matches!(wav::read(&file(1, 44_100, 16, &[0; 10])[..]), Err(WavError::Rate(44_100))));
    assert!(matches!(wav::read(&file(6, 8000, 16, &[0; 12])[..]), Err(WavError::Format { channels: 6, bits: 16 })));
    assert!(matches!(wav::read(&b"ID3 not a wave"[..]), Err(WavError::Broken)));
    let whole = file(1, 8000, 16, &[0; 100]);
    assert!(matches!(wav::read(&whole[..100]), Err(WavError::Broken)));
}
