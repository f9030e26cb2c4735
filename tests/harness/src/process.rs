//! The resources of a process, from Linux's `/proc`.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// The most that was ever resident.
    pub peak_kib: u64,
    /// The resident memory.
    pub resident_kib: u64,
    /// The part of it that is not mapped from the binary.
    pub anonymous_kib: u64,
    /// User and system time.
    pub cpu: Duration,
}

impl Usage {
    /// Reads the resources of the process with this ID.
    ///
    /// # Errors
    /// If there is none, or this is not Linux.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
        let line = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok()
        };
        Ok(Self {
            peak_kib: line("VmHWM").context("VmHWM")?,
            resident_kib: line("VmRSS").context("VmRSS")?,
            anonymous_kib: line("RssAnon").context("RssAnon")?,
            cpu: cpu(pid)?,
        })
    }
}

/// User and system time.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| -> Result<u64> { Ok(fields.get(index).context("/proc/PID/stat")?.parse()?) };
    let per_second: u64 =
        String::from_utf8(Command::new("getconf").arg("CLK_TCK").output()?.stdout)?.trim().parse()?;
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / per_second))
}
