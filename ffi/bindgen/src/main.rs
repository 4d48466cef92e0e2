//! Writes the Kotlin and Swift bindings from the built library (uniffi's library mode).

fn main() {
    uniffi::uniffi_bindgen_main();
}
