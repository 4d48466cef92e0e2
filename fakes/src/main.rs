//! `callfield-fake-push`: the fake APNs and FCM as a program of their own.

fn main() {}
