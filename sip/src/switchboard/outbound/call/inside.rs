//! A call to a colleague, seen from the device that calls: what it does is told to the call of the colleague's devices.

use super::{Action, Call, Phase};
use crate::switchboard::call::{Event as Inside, Farewell};

impl Call {
    /// Tells the call of the colleague's devices, if there is one.
    pub(super) fn tell_inside(&mut self, event: Inside) {
        if self.phase == Phase::Inside {
            self.actions.push_back(Action::TellInside(event));
        }
    }

    /// The call of the devices that were rung is over, and its row durable.
    pub(super) fn end_inside(&mut self, farewell: Farewell) {
        if self.phase == Phase::Inside || self.is_part && self.phase == Phase::Routing {
            self.phase = Phase::Gone;
            self.actions.push_back(Action::FinishInside(farewell));
        }
    }
}
