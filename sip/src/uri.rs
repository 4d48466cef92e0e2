//! URIs: sip, sips, tel, and anything else kept as it came.
