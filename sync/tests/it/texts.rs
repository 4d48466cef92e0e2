//! Long texts: edited inside by several people, and as long as they may get.

use callfield_sync::protocol::VerdictCode;
use callfield_sync::schema::RecordType;
use serde_json::json;

use crate::office::{Server, codes, reasons};

#[test]
fn a_long_text_is_edited_inside_by_two_people_and_pasted_in_several_changes() {
    let mut server = Server::new(8);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet] = [1, 2].map(|n| server.device(n, suzuki, RecordType::Contact));
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka", "description": "likes tea and cake"}));
    server.push(&phone, id, &made);
    server.pull(&mut tablet, id);
    let one = phone.edit(2_000, &json!({"description": "likes green tea and cake"}));
    let two = tablet.edit(2_000, &json!({"description": "likes tea and cheese cake"}));
    server.push(&phone, id, &one);
    server.push(&tablet, id, &two);
    assert_eq!(server.record(id).projection()["description"], "likes green tea and cheese cake");

    server.pull(&mut phone, id);
    let long = "長".repeat(5_000);
    let pasted = phone.edit(3_000, &json!({"description": long}));
    assert!(pasted.len() > 3);
    let ingested = server.push(&phone, id, &pasted);
    assert!(codes(&ingested).iter().all(|code| *code == VerdictCode::Ok));
    assert_eq!(server.record(id).projection()["description"], long);
    let cleared = phone.edit(4_000, &json!({"description": null}));
    server.push(&phone, id, &cleared);
    assert!(server.record(id).projection().get("description").is_none());
}

#[test]
fn a_text_that_two_people_make_too_long_together_is_refused_for_the_second() {
    let mut server = Server::new(9);
    let (id, suzuki) = (server.id(), server.user());
    let [mut phone, mut tablet] = [1, 2].map(|n| server.device(n, suzuki, RecordType::Contact));
    let made = phone.edit(1_000, &json!({"last_name": "Tanaka", "description": "x".repeat(18_500)}));
    server.push(&phone, id, &made);
    server.pull(&mut tablet, id);
    let one = phone.edit(2_000, &json!({"description": format!("{}{}", "a".repeat(1_400), "x".repeat(18_500))}));
    let two = tablet.edit(2_000, &json!({"description": format!("{}{}", "x".repeat(18_500), "b".repeat(1_400))}));
    assert_eq!(codes(&server.push(&phone, id, &one)), [VerdictCode::Ok]);
    assert_eq!(reasons(&server.push(&tablet, id, &two)), ["too_long"]);
    assert_eq!(server.record(id).projection()["description"].as_str().map(str::len), Some(19_900));
}
