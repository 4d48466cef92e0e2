//! Session descriptions in the manner of real devices, with documentation addresses; lines end in LF for legibility.

/// The caller of the demo and of many PBXs.
pub(crate) const PBX: &str = "v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv";

/// Name, text, and what is understood: codecs with payload types, events, address, direction, keys, ptime, rtcp-mux.
pub(crate) const OFFERS: &[(&str, &str, &str)] = &[
    ("pbx", PBX, "PCMU=0 PCMA=8 events=101 192.0.2.1:4000 sendrecv plain 20"),
    (
        "asterisk chan_pjsip",
        "v=0
o=- 1863237341 1863237341 IN IP4 192.0.2.2
s=Asterisk
c=IN IP4 192.0.2.2
t=0 0
m=audio 17034 RTP/AVP 8 0 3 9 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:3 GSM/8000
a=rtpmap:9 G722/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:150
a=sendrecv
a=rtcp-mux",
        "PCMA=8 PCMU=0 events=101 192.0.2.2:17034 sendrecv plain 20 mux",
    ),
    (
        "freeswitch, no rtpmap for static types",
        "v=0
o=FreeSWITCH 1700000000 1700000001 IN IP4 192.0.2.3
s=FreeSWITCH
c=IN IP4 192.0.2.3
t=0 0
m=audio 24310 RTP/AVP 0 8 101 13
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap:13 CN/8000
a=ptime:20",
        "PCMU=0 PCMA=8 events=101 192.0.2.3:24310 sendrecv plain 20",
    ),
    (
        "desk phone, RTP/SAVP with two suites, optional RTP/AVP line after it",
        "v=0
o=root 1234 1234 IN IP4 192.0.2.4
s=call
c=IN IP4 192.0.2.4
t=0 0
m=audio 50002 RTP/SAVP 9 0 8 101
a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^31
a=rtpmap:9 g722/8000
a=rtpmap:0 pcmu/8000
a=rtpmap:8 pcma/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=encryption:optional
a=sendrecv
m=audio 50004 RTP/AVP 0 8
a=sendrecv",
        "PCMU=0 PCMA=8 events=101 192.0.2.4:50002 sendrecv key:2 -",
    ),
    (
        "plain line first, keyed line second",
        "v=0
o=- 77 77 IN IP4 192.0.2.5
s=-
c=IN IP4 192.0.2.5
t=0 0
m=audio 30000 RTP/AVP 0 101
a=rtpmap:101 telephone-event/8000
m=audio 30002 RTP/SAVP 0 101
a=rtpmap:101 telephone-event/8000
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "PCMU=0 events=101 192.0.2.5:30002 sendrecv key:1 -",
    ),
    (
        "softphone, RTP/AVP with a=crypto, Opus and telephone-event at two clocks",
        "v=0
o=softphone 3812 2317 IN IP4 192.0.2.6
s=Talk
c=IN IP4 192.0.2.6
b=AS:380
t=0 0
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
m=audio 7078 RTP/AVP 96 97 98 0 8 101 99
c=IN IP4 192.0.2.66
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:97 speex/16000
a=rtpmap:98 speex/8000
a=rtpmap:101 telephone-event/48000
a=rtpmap:99 telephone-event/8000
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
        "PCMU=0 PCMA=8 events=99 192.0.2.66:7078 sendrecv key:1 -",
    ),
    (
        "enterprise gateway, G.729 first, comfort noise, ptime 30",
        "v=0
o=CiscoSystemsSIP-GW-UserAgent 7531 4431 IN IP4 192.0.2.7
s=SIP Call
c=IN IP4 192.0.2.7
t=0 0
m=audio 16566 RTP/AVP 18 0 101 19
c=IN IP4 192.0.2.7
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtpmap:19 CN/8000
a=ptime:30",
        "PCMU=0 events=101 192.0.2.7:16566 sendrecv plain 30",
    ),
    (
        "carrier gateway of Japan, PCMU only, no events, bandwidth lines",
        "v=0
o=- 82664419472 82664419472 IN IP4 192.0.2.8
s=-
c=IN IP4 192.0.2.8
b=AS:64
t=0 0
m=audio 10000 RTP/AVP 0
b=AS:64
a=rtpmap:0 PCMU/8000
a=ptime:20
a=sendrecv",
        "PCMU=0 192.0.2.8:10000 sendrecv plain 20",
    ),
    (
        "no t= line, no s= line",
        "v=0
o=user1 53655765 2353687637 IN IP4 192.0.2.9
c=IN IP4 192.0.2.9
m=audio 6000 RTP/AVP 0
a=rtpmap:0 PCMU/8000",
        "PCMU=0 192.0.2.9:6000 sendrecv plain -",
    ),
    (
        "IPv6, dynamic type for A-law, channels stated",
        "v=0
o=- 5 5 IN IP6 2001:db8::5
s=-
c=IN IP6 2001:db8::5
t=0 0
m=audio 40404 RTP/AVP 96 97
a=rtpmap:96 PCMA/8000/1
a=rtpmap:97 TELEPHONE-EVENT/8000
a=ptime:20.0",
        "PCMA=96 events=97 [2001:db8::5]:40404 sendrecv plain 20",
    ),
    (
        "hold, sendonly at session level",
        "v=0
o=- 5 6 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
a=sendonly
m=audio 4000 RTP/AVP 0",
        "PCMU=0 192.0.2.10:4000 sendonly plain - hold",
    ),
    (
        "hold, inactive wins over the session's sendrecv",
        "v=0
o=- 5 6 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
a=sendrecv
m=audio 4000 RTP/AVP 0
a=inactive",
        "PCMU=0 192.0.2.10:4000 inactive plain - hold",
    ),
    (
        "old-style hold",
        "v=0
o=- 5 6 IN IP4 192.0.2.11
s=-
c=IN IP4 0.0.0.0
t=0 0
m=audio 4000 RTP/AVP 8 101
a=rtpmap:101 telephone-event/8000",
        "PCMA=8 events=101 - sendonly plain - hold",
    ),
    (
        "media server, audio off and fax on",
        "v=0
o=- 9 9 IN IP4 192.0.2.12
s=-
c=IN IP4 192.0.2.12
t=0 0
m=audio 0 RTP/AVP 8
m=image 5000 udptl t38
a=T38FaxVersion:0",
        "PCMA=8 - sendrecv plain - hold off",
    ),
    (
        "video beside audio, host name for an address, feedback profile",
        "v=0
o=- 10 10 IN IP4 media.example.com
s=Mötley
c=IN IP4 media.example.com
t=0 0
m=video 5002 RTP/AVPF 99
a=rtpmap:99 H264/90000
m=audio 5000 RTP/AVPF 0
a=rtcp-fb:* nack",
        "PCMU=0 - sendrecv plain -",
    ),
    (
        "keyed offer with feedback profile, two ports and a window hint",
        "v=0
o=- 11 11 IN IP4 192.0.2.13
s=-
t=3034423619 0
m=audio 5000/2 RTP/SAVPF 8
c=IN IP4 192.0.2.13
a=crypto:10 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz WSH=64",
        "PCMA=8 192.0.2.13:5000 sendrecv key:10 -",
    ),
    (
        "telephone-event only after unknown codecs, trailing blanks",
        "v=0
o=sipp 53655765 2353687637 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1 
t=0 0 
m=audio 6000 RTP/AVP 8 102 
a=rtpmap:8 PCMA/8000 
a=rtpmap:102 telephone-event/8000 
a=fmtp:102 0-11,16 
",
        "PCMA=8 events=102 127.0.0.1:6000 sendrecv plain -",
    ),
];

/// Name, text and the error's name.
pub(crate) const REFUSED: &[(&str, &str, &str)] = &[
    ("empty", "", "Syntax"),
    ("not SDP", "{\"type\":\"offer\"}", "Syntax"),
    ("no media", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0", "NoAudio"),
    ("video only", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=video 5000 RTP/AVP 99", "NoAudio"),
    ("browser", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0", "Profile"),
    ("wide band only", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 9000 RTP/AVP 9 18", "NoCodec"),
    ("port too high", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 70000 RTP/AVP 0", "Syntax"),
];
