//! Media without sockets: SDP, RTP, SRTP, the relay and WAV files.
