//! Stand-ins for APNs and FCM that are as strict as the real services.
