//! Sound that a test can tell from silence: one tone spoken, everything heard kept.

use std::time::Duration;

use callfield_domain::CallId;
use callfield_media::session::RATE_HZ;
use callfield_media::tones::{sine, tone_share};
use callfield_mobile_core::audio::{AudioDevice, AudioPort};
use tokio::sync::watch;
use tokio::time::timeout;

/// A fifth of a second.
const LONG_ENOUGH: usize = RATE_HZ as usize / 5;

/// A microphone that hears a tone, and a speaker.
pub(crate) struct Tone {
    hz: f64,
    heard: watch::Sender<Vec<i16>>,
}

/// What came out of a speaker.
pub(crate) struct Heard(watch::Receiver<Vec<i16>>, usize);

impl Tone {
    pub(crate) fn new(hz: f64) -> (Self, Heard) {
        let (heard, receiver) = watch::channel(Vec::new());
        (Self { hz, heard }, Heard(receiver, 0))
    }

    pub(crate) fn device(&self) -> Box<dyn AudioDevice> {
        // A second of a whole number of hertz ends where it began.
        let tone = sine(self.hz, RATE_HZ, 12_000, RATE_HZ as usize);
        Box::new(Ends { tone, at: 0, heard: self.heard.clone() })
    }
}

impl AudioPort for Tone {
    fn open(&self, _call: CallId) -> Box<dyn AudioDevice> {
        self.device()
    }
}

struct Ends {
    tone: Vec<i16>,
    at: usize,
    heard: watch::Sender<Vec<i16>>,
}

impl AudioDevice for Ends {
    fn capture(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            *sample = self.tone[self.at];
            self.at = (self.at + 1) % self.tone.len();
        }
    }

    fn play(&mut self, pcm: &[i16]) {
        self.heard.send_modify(|heard| heard.extend_from_slice(pcm));
    }
}

impl Heard {
    /// What was heard so far does not count.
    pub(crate) fn forget(&mut self) {
        self.1 = self.0.borrow().len();
    }

    /// Returns once the tone was heard.
    pub(crate) async fn tone(&mut self, hz: f64) {
        let from = self.1;
        let is_heard = |pcm: &Vec<i16>| pcm[from..].rchunks(LONG_ENOUGH).next().is_some_and(|last| is_tone(last, hz));
        timeout(Duration::from_secs(10), self.0.wait_for(is_heard)).await.unwrap().unwrap();
    }
}

/// Whether this is the tone and long enough to be told from others.
pub(crate) fn is_tone(pcm: &[i16], hz: f64) -> bool {
    pcm.len() >= LONG_ENOUGH && tone_share(pcm, RATE_HZ, hz) > 0.9
}
