//! A library that exports something, but no plugin.

/// Exported, so that the library is not empty.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> u32 {
    42
}
