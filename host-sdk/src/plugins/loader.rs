//! Finds, probes, copies, checks and loads plugins.
//!
//! What a gateway runs is always a private copy of the file, so that a plugin can be rebuilt in place
//! while it runs, and one file can be loaded twice. Before this process opens the copy, a child
//! process does: a truncated library kills the process that opens it.
//!
//! Which interfaces go together: any plugin of 1.x and any host of 1.y, whichever is newer. A plugin
//! that is refused is refused in one line, a [`LoadError`], that names the file and what differs.
//!
//! A library is never unloaded: code of it may still run in a task somewhere.

#![allow(unsafe_code, reason = "initialises root modules, each block with its SAFETY")]

mod layout;
mod probe;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use abi_stable::{
    StableAbi,
    library::{LibHeader, LibraryError, RootModule, lib_header_from_path},
    sabi_types::VersionNumber,
};
use host_abi::{
    Plugin, PluginError, Route, Snapshot,
    abi::{HostSide, LivePlugin, PluginModule_Ref},
};

/// A plugin's library that was checked and opened.
#[derive(Clone)]
pub struct LoadedPlugin {
    module: PluginModule_Ref,
    info: PluginInfo,
}

/// A plugin's manifest, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginInfo {
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The version of the interface that it was built against.
    pub sdk_version: String,
    /// The compiler that built it.
    pub rustc: String,
    /// The file that it came from; `None` for one that is linked in.
    pub file: Option<PathBuf>,
    /// The engines that it works with; empty means any.
    pub engines: Vec<String>,
    /// The paths that it answers.
    pub routes: Vec<Route>,
    /// The kinds of engine event that it wants.
    pub consumes: Vec<String>,
    /// The events that it emits.
    pub emits: Vec<String>,
    /// Its part of the OpenAPI document, JSON, or empty.
    pub openapi: String,
}

/// Why a plugin was not loaded: one line that names the file and what differs.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", file.display())]
pub struct LoadError {
    /// The file that was to be loaded.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: Refusal,
}

/// What is wrong with a plugin's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// None of the places where a plugin is looked for has it.
    #[error("plugin not found; tried {}", list(looked_for))]
    NotFound {
        /// Where it was looked for, in order.
        looked_for: Vec<PathBuf>,
    },
    /// The file does not exist, or cannot be read.
    #[error("{error}")]
    Unreadable {
        /// The operating system's error.
        error: std::io::Error,
    },
    /// The file is not a shared library.
    #[error("not a shared library: {found}")]
    NotALibrary {
        /// What it is instead.
        found: &'static str,
    },
    /// The file is shorter than its header declares.
    #[error("truncated: {has} of {needs} bytes")]
    Truncated {
        /// The file's length in bytes.
        has: u64,
        /// The length that its header declares.
        needs: u64,
    },
    /// The child process that opened it did not survive.
    #[error("damaged: signal {signal} killed a process that opened it")]
    Damaged {
        /// The signal's number.
        signal: i32,
    },
    /// The dynamic linker rejects it.
    #[error("the dynamic linker rejects it: {message}")]
    NotLinkable {
        /// The linker's message.
        message: String,
    },
    /// Opening it took longer than ten seconds.
    #[error("opening it took over 10 s: a constructor of the library hangs")]
    Hangs,
    /// It exports no plugin.
    #[error("a library without a plugin: it does not call host_abi::export_plugin!")]
    NoRootModule,
    /// It was built with another release of abi_stable.
    #[error("built with another version of abi_stable than this host: {message}")]
    OtherAbiStable {
        /// What differs.
        message: String,
    },
    /// Its interface has another major version.
    #[error("built for host-abi {plugin}, but this host has {host}: the major versions differ")]
    Version {
        /// The plugin's version of the interface.
        plugin: String,
        /// The host's.
        host: String,
    },
    /// It was exported without a description of its types.
    #[error("exported without layout checks (unsafe_no_layout_constant); export it with them")]
    NoLayout,
    /// A type of its interface is laid out in another way.
    #[error("built for another host-abi {plugin} than this host's {host}: {difference}")]
    Layout {
        /// The plugin's version of the interface.
        plugin: String,
        /// The host's.
        host: String,
        /// The first type that differs, and how.
        difference: String,
    },
    /// Its own start-up failed.
    #[error("failed to initialise: {message}")]
    Initialise {
        /// What went wrong.
        message: String,
    },
}

/// Finds the library of the plugin `name`: in `deps/` beside the executable, where cargo puts it, then
/// beside the executable, then in `deps/` above it, for cargo's examples.
///
/// # Errors
///
/// [`Refusal::NotFound`], which lists the places.
pub fn find(name: &str) -> Result<PathBuf, LoadError> {
    let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let error = |reason| LoadError { file: PathBuf::from(&file), reason };
    let executable =
        std::env::current_exe().map_err(|source| error(Refusal::Unreadable { error: source }))?;
    let beside = executable.parent().unwrap_or(Path::new("."));
    let above = beside.parent().unwrap_or(beside);
    let looked_for =
        vec![beside.join("deps").join(&file), beside.join(&file), above.join("deps").join(&file)];
    let found = looked_for.iter().find(|place| place.is_file()).cloned();
    found.ok_or_else(|| error(Refusal::NotFound { looked_for }))
}

/// Loads the plugin in `file`.
///
/// Blocks while the file is copied and a child process probes it.
///
/// # Errors
///
/// A [`LoadError`] with the reason in one line; this process is unharmed.
pub fn load(file: impl AsRef<Path>) -> Result<LoadedPlugin, LoadError> {
    let file = file.as_ref();
    let module = open::<PluginModule_Ref>(file)?;
    Ok(LoadedPlugin { module, info: PluginInfo::new(module, Some(file.to_owned())) })
}

/// Loads the root module in `file` as type `M`, which is generic so that tests can be a host of
/// another version of the interface.
#[doc(hidden)]
pub fn open<M: RootModule + StableAbi>(file: &Path) -> Result<M, LoadError> {
    let refuse = |reason| LoadError { file: file.to_owned(), reason };
    let copy = probe::private_copy(file).map_err(refuse)?;
    let module = check::<M>(copy.path()).map_err(refuse);
    // The loaded library needs its file's name no longer.
    drop(copy);
    module
}

fn check<M: RootModule + StableAbi>(copy: &Path) -> Result<M, Refusal> {
    let header = lib_header_from_path(copy).map_err(refusal)?;
    let version = |strings| VersionNumber::new(strings).map_err(|e| refusal(e.into()));
    let (host, plugin) = (version(M::VERSION_STRINGS)?, version(header.version_strings())?);
    if plugin.major != host.major {
        return Err(Refusal::Version { plugin: plugin.to_string(), host: host.to_string() });
    }
    check_layout::<M>(header, plugin, host)?;
    // SAFETY: the layout of the library's root module was just found compatible with that of M.
    unsafe { header.init_root_module_with_unchecked_layout::<M>() }.map_err(refusal)
}

/// abi_stable takes an implementation that is newer than the interface. With two versions of the same
/// major, the newer one is a pure extension of the older, and either may be the plugin's.
fn check_layout<M: RootModule + StableAbi>(
    header: &LibHeader,
    plugin: VersionNumber,
    host: VersionNumber,
) -> Result<(), Refusal> {
    let theirs = header.layout().ok_or(Refusal::NoLayout)?;
    let plugin_is_older = (plugin.minor, plugin.patch) < (host.minor, host.patch);
    let difference = if plugin_is_older {
        layout::difference(theirs, M::LAYOUT)
    } else {
        layout::difference(M::LAYOUT, theirs)
    };
    let (plugin, host) = (plugin.to_string(), host.to_string());
    match difference {
        None => Ok(()),
        Some(difference) => Err(Refusal::Layout { plugin, host, difference }),
    }
}

fn refusal(error: LibraryError) -> Refusal {
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    match error {
        LibraryError::OpenError { err, .. } => {
            Refusal::NotLinkable { message: one_line(err.to_string()) }
        }
        LibraryError::GetSymbolError { .. } => Refusal::NoRootModule,
        LibraryError::InvalidAbiHeader(header) => {
            Refusal::OtherAbiStable { message: one_line(format!("{header:?}")) }
        }
        LibraryError::InvalidCAbi { expected, found } => {
            let message = format!("expected {expected}, found {found}");
            Refusal::OtherAbiStable { message: one_line(message) }
        }
        other => Refusal::Initialise { message: one_line(other.to_string()) },
    }
}

impl LoadedPlugin {
    /// A plugin that is linked into this program, for tests and for gateways without plugin files.
    #[must_use]
    pub fn linked<P: Plugin>() -> Self {
        let module = host_abi::abi::linked::<P>();
        Self { module, info: PluginInfo::new(module, None) }
    }

    /// The plugin's manifest.
    #[must_use]
    pub fn info(&self) -> &PluginInfo {
        &self.info
    }

    /// Makes an instance; `config` is JSON or empty, `restore` the state of the instance before.
    ///
    /// # Errors
    ///
    /// The plugin's own error about its configuration or the state.
    pub fn create(
        &self,
        host: impl HostSide,
        config: &[u8],
        restore: Option<Snapshot>,
    ) -> Result<LivePlugin, PluginError> {
        LivePlugin::create(self.module, host, config, restore)
    }
}

impl fmt::Debug for LoadedPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedPlugin").field("info", &self.info).finish_non_exhaustive()
    }
}

impl PluginInfo {
    /// Whether the plugin works with the engine called `engine`.
    pub(crate) fn works_with(&self, engine: &str) -> bool {
        self.engines.is_empty() || self.engines.iter().any(|name| name == engine)
    }

    fn new(module: PluginModule_Ref, file: Option<PathBuf>) -> Self {
        let manifest = module.manifest()();
        let words = |words: &[abi_stable::std_types::RStr<'static>]| {
            words.iter().map(|word| word.as_str().to_owned()).collect()
        };
        Self {
            name: manifest.name().into(),
            version: manifest.version().into(),
            sdk_version: manifest.sdk_version().into(),
            rustc: manifest.rustc().into(),
            file,
            engines: words(&manifest.engines()),
            routes: manifest.routes().to_vec(),
            consumes: words(&manifest.consumes()),
            emits: words(&manifest.emits()),
            openapi: manifest.openapi().into(),
        }
    }
}

fn list(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}
