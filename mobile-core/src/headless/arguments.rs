//! The words of the command line, and of the lines that a waiting phone reads.

use std::path::PathBuf;

use callfield_domain::{CallId, RecordId};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dialling::DialArguments;
use super::wav_audio::SoundArguments;
use crate::platform::{Platform, PlatformKind};
use crate::transport::api::{PushEnvironment, PushService};

/// A Callfield phone without a screen.
///
/// It is the same core that the apps carry. Enrol it once with a code from the office, let it wait for pushes, and
/// answer, log and edit by typing. Everything it knows is in its data folder.
#[derive(Debug, Parser)]
#[command(name = "callfield-phone", version)]
pub(super) struct Arguments {
    /// The phone's folder: its store, its key, its account.
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Print one JSON object a line instead of text.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Minutes that the phone's local time is ahead of UTC, for follow-ups "tomorrow at 9:00".
    #[arg(long, global = true, value_name = "MINUTES", default_value_t = 0, allow_hyphen_values = true)]
    pub(super) utc_offset: i32,
    /// What to write to standard error, e.g. `warn` or `callfield_mobile_core=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn")]
    pub(super) log: String,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Join a company with a one-time code, and fetch its records.
    Enrol(EnrolArguments),
    /// Sleep until a push comes; ring, and take commands from standard input (type `help`).
    Wait(WaitArguments),
    /// Call a number through the company's line, and talk until somebody hangs up.
    ///
    /// Prints what happens. Succeeds (status 0) if the two talked until one of them hung up; else it ends with status 1
    /// and one sentence on standard error: busy, nobody answered, refused, not reached.
    Dial(DialArguments),
    /// Ask or change something once.
    #[command(flatten)]
    Ask(Ask),
}

/// How to join a company.
#[derive(Debug, Args)]
pub(super) struct EnrolArguments {
    /// The server's URL, e.g. `https://call.example`.
    #[arg(long, value_name = "URL")]
    pub(super) server: String,
    /// A PEM file of certificates to trust beside the bundled ones: a self-signed server's own.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The one-time code.
    #[arg(long, value_name = "CODE")]
    pub(super) code: String,
    /// The control API of the fake push services; without it the phone cannot be woken.
    #[arg(long, value_name = "URL", requires = "push_service")]
    pub(super) push_control: Option<String>,
    /// The push service to be an install of.
    #[arg(long, value_enum, requires = "push_control")]
    pub(super) push_service: Option<ServiceName>,
    /// Which APNs service the token is of.
    #[arg(long, value_enum, default_value_t = EnvironmentName::Production)]
    pub(super) push_environment: EnvironmentName,
    /// What the phone is called in the office's list.
    #[arg(long, value_name = "NAME", default_value = "Headless phone")]
    pub(super) name: String,
    /// What kind of phone it says it is.
    #[arg(long, value_enum, default_value_t = PlatformName::Headless)]
    pub(super) platform: PlatformName,
}

/// How to wait.
#[derive(Debug, Args)]
pub(super) struct WaitArguments {
    /// Answer each call so many milliseconds after it rings.
    #[arg(long, value_name = "MS", conflicts_with = "ring_only")]
    pub(super) answer_after: Option<u64>,
    /// Ring and never answer by itself (the default; `answer` on standard input still does).
    #[arg(long)]
    pub(super) ring_only: bool,
    #[command(flatten)]
    pub(super) sound: SoundArguments,
}

/// A line typed while the phone waits.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_flag = true)]
pub(super) struct TypedLine {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Typed,
}

/// What can be typed while the phone waits.
#[derive(Debug, Subcommand)]
pub(super) enum Typed {
    /// Call a number through the company's line.
    Dial {
        /// The number as a person writes it, or an extension of the company.
        number: String,
    },
    /// Take the call; another one that is talked on is held.
    Answer {
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Refuse the call.
    Decline {
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Hold the call: neither end hears the other.
    Hold {
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Resume the call that is held.
    Resume {
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Pass the other end on to a number: when it answers, the call ends here.
    Transfer {
        /// The number as a person writes it, or an extension of the company.
        number: String,
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Turn from the call that is talked on to the one that is held.
    Swap,
    /// End the call.
    End {
        /// The call; the one that is live if left out.
        call: Option<CallId>,
    },
    /// Lose the network, or find it again.
    Network {
        /// `on` or `off`.
        state: OnOff,
    },
    /// Bring the app to the foreground (a connection stays open) or put it away.
    Foreground {
        /// `on` or `off`.
        state: OnOff,
    },
    /// Stop: ends live calls first.
    Quit,
    /// Ask or change something.
    #[command(flatten)]
    Ask(Ask),
}

/// What can be asked with and without waiting.
#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// List contacts.
    Contacts {
        /// Words of a name, its reading, a company, or digits of a number; all must be there.
        #[arg(long, default_value = "")]
        search: String,
        /// The most to list.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// List tasks.
    Tasks,
    /// Show a record with its conflicts.
    Show {
        /// The record.
        id: RecordId,
    },
    /// Change fields of a record: `title=Manager`, `address/city=Kyoto`, `mobile=090-1234-5678`, `title=` to clear.
    Edit(EditArguments),
    /// Tell whose number it is, from the phone's own records.
    Who {
        /// The number as dialled.
        number: String,
    },
    /// Send what waits and fetch what is new.
    Sync,
    /// List calls, the newest first.
    Journal {
        /// Only those that wait to be logged.
        #[arg(long)]
        to_log: bool,
    },
    /// Log a call.
    Log(LogArguments),
    /// Tell the journal of a call over the phone's own SIM, as Android would.
    Native(NativeArguments),
    /// List refused edits and corrections.
    Inbox,
    /// Show how the phone stands.
    State,
}

/// What to change.
#[derive(Debug, Args)]
pub(super) struct EditArguments {
    /// The record.
    pub(super) id: RecordId,
    /// `field=value`; a path into a group is joined by `/` or `.`; `mobile`, `office`, `home` add a phone number.
    #[arg(required = true, value_name = "FIELD=VALUE")]
    pub(super) changes: Vec<String>,
    /// Do not send it at once.
    #[arg(long)]
    pub(super) offline: bool,
}

/// How to log a call.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// The call, or `last`, or several by commas (then they all get the same).
    pub(super) call: String,
    /// What came of it, e.g. interested, not_interested, no_response, call_back_requested.
    #[arg(long)]
    pub(super) result: Option<String>,
    /// What it was for, e.g. demo, support, follow_up.
    #[arg(long)]
    pub(super) purpose: Option<String>,
    /// One line about it.
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// Anything else.
    #[arg(long)]
    pub(super) details: Option<String>,
    /// The contact, where the number belongs to several or to nobody.
    #[arg(long, value_name = "ID")]
    pub(super) contact: Option<RecordId>,
    /// When to get back to them: 20min, tomorrow (9:00), monday (9:00), or milliseconds since 1970.
    #[arg(long, value_name = "WHEN")]
    pub(super) follow_up: Option<String>,
    /// What the follow-up says; the other party's name if left out.
    #[arg(long, value_name = "TEXT")]
    pub(super) follow_up_subject: Option<String>,
    /// Keep it as a draft.
    #[arg(long, conflicts_with_all = ["private", "later", "ignore"])]
    pub(super) draft: bool,
    /// Keep the call on this phone for good.
    #[arg(long, conflicts_with_all = ["later", "ignore"])]
    pub(super) private: bool,
    /// Leave it for later.
    #[arg(long, conflicts_with = "ignore")]
    pub(super) later: bool,
    /// Never again ask about this number.
    #[arg(long)]
    pub(super) ignore: bool,
    /// Do not send it at once.
    #[arg(long)]
    pub(super) offline: bool,
}

/// A call over the phone's own SIM.
#[derive(Debug, Args)]
pub(super) struct NativeArguments {
    /// The other party's number; left out where the platform does not tell (iOS).
    #[arg(long)]
    pub(super) number: Option<String>,
    /// The other party called.
    #[arg(long)]
    pub(super) inbound: bool,
    /// Nobody answered.
    #[arg(long)]
    pub(super) missed: bool,
    /// How long it took.
    #[arg(long, default_value_t = 60)]
    pub(super) seconds: u64,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OnOff {
    /// Switched on.
    On,
    /// Switched off.
    Off,
}

/// The name of a push service.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ServiceName {
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple Push Notification service.
    Apns,
}

/// The name of one of APNs' services.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum EnvironmentName {
    /// For apps from the store.
    Production,
    /// For apps under development.
    Sandbox,
}

/// The name of a platform.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PlatformName {
    /// An Android phone.
    Android,
    /// An iPhone.
    Ios,
    /// A phone without a screen.
    Headless,
}

impl From<ServiceName> for PushService {
    fn from(name: ServiceName) -> Self {
        match name {
            ServiceName::Fcm => Self::Fcm,
            ServiceName::Apns => Self::Apns,
        }
    }
}

impl From<EnvironmentName> for PushEnvironment {
    fn from(name: EnvironmentName) -> Self {
        match name {
            EnvironmentName::Production => Self::Production,
            EnvironmentName::Sandbox => Self::Sandbox,
        }
    }
}

impl Arguments {
    /// The machine as the command line describes it.
    pub(super) fn platform(&self) -> Platform {
        let (kind, device_name) = match &self.command {
            Command::Enrol(enrol) => (enrol.platform.into(), enrol.name.clone()),
            Command::Wait(_) | Command::Dial(_) | Command::Ask(_) => (PlatformKind::Headless, String::new()),
        };
        Platform {
            kind,
            device_name,
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            os_version: std::env::consts::OS.to_owned(),
            data_dir: self.data.clone(),
            utc_offset_minutes: self.utc_offset,
        }
    }
}

impl From<PlatformName> for PlatformKind {
    fn from(name: PlatformName) -> Self {
        match name {
            PlatformName::Android => Self::Android,
            PlatformName::Ios => Self::Ios,
            PlatformName::Headless => Self::Headless,
        }
    }
}
