//! Stories of who is looked up: a password that was proven needs no second look, a wrong one gets it each time.

use super::desk::{CONTACT, USER, desk};
use super::*;

impl Story {
    fn looked_up(&self) -> usize {
        self.shell.iter().filter(|output| matches!(output, Output::CredentialsWanted { .. })).count()
    }
}

#[test]
fn a_refresh_with_the_right_password_is_not_looked_up_again_for_a_while() {
    let mut story = Story::new();
    for (round, looked_up) in [(0, 1), (1, 1), (2, 1)] {
        let response = story.log_in(desk(), 1 + 2 * round, CONTACT, USER, "secret");
        assert_eq!((response.status(), story.looked_up()), (Some(200), looked_up), "{round}");
    }
    story.run_until(400_000);
    assert_eq!(story.log_in(desk(), 9, CONTACT, USER, "secret").status(), Some(200));
    assert_eq!(story.looked_up(), 2);
}

#[test]
fn a_wrong_password_is_looked_up_each_time_so_that_nothing_tells_who_is_registered() {
    let mut story = Story::new();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    for round in 1..4 {
        let response = story.log_in(desk(), 1 + 2 * round, CONTACT, USER, "guess");
        assert_eq!((response.status(), story.looked_up()), (Some(401), 1 + round as usize));
    }
}

#[test]
fn a_revoked_phone_is_let_in_neither_by_what_was_proven_nor_by_an_answer_that_was_under_way() {
    let mut story = Story::new();
    story.log_in(desk(), 1, CONTACT, USER, "secret");
    let owner = story.phones[0].identity;
    let device = desk::account(owner, USER).unwrap().identity.device;
    story.tell(Input::DeviceRevoked { device });
    // The shell of the story still has the account: as one that answers late.
    let response = story.log_in(desk(), 3, CONTACT, USER, "secret");
    assert_eq!((response.status(), story.edge.registered_devices()), (Some(401), 0));
}
