//! Starts every part, joins them and stops them in order.
