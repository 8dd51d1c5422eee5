#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign_wire_fuzz::target(
    "anthropic_messages",
    bytes
));
