//! Which libraries load, and why the others are refused.

use std::{fs, path::PathBuf};

use host_sdk::{
    host_abi::{Request, testing::FakeHost},
    loader::{self, LoadError},
};
use tempfile::TempDir;

fn library(name: &str) -> PathBuf {
    loader::find(name).unwrap()
}

/// The line with which `file` is refused, without the folder in front of it.
fn refusal(file: &std::path::Path) -> String {
    let error: LoadError = loader::load(file).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    let name = file.file_name().unwrap().to_str().unwrap();
    let (_, after) = line.split_once(name).expect("the line names the file");
    format!("{name}{after}")
}

fn file_of(folder: &TempDir, name: &str, content: &[u8]) -> PathBuf {
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    file
}

#[test]
fn a_plugin_loads_and_says_what_it_is() {
    let plugin = loader::load(library("counter_plugin")).unwrap();
    let info = plugin.info();
    assert_eq!((info.name.as_str(), info.sdk_version.as_str()), ("counter", "1.0.0"));
    let routes: Vec<_> = info.routes.iter().map(|route| (route.method(), route.path())).collect();
    assert_eq!(
        routes,
        [("GET", "/api/{session}/count"), ("GET", "/api/{session}/count/after/{seconds}")]
    );
    assert!(info.rustc.starts_with("rustc "), "{}", info.rustc);
}

#[test]
fn what_a_plugin_logs_reaches_the_host() {
    let fake = FakeHost::new();
    let plugin = loader::load(library("counter_plugin")).unwrap();
    plugin.create(fake.clone(), b"", None).unwrap();
    assert_eq!(fake.log(), ["counter_plugin: counting sessions=0"]);
}

#[test]
fn one_file_loads_twice_as_two_libraries() {
    loader::load(library("counter_plugin")).unwrap();
    loader::load(library("counter_plugin")).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let line = refusal(std::path::Path::new("nowhere/libnone.so"));
    assert_eq!(line, "libnone.so: No such file or directory (os error 2)");
}

#[test]
fn a_plugin_that_is_not_found_is_refused_with_the_places_that_were_tried() {
    let line = loader::find("nobody").unwrap_err().to_string();
    assert!(line.starts_with("libnobody.so: plugin not found; tried /"), "{line}");
    assert_eq!(line.matches("libnobody.so").count(), 4, "{line}");
}

#[test]
fn a_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    assert!(refusal(folder.path()).ends_with(": not a shared library: it is a folder"));
}

#[cfg(unix)]
#[test]
fn a_device_is_refused_and_not_read() {
    let line = refusal(std::path::Path::new("/dev/zero"));
    assert_eq!(line, "zero: not a shared library: it is not a regular file");
}

#[test]
fn a_text_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = file_of(&folder, "text.so", b"#!/bin/sh\necho plugin\n");
    assert_eq!(refusal(&file), "text.so: not a shared library: the file has no ELF header");
}

#[test]
fn an_empty_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = file_of(&folder, "empty.so", b"");
    assert_eq!(refusal(&file), "empty.so: not a shared library: the file is empty");
}

#[test]
fn a_truncated_library_is_refused_wherever_it_ends_and_the_host_lives() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(library("counter_plugin")).unwrap();
    for percent in [1, 10, 25, 50, 75, 99] {
        let (name, end) = (format!("{percent}%.so"), whole.len() * percent / 100);
        let line = refusal(&file_of(&folder, &name, &whole[..end]));
        assert_eq!(line, format!("{name}: truncated: {end} of {} bytes", whole.len()));
    }
    let line = refusal(&file_of(&folder, "stub.so", &whole[..4]));
    assert_eq!(line, "stub.so: truncated: 4 of 64 bytes");
    loader::load(library("counter_plugin")).expect("the host loads the whole one afterwards");
}

#[test]
fn a_damaged_library_kills_a_child_and_not_the_host() {
    let folder = TempDir::new().unwrap();
    let mut bytes = fs::read(library("counter_plugin")).unwrap();
    // Cut, and made to look whole: a table of sections of no length at the very start.
    bytes.truncate(bytes.len() / 40);
    bytes[0x28..0x30].fill(0);
    let line = refusal(&file_of(&folder, "cut.so", &bytes));
    assert_eq!(line, "cut.so: damaged: signal 7 killed a process that opened it");
    loader::load(library("counter_plugin")).expect("the host loads the whole one afterwards");
}

#[test]
fn a_library_with_no_plugin_in_it_is_refused() {
    assert_eq!(
        refusal(&library("fixture_no_plugin")),
        "libfixture_no_plugin.so: a library without a plugin: it does not call host_abi::export_plugin!"
    );
}

#[test]
fn a_library_for_another_major_version_is_refused() {
    assert_eq!(
        refusal(&library("fixture_plugin_major")),
        "libfixture_plugin_major.so: built for host-abi 2.0.0, but this host has 1.0.0: the major versions differ"
    );
}

#[test]
fn a_field_more_in_a_frozen_struct_is_refused() {
    insta::assert_snapshot!(refusal(&library("fixture_plugin_field")), @"libfixture_plugin_field.so: built for another host-abi 1.0.0 than this host's 1.0.0: in PresenceUpdate<'a>, device where status is expected");
}

#[test]
fn a_method_in_the_middle_is_refused() {
    insta::assert_snapshot!(refusal(&library("fixture_plugin_method")), @"libfixture_plugin_method.so: built for another host-abi 1.0.0 than this host's 1.0.0: in Instance, on_call where export_state is expected");
}

#[test]
fn a_library_without_layout_checks_is_refused() {
    assert_eq!(
        refusal(&library("fixture_no_layout")),
        "libfixture_no_layout.so: exported without layout checks (unsafe_no_layout_constant); export it with them"
    );
}

#[test]
fn a_plugin_of_a_newer_minor_version_loads_and_works() {
    let plugin = loader::load(library("fixture_plugin_next")).unwrap();
    assert_eq!(plugin.info().sdk_version, "1.1.0");
    let fake = FakeHost::new();
    let live = plugin.create(fake.clone(), b"", None).unwrap();
    live.on_event("messages.upsert", "default", b"{}").unwrap();
    let answer = fake.run(live.handle(Request::new(1, "default"))).unwrap();
    assert_eq!(answer.body(), br#"{"count":1}"#);
    assert_eq!(fake.emissions().len(), 1);
}

#[test]
fn a_plugin_of_an_older_minor_version_loads_on_a_newer_host_and_works() {
    use abi_next::{
        Request,
        abi::{LivePlugin, PluginModule_Ref},
        testing::FakeHost,
    };

    let module = loader::open::<PluginModule_Ref>(&library("counter_plugin")).unwrap();
    let fake = FakeHost::new();
    let live = LivePlugin::create(module, fake.clone(), b"", None).unwrap();
    live.on_event("messages.upsert", "default", b"{}").unwrap();
    let answer = fake.run(live.handle(Request::new(1, "default"))).unwrap();
    assert_eq!(answer.body(), br#"{"count":1}"#);
    assert_eq!(fake.emissions().len(), 1);
}
