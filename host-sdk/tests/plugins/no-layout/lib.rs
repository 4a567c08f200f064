//! A plugin that hides its types from the host's check.

use abi_stable::{
    export_root_module,
    prefix_type::PrefixTypeTrait,
    std_types::{ROption, RResult, RSlice},
};
use host_abi::{
    ErrorKind, PluginError, Snapshot,
    abi::{FfiResult, HostHandle, InstanceHandle, Manifest_Ref, PluginModule, PluginModule_Ref},
};

extern "C" fn manifest() -> Manifest_Ref {
    unreachable!("a host that loads this is wrong already")
}

extern "C" fn create(
    _: HostHandle,
    _: RSlice<'_, u8>,
    _: ROption<Snapshot>,
) -> FfiResult<InstanceHandle> {
    RResult::RErr(PluginError::new(ErrorKind::UNSUPPORTED, "not to be created"))
}

#[export_root_module]
#[unsafe_no_layout_constant]
fn root() -> PluginModule_Ref {
    PluginModule { manifest, create }.leak_into_prefix()
}
