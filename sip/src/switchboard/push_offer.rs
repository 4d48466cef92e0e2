//! Where a foreign softphone says that it is woken: in the URI of its Contact, by RFC 8599 or as Linphone has it.
//!
//! - RFC 8599: `pn-provider`, `pn-param` and `pn-prid`. `pn-provider` alone asks what is supported.
//! - Linphone names both tokens of an iPhone in one: `pn-param=TEAM.app.remote&voip`,
//!   `pn-prid=TOKEN:remote&TOKEN:voip`, and Apple's sandbox `apns.dev`.
//! - Before there was an RFC: `app-id`, `pn-type` (`apple`, `firebase`…) and `pn-tok`.

use std::borrow::Cow;

use crate::message::NameAddr;
use crate::uri::Uri;

/// The parameters of a Contact URI that are between a softphone and its edge.
const PARAMETERS: &[&str] = &[
    "app-id",
    "pn-type",
    "pn-tok",
    "pn-msg-str",
    "pn-call-str",
    "pn-groupcall-str",
    "pn-call-snd",
    "pn-msg-snd",
    "pn-timeout",
    "pn-silent",
    "pn-call-remote-push-interval",
];
const PREFIX: &str = "pn-";
/// More is no token of any service.
const TOKEN_MAX: usize = 1_024;

/// A push service that foreign softphones may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushProvider {
    /// Apple's, for apps from the store.
    Apns,
    /// Apple's, for apps under development.
    ApnsSandbox,
    /// Google's.
    Fcm,
}

/// Where a foreign softphone is woken.
#[derive(Clone, PartialEq, Eq)]
pub struct PushOffer {
    /// Which of its account's installations it is.
    pub installation: Installation,
    /// Whose service.
    pub provider: PushProvider,
    /// The team of the app at Apple, if it was named.
    pub team: Option<String>,
    /// Apple's bundle id, or Google's project.
    pub app: String,
    /// What rings it: of Apple's two tokens the one for VoIP pushes.
    pub wake_token: Option<String>,
    /// What makes it register again without a call: Apple's token for all other pushes, else that of Google.
    pub quiet_token: Option<String>,
}

/// Hides the tokens.
impl std::fmt::Debug for PushOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushOffer({:?} {})", self.provider, self.app)
    }
}

/// Which installation a Contact belongs to (RFC 5626): never by host and port, which change with the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installation {
    /// `+sip.instance`; empty if none was named.
    pub instance: String,
    /// `reg-id`; 0 if none was named.
    pub reg_id: u32,
}

/// What a Contact says about pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PushWish {
    /// Nothing: whoever it is, is not woken.
    Nothing,
    /// Which services are there? Or only: is this one?
    Query(Option<PushProvider>),
    /// Here I am woken.
    Offer(Box<PushOffer>),
    /// A service that nobody here speaks to.
    Unsupported,
    /// It cannot be read.
    Unusable,
}

impl PushProvider {
    fn named(name: &str) -> Option<Self> {
        [("apns", Self::Apns), ("apns.dev", Self::ApnsSandbox), ("fcm", Self::Fcm)]
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, provider)| provider)
    }

    /// As `pn-provider` and `+sip.pns` name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::ApnsSandbox => "apns.dev",
            Self::Fcm => "fcm",
        }
    }
}

impl Installation {
    pub(super) fn of(contact: &NameAddr) -> Self {
        let params = contact.params();
        let instance = params.unquoted("+sip.instance").map(Cow::into_owned).unwrap_or_default();
        Self { instance, reg_id: params.get("reg-id").and_then(|id| id.parse().ok()).unwrap_or_default() }
    }
}

impl PushWish {
    pub(super) fn of(contact: &NameAddr) -> Self {
        let Ok(uri) = contact.uri() else { return Self::Nothing };
        let read = |name: &str| uri.param(name).map(unescaped).filter(|value| !value.is_empty());
        let installation = Installation::of(contact);
        if uri.params().has("pn-provider") {
            return Self::of_rfc_8599(installation, read);
        }
        if uri.params().has("pn-tok") { Self::of_old(installation, read) } else { Self::Nothing }
    }

    fn of_rfc_8599<'a>(installation: Installation, read: impl Fn(&str) -> Option<Cow<'a, str>>) -> Self {
        let Some(provider) = read("pn-provider") else { return Self::Query(None) };
        let Some(provider) = PushProvider::named(&provider) else { return Self::Unsupported };
        let Some(prid) = read("pn-prid") else { return Self::Query(Some(provider)) };
        let Some(param) = read("pn-param") else { return Self::Unusable };
        let offer = PushOffer {
            installation,
            provider,
            team: None,
            app: param.clone().into_owned(),
            wake_token: None,
            quiet_token: None,
        };
        let offer = if provider == PushProvider::Fcm {
            PushOffer { wake_token: Some(prid.to_string()), quiet_token: Some(prid.into_owned()), ..offer }
        } else {
            let Some((team, topic)) = param.split_once('.') else { return Self::Unusable };
            let (app, is_voip) = app_of(topic);
            let (wake_token, quiet_token) = tokens_of(&prid, is_voip);
            PushOffer { team: Some(team.to_owned()), app: app.to_owned(), wake_token, quiet_token, ..offer }
        };
        offer.checked()
    }

    fn of_old<'a>(installation: Installation, read: impl Fn(&str) -> Option<Cow<'a, str>>) -> Self {
        let (Some(service), Some(app), Some(token)) = (read("pn-type"), read("app-id"), read("pn-tok")) else {
            return Self::Unusable;
        };
        let (token, team) = (token.into_owned(), None);
        let offer = match service.to_ascii_lowercase().as_str() {
            "firebase" | "google" => {
                let (wake_token, quiet_token) = (Some(token.clone()), Some(token));
                let (provider, app) = (PushProvider::Fcm, app.into_owned());
                PushOffer { installation, provider, team, app, wake_token, quiet_token }
            }
            "apple" => {
                let sandbox = app.strip_suffix(".dev").map(|app| (app, PushProvider::ApnsSandbox));
                let store = app.strip_suffix(".prod").map(|app| (app, PushProvider::Apns));
                let (app, provider) = sandbox.or(store).unwrap_or((&app, PushProvider::Apns));
                let (app, is_voip) = app.strip_suffix(".voip").map_or((app, false), |app| (app, true));
                let (wake_token, quiet_token) = if is_voip { (Some(token), None) } else { (None, Some(token)) };
                PushOffer { installation, provider, team, app: app.to_owned(), wake_token, quiet_token }
            }
            _ => return Self::Unsupported,
        };
        offer.checked()
    }
}

impl PushOffer {
    fn checked(self) -> PushWish {
        if self.is_usable() { PushWish::Offer(Box::new(self)) } else { PushWish::Unusable }
    }

    fn is_usable(&self) -> bool {
        let tokens = [&self.wake_token, &self.quiet_token].into_iter().flatten();
        tokens.clone().count() > 0 && tokens.chain([&self.app]).all(|text| is_plausible(text))
    }
}

fn is_plausible(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

/// The bundle id of a topic, and whether the topic is that of VoIP pushes alone. Linphone lists what it has tokens for in the
/// last part.
fn app_of(topic: &str) -> (&str, bool) {
    match topic.rsplit_once('.') {
        Some((app, services)) if services.split('&').all(|service| service == "voip" || service == "remote") => {
            (app, services == "voip")
        }
        _ => (topic, false),
    }
}

/// The token that rings, and the one that does not: `TOKEN:remote&TOKEN:voip`, or one that is what its topic says.
fn tokens_of(prid: &str, is_voip: bool) -> (Option<String>, Option<String>) {
    let (mut wake, mut quiet) = (None, None);
    for part in prid.split('&') {
        let (token, service) = part.split_once(':').unwrap_or((part, if is_voip { "voip" } else { "remote" }));
        let place = if service == "voip" { &mut wake } else { &mut quiet };
        *place = Some(token.to_owned());
    }
    (wake, quiet)
}

fn unescaped(value: &str) -> Cow<'_, str> {
    crate::uri::decode(value)
}

/// A Contact URI without what is between the softphone and its edge: a token is nobody else's business.
pub(super) fn without_push(uri: &Uri) -> Uri {
    let is_ours = |name: &str| name.to_ascii_lowercase().starts_with(PREFIX) || PARAMETERS.contains(&name);
    let ours: Vec<String> =
        uri.params().iter().map(|(name, _)| name).filter(|name| is_ours(name)).map(str::to_owned).collect();
    ours.iter().fold(uri.clone(), |uri, name| uri.without_param(name))
}
