//! Makes the private copy of a plugin's file, and has a child process open it first.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::Refusal;

/// A plugin's file under a name of its own, gone when this is dropped.
pub(super) struct PrivateCopy {
    name: PathBuf,
    /// Removes the copy when dropped; a mapped file stays mapped.
    _folder: TempDir,
}

impl PrivateCopy {
    pub(super) fn path(&self) -> &Path {
        &self.name
    }
}

/// Copies `file` and checks that a process survives opening the copy.
pub(super) fn private_copy(file: &Path) -> Result<PrivateCopy, Refusal> {
    let unreadable = |error| Refusal::Unreadable { error };
    let kind = fs::metadata(file).map_err(unreadable)?;
    if kind.is_dir() {
        return Err(Refusal::NotALibrary { found: "it is a folder" });
    }
    // Reading a pipe or a device may never end.
    if !kind.is_file() {
        return Err(Refusal::NotALibrary { found: "it is not a regular file" });
    }
    let folder = tempfile::Builder::new().prefix("plugin-").tempdir().map_err(unreadable)?;
    let name = folder.path().join(file.file_name().unwrap_or(OsStr::new("plugin")));
    fs::copy(file, &name).map_err(unreadable)?;
    check_header(&name)?;
    open_in_child(&folder, &name)?;
    Ok(PrivateCopy { name, _folder: folder })
}

/// Checks the ELF header: its magic bytes, and the shortest length that it implies. The table of
/// sections is at the end of the file (elf(5): `e_shoff`, `e_shentsize`, `e_shnum`).
#[cfg(target_os = "linux")]
fn check_header(copy: &Path) -> Result<(), Refusal> {
    use std::io::Read;

    const LENGTH: usize = 64;
    let unreadable = |error| Refusal::Unreadable { error };
    let file = fs::File::open(copy).map_err(unreadable)?;
    let has = file.metadata().map_err(unreadable)?.len();
    let mut header = Vec::with_capacity(LENGTH);
    file.take(LENGTH as u64).read_to_end(&mut header).map_err(unreadable)?;
    if header.is_empty() {
        return Err(Refusal::NotALibrary { found: "the file is empty" });
    }
    if !header.starts_with(b"\x7fELF") {
        return Err(Refusal::NotALibrary { found: "the file has no ELF header" });
    }
    if header.len() < LENGTH {
        return Err(Refusal::Truncated { has, needs: LENGTH as u64 });
    }
    // Other kinds of ELF are left to the linker, which refuses them.
    let is_64_bit_little_endian = header[4..6] == [2, 1];
    if is_64_bit_little_endian {
        let sections = u64::from_le_bytes(header[0x28..0x30].try_into().unwrap_or_default());
        let size = u64::from(u16::from_le_bytes([header[0x3a], header[0x3b]]));
        let count = u64::from(u16::from_le_bytes([header[0x3c], header[0x3d]]));
        let needs = sections.saturating_add(size * count);
        if has < needs {
            return Err(Refusal::Truncated { has, needs });
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn check_header(copy: &Path) -> Result<(), Refusal> {
    match fs::metadata(copy) {
        Ok(metadata) if metadata.len() == 0 => {
            Err(Refusal::NotALibrary { found: "the file is empty" })
        }
        _ => Ok(()),
    }
}

/// Has the dynamic linker of a child process open the library. The child is `true`, which does
/// nothing; preloading needs no help from the program that embeds this crate.
#[cfg(target_os = "linux")]
fn open_in_child(folder: &TempDir, copy: &Path) -> Result<(), Refusal> {
    use std::{
        io::Read,
        os::unix::process::ExitStatusExt,
        process::{Command, Stdio},
        time::Duration,
    };

    const PATIENCE: Duration = Duration::from_secs(10);
    const STEP: Duration = Duration::from_millis(2);

    // A relative name, because the linker splits the list at spaces and colons.
    let name = Path::new(".").join(PROBED);
    fs::hard_link(copy, folder.path().join(PROBED))
        .or_else(|_| fs::copy(copy, folder.path().join(PROBED)).map(drop))
        .map_err(|error| Refusal::Unreadable { error })?;
    let child = Command::new("true")
        .current_dir(folder.path())
        .env("LD_PRELOAD", name)
        .env("LD_BIND_NOW", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    // A machine without `true` has no probe; the checks that follow still hold.
    let Ok(mut child) = child else { return Ok(()) };
    let mut waited = Duration::ZERO;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if waited < PATIENCE => {
                std::thread::sleep(STEP);
                waited += STEP;
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Refusal::Hangs);
            }
        }
    };
    if let Some(signal) = status.signal() {
        return Err(Refusal::Damaged { signal });
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        // Bounded: a library's constructor may write what it likes.
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    match linker_message(&said) {
        Some(message) => Err(Refusal::NotLinkable { message }),
        None if status.success() => Ok(()),
        None => Err(Refusal::NotLinkable { message: first_line(&said).to_owned() }),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_in_child(_: &TempDir, _: &Path) -> Result<(), Refusal> {
    Ok(())
}

#[cfg(target_os = "linux")]
const PROBED: &str = "probed.so";

/// What stands in brackets where the linker gives its reason:
/// `object './probed.so' from LD_PRELOAD cannot be preloaded (file too short): ignored.`
#[cfg(target_os = "linux")]
fn linker_message(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains("cannot be preloaded"))?;
    let reason = line.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
    Some(reason.map_or(line, |(reason, _)| reason).to_owned())
}

#[cfg(target_os = "linux")]
fn first_line(said: &str) -> &str {
    let line = said.lines().next().unwrap_or("a process that opened it failed");
    line.split_once(PROBED).map_or(line, |(_, rest)| rest.trim_start_matches([':', ' ']))
}
