//! The phone core as Kotlin and Swift see it: nothing but translation.
