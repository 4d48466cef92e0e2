//! WAV files in place of a microphone and a speaker.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use callfield_domain::CallId;
use callfield_media::wav;
use clap::Args;

use crate::audio::{AudioDevice, AudioPort};

/// What a call sounds like.
#[derive(Debug, Args)]
pub(super) struct SoundArguments {
    /// A WAV file to speak into each call, again and again.
    #[arg(long, value_name = "FILE")]
    play: Option<PathBuf>,
    /// Where to write what was heard, as a WAV file; the last call's replaces the one before.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl SoundArguments {
    /// The microphone and the speaker.
    ///
    /// # Errors
    /// If the file to speak cannot be read.
    pub(super) fn port(&self) -> anyhow::Result<Arc<dyn AudioPort>> {
        Ok(Arc::new(WavAudio::new(self.play.as_deref(), self.record.clone())?))
    }
}

/// Speaks one file into each call and writes what it hears into another.
struct WavAudio {
    speech: Arc<[i16]>,
    record: Option<PathBuf>,
}

impl WavAudio {
    fn new(play: Option<&Path>, record: Option<PathBuf>) -> anyhow::Result<Self> {
        let speech = match play {
            None => Vec::new(),
            Some(path) => {
                let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
                wav::read(BufReader::new(file)).with_context(|| format!("{} cannot be played", path.display()))?
            }
        };
        Ok(Self { speech: speech.into(), record })
    }
}

impl AudioPort for WavAudio {
    fn open(&self, _call: CallId) -> Box<dyn AudioDevice> {
        Box::new(WavCall { speech: Arc::clone(&self.speech), at: 0, heard: Vec::new(), record: self.record.clone() })
    }
}

struct WavCall {
    speech: Arc<[i16]>,
    at: usize,
    heard: Vec<i16>,
    record: Option<PathBuf>,
}

impl AudioDevice for WavCall {
    fn capture(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            *sample = self.speech.get(self.at).copied().unwrap_or_default();
            self.at = (self.at + 1) % self.speech.len().max(1);
        }
    }

    fn play(&mut self, pcm: &[i16]) {
        if self.record.is_some() {
            self.heard.extend_from_slice(pcm);
        }
    }
}

impl Drop for WavCall {
    fn drop(&mut self) {
        let Some(path) = &self.record else { return };
        let written = File::create(path).map_err(wav::WavError::from);
        if let Err(error) = written.and_then(|file| wav::write(BufWriter::new(file), &self.heard)) {
            tracing::error!(%error, "what was heard cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Random, Seed, Timestamp};

    use super::*;

    #[test]
    fn a_call_speaks_its_file_again_and_again_and_keeps_what_it_hears() {
        let folder = tempfile::tempdir().unwrap();
        let (play, record) = (folder.path().join("in.wav"), folder.path().join("out.wav"));
        wav::write(File::create(&play).unwrap(), &[1, 2, 3]).unwrap();
        let audio = WavAudio::new(Some(&play), Some(record.clone())).unwrap();
        let mut call = audio.open(CallId::new(Timestamp::ZERO, &mut Random::new(Seed::from_number(1))));
        let mut spoken = [0; 5];
        call.capture(&mut spoken);
        call.play(&[7, 8]);
        drop(call);
        assert_eq!(spoken, [1, 2, 3, 1, 2]);
        assert_eq!(wav::read(File::open(&record).unwrap()).unwrap(), [7, 8]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_clear_error() {
        let error = WavAudio::new(Some(Path::new("nowhere.wav")), None).err().unwrap();
        assert_eq!(error.to_string(), "nowhere.wav cannot be opened");
    }
}
