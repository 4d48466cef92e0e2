//! Calls and their timelines, on both engines.

use callfield_domain::{CallFacts, CallId, CallState, Direction, Milestone, Outcome, TimelineEvent, Timestamp};

use super::house::House;
use super::testing::{self, db_test};
use super::{CallPage, StoredCall};

db_test! {
    async fn a_call_is_one_row_that_newer_facts_replace(db: Db) {
        let mut house = House::new(&db).await;
        let mut facts = house.call(1_000);
        house.put(&facts).await;
        facts.state = CallState::Ended;
        facts.outcome = Some(Outcome::Completed);
        facts.answered_at = Some(Timestamp::from_millis(3_000));
        facts.ended_at = Some(Timestamp::from_millis(9_000));
        house.put(&facts).await;
        let mut rows = db.read(house.tenant).await.unwrap();
        assert_eq!(rows.call(facts.id).await.unwrap().unwrap().facts, facts);
        assert_eq!(rows.calls(CallPage { limit: 10, before: None }).await.unwrap().len(), 1);
    }

    async fn a_call_that_is_over_is_never_written_over(db: Db) {
        let mut house = House::new(&db).await;
        let mut over = house.call(1_000);
        over.state = CallState::Ended;
        over.outcome = Some(Outcome::Completed);
        over.ended_at = Some(Timestamp::from_millis(9_000));
        house.put(&over).await;
        let again = CallFacts { direction: Direction::Outbound, outcome: Some(Outcome::Failed), ..over.clone() };
        let later = CallFacts { ended_at: Some(Timestamp::from_millis(10_000)), ..over.clone() };
        for other in [again, later] {
            house.put(&other).await;
            let stored = house.read().await.call(over.id).await.unwrap().unwrap();
            assert_eq!(stored.facts, over);
        }
    }

    async fn a_live_call_does_not_become_another_one_with_its_id(db: Db) {
        let mut house = House::new(&db).await;
        let live = house.call(1_000);
        house.put(&live).await;
        let outbound = CallFacts { direction: Direction::Outbound, to: "+81398765432".to_owned(), ..live.clone() };
        let second = CallFacts { started_at: Timestamp::from_millis(2_000), ..live.clone() };
        for other in [outbound, second] {
            house.put(&CallFacts { state: CallState::Ended, ..other }).await;
            assert_eq!(house.read().await.call(live.id).await.unwrap().unwrap().facts, live);
        }
    }

    async fn one_id_in_two_companies_is_two_calls(db: Db) {
        let mut house = House::new(&db).await;
        let other = House::numbered(&db, 2).await;
        let ours = house.call(1_000);
        let theirs = CallFacts { tenant: other.tenant, direction: Direction::Outbound, ..ours.clone() };
        house.put(&ours).await;
        other.put(&theirs).await;
        assert_eq!(house.read().await.call(ours.id).await.unwrap().unwrap().facts, ours);
        assert_eq!(other.read().await.call(ours.id).await.unwrap().unwrap().facts, theirs);
    }

    async fn pages_of_calls_join_without_a_gap(db: Db) {
        let mut house = House::new(&db).await;
        let mut newest_first = Vec::new();
        for at in [3_000, 1_000, 2_000] {
            let facts = house.call(at);
            house.put(&facts).await;
            newest_first.push((at, facts.id));
        }
        newest_first.sort_by_key(|(at, _)| -at);
        let mut rows = db.read(house.tenant).await.unwrap();
        let first = rows.calls(CallPage { limit: 2, before: None }).await.unwrap();
        let second = rows.calls(CallPage { limit: 2, before: Some(first[1].facts.id) }).await.unwrap();
        let ids: Vec<_> = first.iter().chain(&second).map(|call| call.facts.id).collect();
        assert_eq!(ids, newest_first.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    }

    async fn calls_that_a_crash_cut_short_are_ended_once(db: Db) {
        let mut house = House::new(&db).await;
        let ringing = house.call(1_000);
        let mut talking = house.call(2_000);
        talking.answered_at = Some(Timestamp::from_millis(2_500));
        for facts in [&ringing, &talking] {
            house.put(facts).await;
        }
        let at = Timestamp::from_millis(60_000);
        assert_eq!(house.end_abandoned(at).await, 2);
        assert_eq!(house.end_abandoned(Timestamp::from_millis(61_000)).await, 0);
        let mut rows = db.read(house.tenant).await.unwrap();
        let outcome = |call: Option<StoredCall>| call.unwrap().facts.outcome;
        assert_eq!(outcome(rows.call(ringing.id).await.unwrap()), Some(Outcome::Failed));
        let talked = rows.call(talking.id).await.unwrap().unwrap().facts;
        assert_eq!((talked.outcome, talked.ended_at), (Some(Outcome::Completed), Some(at)));
        for call in [ringing.id, talking.id] {
            let steps: Vec<_> = rows.timeline(call).await.unwrap().into_iter().map(|step| (step.milestone, step.at)).collect();
            assert_eq!(steps, [(Milestone::Repaired, at)]);
        }
    }

    async fn another_company_sees_neither_call_nor_timeline(db: Db) {
        let mut house = House::new(&db).await;
        let other = House::numbered(&db, 2).await;
        let facts = house.call(1_000);
        house.put(&facts).await;
        house.append(facts.id, 1_000, Milestone::Invited).await;
        let mut rows = db.read(other.tenant).await.unwrap();
        assert!(rows.call(facts.id).await.unwrap().is_none());
        assert!(rows.timeline(facts.id).await.unwrap().is_empty());
    }

    async fn a_timeline_is_in_the_order_of_time_and_keeps_ties_as_they_came(db: Db) {
        let mut house = House::new(&db).await;
        let facts = house.call(1_000);
        house.put(&facts).await;
        for (at, milestone) in [(1_000, Milestone::Invited), (1_009, Milestone::Registered), (1_004, Milestone::PushSent)] {
            house.append(facts.id, at, milestone).await;
        }
        house.append(facts.id, 1_009, Milestone::InviteForwarded).await;
        let events = db.read(house.tenant).await.unwrap().timeline(facts.id).await.unwrap();
        let milestones: Vec<_> = events.into_iter().map(|event| event.milestone).collect();
        let expected = [Milestone::Invited, Milestone::PushSent, Milestone::Registered, Milestone::InviteForwarded];
        assert_eq!(milestones, expected);
    }
}

impl House {
    fn call(&mut self, at: i64) -> CallFacts {
        CallFacts {
            id: CallId::new(Timestamp::from_millis(at), &mut self.random),
            tenant: self.tenant,
            direction: Direction::Inbound,
            from: "+81312345678".to_owned(),
            to: "+81350001000".to_owned(),
            user: None,
            device: None,
            state: CallState::Ringing,
            outcome: None,
            started_at: Timestamp::from_millis(at),
            answered_at: None,
            ended_at: None,
            transferred_to: None,
        }
    }

    async fn put(&self, facts: &CallFacts) {
        let mut rows = self.db.write(self.tenant).await.unwrap();
        rows.put_call(facts).await.unwrap();
        rows.commit().await.unwrap();
    }

    async fn append(&self, call: CallId, at: i64, milestone: Milestone) {
        let event = TimelineEvent { at: Timestamp::from_millis(at), milestone, device: None, detail: None };
        let mut rows = self.db.write(self.tenant).await.unwrap();
        rows.append_events(&[(call, event)]).await.unwrap();
        rows.commit().await.unwrap();
    }

    async fn end_abandoned(&self, now: Timestamp) -> usize {
        let mut rows = self.db.write(self.tenant).await.unwrap();
        let ended = rows.end_abandoned_calls(now).await.unwrap();
        rows.commit().await.unwrap();
        ended
    }
}
