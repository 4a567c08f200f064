//! Builds a variant of the plugin interface: the real sources with a few words replaced, as the
//! variant's `variant.txt` says. Each of them must occur once, so that a variant cannot rot.
//!
//! The format: a first line `version X.Y.Z`, then blocks of `<<<<`, the text to find, `====`, the text
//! to put in its place, `>>>>`.

use std::{env, fs, path::Path};

const MODULES: &[&str] = &[
    "abi.rs",
    "abi/events.rs",
    "abi/host_side.rs",
    "abi/http.rs",
    "abi/plugin_side.rs",
    "forward.rs",
    "guard.rs",
    "host.rs",
    "plugin.rs",
    "testing.rs",
];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let source = Path::new("../../../abi/src");
    let variant = fs::read_to_string("variant.txt").expect("variant.txt beside Cargo.toml");
    println!("cargo::rerun-if-changed=variant.txt");
    println!("cargo::rerun-if-changed=../../../abi/src");
    println!("cargo::rerun-if-changed=../vendor.rs");
    let (first, blocks) = variant.split_once('\n').expect("a first line");
    let version = first.strip_prefix("version ").expect("the first line is `version X.Y.Z`");
    let mut parts = version.split('.');
    println!("cargo::rustc-env=CARGO_PKG_NAME=host-abi");
    println!("cargo::rustc-env=CARGO_PKG_VERSION={version}");
    for part in ["MAJOR", "MINOR", "PATCH"] {
        let number = parts.next().expect("three numbers");
        println!("cargo::rustc-env=CARGO_PKG_VERSION_{part}={number}");
    }
    println!("cargo::rustc-env=HOST_ABI_RUSTC=fixture");
    let replacements: Vec<(&str, &str)> = blocks
        .split("<<<<\n")
        .skip(1)
        .map(|block| {
            let (find, rest) = block.split_once("====\n").expect("==== in a block");
            let (put, _) = rest.split_once(">>>>").expect(">>>> at the end of a block");
            (find.trim_end_matches('\n'), put.trim_end_matches('\n'))
        })
        .collect();
    let mut used = vec![0; replacements.len()];
    for module in MODULES.iter().chain(&["lib.rs"]) {
        let mut text = fs::read_to_string(source.join(module)).expect("a source of host-abi");
        for (count, (find, put)) in used.iter_mut().zip(&replacements) {
            *count += text.matches(find).count();
            text = text.replace(find, put);
        }
        let target = Path::new(&out).join(if *module == "lib.rs" { "vendored.rs" } else { module });
        if *module == "lib.rs" {
            // An included file has no inner attributes.
            let inner = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
            text = text.lines().filter(inner).collect::<Vec<_>>().join("\n");
        }
        fs::create_dir_all(target.parent().expect("a folder")).expect("a writable OUT_DIR");
        fs::write(target, text).expect("a writable OUT_DIR");
    }
    for (count, (find, _)) in used.iter().zip(&replacements) {
        assert_eq!(*count, 1, "must occur once in host-abi's sources: {find}");
    }
}
