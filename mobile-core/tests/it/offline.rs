//! What is written without a network: kept through kills, sent whole, merged with what the office wrote.

use std::time::Duration;

use callfield_domain::{Direction, RecordId};
use callfield_mobile_core::journal::{EntryState, FollowUp, JournalError, LogForm, NativeCall};
use callfield_mobile_core::session::SessionError;
use callfield_mobile_core::transport::{ApiError, TransportError};
use callfield_sync::schema::RecordType;
use serde_json::json;

use crate::office::{CODE, NOW};
use crate::phone::{Phone, contact, office_and_phone};

fn native() -> NativeCall {
    NativeCall {
        number: Some("03-1234-5678".to_owned()),
        direction: Direction::Outbound,
        started_at: NOW,
        answered_at: Some(NOW),
        ended_at: NOW + Duration::from_secs(60),
    }
}

fn interested() -> LogForm {
    LogForm {
        result: Some("interested".to_owned()),
        details: Some("Wants the catalogue".to_owned()),
        follow_up: Some(FollowUp::Tomorrow),
        ..LogForm::default()
    }
}

#[tokio::test]
async fn a_phone_holds_the_companys_contacts_after_its_first_sync() {
    let (_office, phone) = office_and_phone().await;
    let found = phone.session.contacts("tanaka abc", 10).unwrap();
    assert_eq!(found.iter().map(|contact| contact.label.as_str()).collect::<Vec<_>>(), ["Tanaka Ichiro · ABC"]);
    assert_eq!(phone.session.look_up("+81 3-1234-5678").unwrap()[0].record, contact());
}

#[tokio::test]
async fn a_wrong_code_is_refused_with_its_reason_and_changes_nothing() {
    let office = crate::office::Office::open().await;
    let phone = Phone::opened(tempfile::tempdir().unwrap());
    let refused = phone.enrol(&office, "WRONG").await;
    let Err(SessionError::Api(ApiError::Refused { status: 404, code, .. })) = refused else {
        panic!("a wrong code is refused: {refused:?}");
    };
    assert_eq!(code, "enrolment_code_unknown");
    assert!(phone.session.state().unwrap().account.is_none());
    assert!(matches!(phone.sync().await, Err(SessionError::NotEnrolled)));
}

#[tokio::test]
async fn a_call_logged_offline_survives_a_kill_and_arrives_with_its_follow_up() {
    let (office, phone) = office_and_phone().await;
    phone.session.set_network(false).await;
    let call = phone.session.native_call_observed(&native()).unwrap();
    let logged = phone.session.log(call, &interested()).unwrap();
    assert!(matches!(phone.sync().await, Err(SessionError::Api(ApiError::Unreachable(TransportError::Offline)))));

    let phone = phone.killed_and_opened();
    assert_eq!(phone.session.journal(&[EntryState::Logged], 10).unwrap().len(), 1);
    assert_eq!(office.fields(logged.record), None);
    let synced = phone.sync().await.unwrap();
    assert_eq!((synced.sent, synced.unsent), (2, 0));

    assert_eq!(logged.record, RecordId::of_call(office.tenant(), call));
    let log = office.fields(logged.record).unwrap();
    assert_eq!((&log["result"], &log["medium"]), (&json!("interested"), &json!("sim")));
    assert_eq!(log["contact_id"], json!(contact()));
    let task = office.fields(logged.follow_up.unwrap()).unwrap();
    assert_eq!((&task["subject"], &task["status"]), (&json!("Tanaka Ichiro · ABC"), &json!("not_started")));
    assert_eq!(task["related"]["id"], json!(contact()));
    assert_eq!(log["follow_up_ids"][logged.follow_up.unwrap().to_string()], true);
}

#[tokio::test]
async fn a_call_is_logged_once_also_after_the_server_has_the_log() {
    let (_office, phone) = office_and_phone().await;
    let call = phone.session.native_call_observed(&native()).unwrap();
    phone.session.log(call, &interested()).unwrap();
    phone.sync().await.unwrap();
    let again = phone.session.log(call, &interested());
    assert!(matches!(again, Err(SessionError::Journal(JournalError::AlreadyLogged))), "{again:?}");
}

#[tokio::test]
async fn several_missed_calls_are_logged_with_one_tap_or_none_at_all() {
    let (office, phone) = office_and_phone().await;
    let later = NativeCall { started_at: NOW + Duration::from_secs(600), ..native() };
    let calls =
        [phone.session.native_call_observed(&native()).unwrap(), phone.session.native_call_observed(&later).unwrap()];
    let unknown = "0190a000-0000-7000-8000-00000000ffff".parse().unwrap();
    assert!(phone.session.log_no_answer(&[calls[0], unknown]).is_err());
    assert_eq!(phone.session.journal(EntryState::TO_LOG, 10).unwrap().len(), 2);
    phone.session.log_no_answer(&calls).unwrap();
    phone.sync().await.unwrap();
    for call in calls {
        let log = office.fields(RecordId::of_call(office.tenant(), call)).unwrap();
        assert_eq!(log["result"], "no_response");
    }
}

#[tokio::test]
async fn a_private_call_never_leaves_the_phone() {
    let (office, phone) = office_and_phone().await;
    let call = phone.session.native_call_observed(&native()).unwrap();
    phone.session.save_draft(call, &interested()).unwrap();
    phone.session.keep_private(call).unwrap();
    let synced = phone.sync().await.unwrap();
    assert_eq!((synced.sent, synced.unsent), (0, 0));
    assert_eq!(office.fields(RecordId::of_call(office.tenant(), call)), None);
}

#[tokio::test]
async fn different_fields_merge_and_the_same_field_keeps_both_values() {
    let (office, phone) = office_and_phone().await;
    phone.session.set_network(false).await;
    let mine = json!({ "title": "部長", "phones": { "+819012345678": { "raw": "090-1234-5678", "type": "mobile" } } });
    phone.session.edit_record(contact(), &mine).unwrap();
    assert_eq!(phone.session.look_up("090-1234-5678").unwrap().len(), 1);
    office.edit(contact(), RecordType::Contact, &json!({ "title": "次長", "department": "営業" }));
    phone.session.set_network(true).await;
    phone.sync().await.unwrap();

    let record = phone.session.record(contact()).unwrap().unwrap();
    assert_eq!(record.unsent, 0);
    assert_eq!(record.fields["department"], "営業");
    assert_eq!(record.fields, office.fields(contact()).unwrap());
    assert_eq!(record.conflicts.len(), 1);
    let mut values: Vec<_> = record.conflicts[0].values.iter().map(|value| value.value.clone()).collect();
    values.sort_by_key(ToString::to_string);
    assert_eq!((record.conflicts[0].field.as_str(), values), ("title", vec![json!("次長"), json!("部長")]));

    phone.session.edit_record(contact(), &json!({ "title": "本部長" })).unwrap();
    phone.sync().await.unwrap();
    assert!(phone.session.record(contact()).unwrap().unwrap().conflicts.is_empty());
}

#[tokio::test]
async fn when_nothing_changed_a_sync_is_one_request_and_changes_nothing() {
    let (office, phone) = office_and_phone().await;
    let before = office.syncs();
    let synced = phone.sync().await.unwrap();
    assert_eq!((synced.sent, synced.received, office.syncs() - before), (0, 0, 1));
}

#[tokio::test]
async fn enrolling_as_the_same_user_again_keeps_what_waits() {
    let (office, phone) = office_and_phone().await;
    phone.session.edit_record(contact(), &json!({ "title": "部長" })).unwrap();
    phone.enrol(&office, CODE).await.unwrap();
    assert_eq!(phone.session.state().unwrap().unsent, 1);
    phone.sync().await.unwrap();
    assert_eq!(office.fields(contact()).unwrap()["title"], "部長");
}

#[tokio::test]
async fn a_refused_edit_is_kept_for_its_author_and_holds_nothing_up() {
    let (office, phone) = office_and_phone().await;
    let theirs: RecordId = "0190a000-0000-7000-8000-000000000002".parse().unwrap();
    let somebody = "0190a000-0000-7000-8000-0000000000ff";
    office.edit(theirs, RecordType::Contact, &json!({ "last_name": "Sato", "owner_id": somebody }));
    phone.sync().await.unwrap();
    phone.session.edit_record(theirs, &json!({ "title": "社長" })).unwrap();
    phone.session.edit_record(contact(), &json!({ "title": "部長" })).unwrap();
    let synced = phone.sync().await.unwrap();

    assert_eq!((synced.sent, synced.unsent), (1, 0));
    assert_eq!(office.fields(contact()).unwrap()["title"], "部長");
    let cards = phone.session.inbox().unwrap();
    assert_eq!(cards.len(), 1);
    assert_eq!((cards[0].entry.doc, cards[0].entry.code.as_str()), (theirs, "forbidden"));
    assert_eq!(cards[0].entry.values, json!({ "title": "社長" }));
    assert_eq!(phone.session.record(theirs).unwrap().unwrap().fields, office.fields(theirs).unwrap());

    phone.session.edit_record(contact(), &json!({ "title": "本部長" })).unwrap();
    assert_eq!(phone.sync().await.unwrap().unsent, 0);
    assert_eq!(office.fields(contact()).unwrap()["title"], "本部長");
}
