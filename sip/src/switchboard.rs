//! The edge's side: bindings, parked calls, wake, fork, two legs as one call.
