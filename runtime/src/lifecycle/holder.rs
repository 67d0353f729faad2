//! Who holds a claim: a name for this process that others on the same machine can check.

use std::fs;
use std::sync::LazyLock;

/// What tells processes of this machine apart from all others: the boot, the namespace of process
/// numbers, the number, and the time of the process's start. Empty parts cannot be told.
pub(crate) fn current() -> String {
    let pid = std::process::id();
    format!("{}/{pid}/{}", machine(), start_of(pid).unwrap_or_default())
}

/// Returns whether the process still exists; `None` if that cannot be told, since it ran on
/// another machine or in another container.
pub(crate) fn is_alive(holder: &str) -> Option<bool> {
    let mut parts = holder.rsplitn(3, '/');
    let (start, pid, machine_of_holder) = (parts.next()?, parts.next()?, parts.next()?);
    if machine_of_holder != machine() || start.is_empty() || machine_of_holder.starts_with('/') {
        return None;
    }
    let pid = pid.parse().ok()?;
    Some(start_of(pid).as_deref() == Some(start))
}

/// Returns the boot and the namespace of process numbers; a leading slash if they are unknown.
pub(crate) fn machine() -> &'static str {
    static MACHINE: LazyLock<String> = LazyLock::new(|| {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        format!("{}/{}", boot.trim(), namespace.display())
    });
    &MACHINE
}

/// Returns when a process has started, in clock ticks since the boot. A zombie has ended.
fn start_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    fields.get(19).map(|&start| start.to_owned())
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "what goes wrong fails the test")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        assert_eq!(is_alive(&current()), Some(true));
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let start = start_of(child.id()).unwrap();
        let holder = format!("{}/{}/{start}", machine(), child.id());
        assert_eq!(is_alive(&holder), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_alive(&holder), Some(false));
    }

    #[test]
    fn a_number_that_another_process_has_now_is_not_the_holder() {
        let pid = std::process::id();
        assert_eq!(is_alive(&format!("{}/{pid}/1", machine())), Some(false));
    }

    #[test]
    fn nothing_is_known_of_processes_elsewhere() {
        assert_eq!(is_alive("another-boot/pid:[1]/1/1"), None);
        assert_eq!(is_alive("no holder at all"), None);
        assert_eq!(is_alive("//1/1"), None);
    }
}
