//! Three replicas, edits and deliveries in any order: in the end they are one.

use callfield_domain::{Random, Seed, Timestamp, UserId};
use callfield_sync::record::{Edit, Record, merge_patch};
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey, Heads};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Step {
    Edit { replica: usize, patch: Value },
    Deliver { from: usize, to: usize, times: usize },
}

fn patch() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(vec!["a", "bb", "長い", "tea and cake", ""]);
    let number = proptest::sample::select(vec!["+81312345678", "+819012345678", "a/b"]);
    prop_oneof![
        word.clone().prop_map(|word| json!({"title": word})),
        Just(json!({"title": null})),
        word.clone().prop_map(|word| json!({"description": word})),
        (number.clone(), word.clone()).prop_map(|(number, word)| json!({"phones": {number: {"label": word}}})),
        number.prop_map(|number| json!({"phones": {number: null}})),
        word.prop_map(|word| json!({"address": {"city": word}})),
        any::<bool>().prop_map(|on| json!({"tags": {"vip": on.then_some(true)}})),
        any::<i64>().prop_map(|number| json!({"custom": {"size": number}, "deleted_at": number})),
        Just(json!({"address": null, "custom": null})),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, patch()).prop_map(|(replica, patch)| Step::Edit { replica, patch }),
        (0..3_usize, 0..3_usize, 1..3_usize).prop_map(|(from, to, times)| Step::Deliver { from, to, times }),
    ]
}

fn edit(replica: usize, round: usize) -> Edit {
    let mut random = Random::new(Seed::from_number(replica as u64));
    let device = DeviceKey::of_public_key(&[u8::try_from(replica).unwrap(); 32]);
    let actor = Actor::new(device, 1, &mut random);
    let author = Author::User(UserId::new(Timestamp::ZERO, &mut random));
    Edit { actor, author, claimed_at: Timestamp::from_millis(i64::try_from(round).unwrap()) }
}

fn deliver(records: &mut [Record; 3], from: usize, to: usize) {
    let news = records[from].changes_since(&records[to].heads());
    let bytes: Vec<_> = news.iter().map(|change| &change.bytes).collect();
    records[to].apply(&bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn replicas_that_heard_everything_are_equal_and_so_is_what_they_save(steps in proptest::collection::vec(step(), 1..30)) {
        let mut records = [(); 3].map(|()| Record::new(RecordType::Contact));
        for (round, step) in steps.into_iter().enumerate() {
            match step {
                Step::Edit { replica, patch } => {
                    let before = records[replica].projection();
                    records[replica].edit(&edit(replica, round), &patch).unwrap();
                    let mut after = before.clone();
                    merge(&mut after, &patch);
                    prop_assert_eq!(normal(records[replica].projection()), normal(after));
                }
                Step::Deliver { from, to, times } => (0..times).for_each(|_| deliver(&mut records, from, to)),
            }
        }
        for _ in 0..2 {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)] {
                deliver(&mut records, from, to);
            }
        }
        for record in &records {
            prop_assert_eq!(record.heads(), records[0].heads());
            prop_assert_eq!(record.projection(), records[0].projection());
            prop_assert_eq!(record.conflicts(), records[0].conflicts());
            let loaded = Record::load(RecordType::Contact, &record.save()).unwrap();
            prop_assert_eq!(loaded.heads(), record.heads());
            prop_assert_eq!(loaded.projection(), record.projection());
            let mut from_nothing = Record::new(RecordType::Contact);
            let all: Vec<_> = record.changes_since(&Heads::default()).into_iter().map(|change| change.bytes).collect();
            from_nothing.apply(&all).unwrap();
            prop_assert_eq!(from_nothing.projection(), record.projection());
        }
    }

    #[test]
    fn the_patch_between_two_states_leads_from_one_to_the_other(patches in proptest::collection::vec(patch(), 2..8)) {
        let mut first = Record::new(RecordType::Contact);
        let mut second = Record::new(RecordType::Contact);
        for (round, patch) in patches.iter().enumerate() {
            let target = if round % 2 == 0 { &mut first } else { &mut second };
            target.edit(&edit(round % 2, round), patch).unwrap();
        }
        let patch = merge_patch(&first.projection(), &second.projection());
        first.edit(&edit(0, 99), &patch).unwrap();
        prop_assert_eq!(first.projection(), second.projection());
        prop_assert!(first.edit(&edit(0, 100), &patch).unwrap().is_empty(), "the second time there is nothing to do");
    }
}

/// RFC 7396, as the model of what an edit does.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A record cannot tell an empty map or an empty long text from none.
fn normal(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let fields = map.into_iter().map(|(key, value)| (key, normal(value)));
    Value::Object(fields.filter(|(key, value)| *value != json!({}) && (key != "description" || *value != "")).collect())
}
