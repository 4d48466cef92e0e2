//! The journal's story, entry by entry.

use std::path::PathBuf;
use std::time::Duration;

use callfield_domain::{Outcome, Random, Seed};

use super::*;
use crate::platform::{Platform, PlatformKind};
use crate::store::{Store, StoreError};

/// Wednesday 2023-11-15 07:13:20 in Tokyo.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const NUMBER: &str = "+81312345678";

struct Phone {
    folder: tempfile::TempDir,
    store: Store,
    random: Random,
}

fn phone() -> Phone {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    Phone { folder, store, random: Random::new(Seed::from_number(3)) }
}

impl Phone {
    fn call(&mut self) -> CallId {
        CallId::new(NOW, &mut self.random)
    }

    fn write<T>(&self, work: impl FnOnce(&crate::store::Tx<'_>) -> Result<T, StoreError>) -> T {
        self.store.write(work).unwrap()
    }

    fn began(&self, call: CallId) -> Entry {
        let seen =
            SipCall { call, direction: Direction::Inbound, number: NUMBER.to_owned(), name: Some("T".to_owned()) };
        self.write(|tx| sip_call_began(tx, &seen, "JP", NOW))
    }

    fn ended(&self, call: CallId, outcome: Outcome) {
        self.write(|tx| sip_call_ended(tx, call, outcome, NOW));
    }

    fn state(&self, call: CallId) -> EntryState {
        self.store.read::<_, StoreError>(|tx| tx.entry(call)).unwrap().unwrap().state
    }

    fn native(&mut self, number: Option<&str>, started_at: Timestamp) -> CallId {
        let seen = NativeCall {
            number: number.map(str::to_owned),
            direction: Direction::Outbound,
            started_at,
            answered_at: Some(started_at),
            ended_at: started_at + Duration::from_secs(60),
        };
        self.store.write::<_, StoreError>(|tx| native_call_observed(tx, &seen, "JP", NOW, &mut self.random)).unwrap()
    }
}

#[test]
fn a_call_waits_to_be_logged_once_it_is_over() {
    let mut phone = phone();
    let call = phone.call();
    assert_eq!(phone.began(call).name.as_deref(), Some("T"));
    assert_eq!(phone.state(call), EntryState::Live);
    phone.write(|tx| sip_call_answered(tx, call, NOW));
    phone.ended(call, Outcome::Completed);
    phone.ended(call, Outcome::Failed);
    let entry = phone.store.read::<_, StoreError>(|tx| tx.entry(call)).unwrap().unwrap();
    assert_eq!((entry.state, entry.outcome), (EntryState::ToLog, Some(Outcome::Completed)));
}

#[test]
fn a_call_that_another_device_took_is_not_offered() {
    let mut phone = phone();
    let call = phone.call();
    phone.began(call);
    phone.ended(call, Outcome::AnsweredElsewhere);
    assert_eq!(phone.state(call), EntryState::Elsewhere);
}

#[test]
fn a_call_and_its_draft_survive_a_kill() {
    let mut phone = phone();
    let call = phone.call();
    phone.began(call);
    phone.write(|tx| sip_call_answered(tx, call, NOW));
    let form = LogForm { details: Some("wants a quo".to_owned()), ..LogForm::default() };
    phone.store.write(|tx| save_draft(tx, call, &form)).unwrap();
    drop(phone.store);
    phone.store = Store::open(phone.folder.path()).unwrap();
    phone.write(|tx| end_calls_of_a_killed_process(tx, NOW));
    let entry = phone.store.read::<_, StoreError>(|tx| tx.entry(call)).unwrap().unwrap();
    assert_eq!((entry.state, entry.outcome), (EntryState::ToLog, Some(Outcome::Completed)));
    assert_eq!(entry.form, Some(form));
}

#[test]
fn a_native_call_told_twice_is_one_entry() {
    let mut phone = phone();
    let first = phone.native(Some("03-1234-5678"), NOW);
    assert_eq!(phone.native(Some(NUMBER), NOW + Duration::from_secs(5)), first);
    assert_ne!(phone.native(Some(NUMBER), NOW + Duration::from_secs(11)), first);
    assert_ne!(phone.native(Some("090-1111-2222"), NOW), first);
}

#[test]
fn a_native_call_without_a_number_is_entered_without_a_name() {
    let mut phone = phone();
    let call = phone.native(None, NOW);
    assert_eq!(phone.native(None, NOW + Duration::from_secs(1)), call);
    let entry = phone.store.read::<_, StoreError>(|tx| tx.entry(call)).unwrap().unwrap();
    assert_eq!((entry.number, entry.name, entry.state), (None, None, EntryState::ToLog));
}

#[test]
fn an_ignored_number_leaves_the_list_and_never_comes_back() {
    let mut phone = phone();
    let call = phone.native(Some(NUMBER), NOW);
    phone.write(|tx| tx.ignore_number(NUMBER));
    assert_eq!(phone.state(call), EntryState::Ignored);
    let next = phone.native(Some(NUMBER), NOW + Duration::from_secs(600));
    assert_eq!(phone.state(next), EntryState::Ignored);
}

#[test]
fn later_stays_on_the_list_and_private_leaves_it() {
    let mut phone = phone();
    let (later, private) = (phone.native(Some(NUMBER), NOW), phone.native(Some("090-1111-2222"), NOW));
    phone.store.write(|tx| set_aside(tx, later)).unwrap();
    phone.store.write(|tx| keep_private(tx, private)).unwrap();
    let list = phone.store.read::<_, StoreError>(|tx| tx.entries(EntryState::TO_LOG, 10)).unwrap();
    assert_eq!(list.iter().map(|entry| entry.call).collect::<Vec<_>>(), [later]);
    assert_eq!(phone.write(|tx| tx.outgoing_count()), 0);
}

#[test]
fn a_live_call_cannot_be_logged_and_an_unknown_one_neither() {
    let mut phone = phone();
    let (live, unknown) = (phone.call(), phone.call());
    phone.began(live);
    assert!(matches!(phone.store.write(|tx| set_aside(tx, live)), Err(JournalError::StillLive)));
    assert!(matches!(phone.store.write(|tx| set_aside(tx, unknown)), Err(JournalError::UnknownCall(_))));
}

#[test]
fn follow_ups_are_due_in_local_time() {
    let tokyo = Platform {
        kind: PlatformKind::Headless,
        device_name: String::new(),
        app_version: String::new(),
        os_version: String::new(),
        data_dir: PathBuf::new(),
        utc_offset_minutes: 540,
    };
    let minutes = |follow_up: FollowUp| follow_up.due(NOW, &tokyo).since(NOW).as_secs() / 60;
    assert_eq!(minutes(FollowUp::In20Minutes), 20);
    // From 07:13:20 on Wednesday to 09:00 on Thursday, and on Monday.
    assert_eq!(minutes(FollowUp::Tomorrow), 25 * 60 + 46);
    assert_eq!(minutes(FollowUp::NextMonday), 5 * 24 * 60 + 60 + 46);
    assert_eq!(FollowUp::At(NOW).due(NOW, &tokyo), NOW);
}

#[test]
fn a_missed_call_waits_to_be_logged_once_and_never_overwrites_one_that_rang() {
    let mut phone = phone();
    let call = phone.call();
    let seen = SipCall { call, direction: Direction::Inbound, number: NUMBER.to_owned(), name: Some("T".to_owned()) };
    for outcome in [Outcome::Canceled, Outcome::NoAnswer] {
        phone.write(|tx| sip_call_missed(tx, &seen, "JP", NOW, outcome));
    }
    let entry = phone.store.read::<_, StoreError>(|tx| tx.entry(call)).unwrap().unwrap();
    assert_eq!((entry.state, entry.outcome), (EntryState::ToLog, Some(Outcome::Canceled)));
    assert_eq!((entry.started_at, entry.ended_at, entry.answered_at), (NOW, Some(NOW), None));
    assert_eq!((entry.number.as_deref(), entry.name.as_deref()), (Some(NUMBER), Some("T")));

    let rang = phone.call();
    phone.began(rang);
    phone.write(|tx| sip_call_missed(tx, &SipCall { call: rang, ..seen.clone() }, "JP", NOW, Outcome::Canceled));
    assert_eq!(phone.state(rang), EntryState::Live);
}
