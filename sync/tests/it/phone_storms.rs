//! Phones that edit, lose answers, get refused and meet rebuilt records, in any order: in the end all agree.

use callfield_domain::{Random, Seed, Timestamp, UserId};
use callfield_sync::schema::RecordType;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::handset::Phone;

#[derive(Debug, Clone)]
enum Step {
    Edit {
        phone: usize,
        record: usize,
        patch: Value,
    },
    /// Over the network; the answer may get lost on the way.
    Sync {
        phone: usize,
        is_answer_lost: bool,
    },
    Rebuild {
        record: usize,
    },
}

fn patch() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(vec!["a", "bb", "tea and cake"]);
    prop_oneof![
        4 => word.clone().prop_map(|word| json!({"title": word})),
        4 => word.clone().prop_map(|word| json!({"description": word})),
        4 => word.clone().prop_map(|word| json!({"phones": {"+81312345678": {"label": word}}})),
        2 => Just(json!({"phones": {"+81312345678": null}})),
        2 => (1..5_i64).prop_map(|at| json!({"deleted_at": at})),
        // Always refused: nobody gives a record away.
        2 => word.prop_map(|word| json!({"owner_id": "0190b5a2-0000-7000-8000-000000000000", "department": word})),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..2_usize, 0..2_usize, patch()).prop_map(|(phone, record, patch)| Step::Edit { phone, record, patch }),
        4 => (0..2_usize, any::<bool>()).prop_map(|(phone, is_answer_lost)| Step::Sync { phone, is_answer_lost }),
        1 => (0..2_usize).prop_map(|record| Step::Rebuild { record }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn after_the_storm_every_phone_shows_what_the_server_has(seed in any::<u64>(), steps in proptest::collection::vec(step(), 1..25)) {
        let mut random = Random::new(Seed::from_number(seed));
        let user = UserId::new(Timestamp::ZERO, &mut random);
        let mut cloud = Cloud::new(&mut random);
        let mut phones = [1, 2].map(|number| Phone::new(number, user, &mut random));
        let records = ["Tanaka", "Sato"].map(|name| phones[0].create(RecordType::Contact, &json!({"last_name": name})));
        for _ in 0..2 {
            phones.iter_mut().for_each(|phone| phone.sync(&mut cloud));
        }
        for step in steps {
            match step {
                Step::Edit { phone, record, patch } => phones[phone].edit(records[record], &patch),
                Step::Sync { phone, is_answer_lost: true } => {
                    let request = phones[phone].request();
                    drop(cloud.answer(&phones[phone], &request));
                }
                Step::Sync { phone, is_answer_lost: false } => phones[phone].sync(&mut cloud),
                Step::Rebuild { record } => cloud.rebuild(records[record]),
            }
        }
        for _ in 0..3 {
            phones.iter_mut().for_each(|phone| phone.sync(&mut cloud));
        }
        for id in records {
            let server = cloud.record(id);
            for phone in &phones {
                prop_assert_eq!(phone.shows(id), &server.projection());
                prop_assert_eq!(phone.heads(id), &server.heads());
                prop_assert_eq!(&phone.records[&id].synced_heads, &server.heads());
            }
        }
    }
}
