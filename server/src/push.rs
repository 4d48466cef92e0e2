//! Wakes sleeping phones through APNs and FCM.
