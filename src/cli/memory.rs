//! Protection of the process's memory.
//!
//! Credwright wipes its own copies of secrets, but TLS, HTTP and the Kubernetes client have buffers
//! of their own. So nobody may read the memory: a crash writes no core dump, and no other process
//! of the same user may attach.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Switches core dumps off for good: the hard limit cannot be raised again.
pub(super) fn keep_private() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The limit has no effect where the kernel passes core dumps to a program.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn the_process_asks_the_kernel_for_no_core_dump() {
        keep_private().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
