//! What to type when the machine says no.

use std::fs;
use std::path::Path;

use super::ladder::Attempt;
use super::message::{Refusal, Step};

const AS_ROOT: &str = "or run as root: sudo -E splitbrain …";
const APPARMOR: &str = "this system lets only programs with an AppArmor profile use user namespaces (Ubuntu 23.10 and \
later). For this boot: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
const CONTAINER: &str = "this is a container whose seccomp profile forbids namespaces. Start it with: docker run \
--security-opt seccomp=unconfined (on a host with AppArmor also --security-opt apparmor=unconfined), or with \
--cap-add SYS_ADMIN --cap-add NET_ADMIN; --device /dev/net/tun makes it faster. In a GitHub workflow: \
container: options: --security-opt seccomp=unconfined";
const DISTRIBUTION: &str = "user namespaces are switched off. Type: sudo sysctl -w kernel.unprivileged_userns_clone=1";
const LIMIT: &str = "no more user namespaces are allowed. Type: sudo sysctl -w user.max_user_namespaces=15000";
const NAMESPACE_LIMIT: &str = "no more namespaces are allowed. Type: for kind in net mnt pid uts ipc; do sudo sysctl -w \
user.max_${kind}_namespaces=15000; done";
const NO_KERNEL_SUPPORT: &str = "this kernel has no user namespaces (CONFIG_USER_NS)";
const INIT: &str = "the program did not become its own zygote: nemesis::hosts::init() must be the first call in main";
const VETH: &str = "this kernel has neither an accessible /dev/net/tun nor veth devices. Type: sudo modprobe tun && \
sudo chmod 0666 /dev/net/tun, or: sudo modprobe veth";
const TUN: &str = "faster with TUN devices. Type: sudo modprobe tun; sudo chmod 0666 /dev/net/tun (in a container: \
docker run --device /dev/net/tun)";
const FUSE: &str = "for simulated disks: sudo modprobe fuse; sudo chmod 0666 /dev/fuse (in a container: docker run \
--device /dev/fuse)";

/// What would make one of these rungs hold. The least demanding one, veth in a user namespace, says the most.
pub(super) fn for_attempts(attempts: &[Attempt]) -> String {
    let telling = attempts.iter().find(|a| a.rung == super::Rung::UserPacket).or(attempts.first());
    telling.map_or_else(|| AS_ROOT.to_owned(), |attempt| for_refusal(&attempt.refusal))
}

/// What would have made this step succeed.
pub(crate) fn for_refusal(refusal: &Refusal) -> String {
    let denied = matches!(refusal.errno, Some(libc::EPERM | libc::EACCES));
    let text = match (refusal.step, refusal.errno) {
        (Step::StartZygote, _) => return INIT.to_owned(),
        (Step::UserNamespace, Some(libc::ENOSPC | libc::EUSERS)) => LIMIT,
        (Step::SwitchNamespace | Step::CloneAgent, Some(libc::ENOSPC)) => NAMESPACE_LIMIT,
        (Step::UserNamespace, Some(libc::EINVAL | libc::ENOSYS)) => NO_KERNEL_SUPPORT,
        (Step::OpenTun | Step::AttachTun, _) => return TUN.to_owned(),
        (Step::MountDisk, _) => return FUSE.to_owned(),
        (Step::Veth, Some(libc::EOPNOTSUPP)) => return VETH.to_owned(),
        _ if denied && setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) => APPARMOR,
        _ if denied && setting("kernel/unprivileged_userns_clone") == Some(0) => DISTRIBUTION,
        _ if setting("user/max_user_namespaces") == Some(0) => LIMIT,
        _ if denied && in_container() => return CONTAINER.to_owned(),
        _ => return AS_ROOT.trim_start_matches("or ").to_owned(),
    };
    format!("{text}; {AS_ROOT}")
}

/// A number below `/proc/sys`, if the kernel has it.
pub(crate) fn setting(name: &str) -> Option<i64> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
}

/// Whether this looks like the inside of a container.
pub(crate) fn in_container() -> bool {
    ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists())
        || fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| text.contains("docker") || text.contains("kubepods"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_remedy() {
        let remedy = |step, errno| for_refusal(&Refusal { step, detail: String::new(), errno: Some(errno) });
        assert!(remedy(Step::StartZygote, libc::EPIPE).contains("hosts::init()"));
        assert!(remedy(Step::OpenTun, libc::EACCES).contains("chmod 0666 /dev/net/tun"));
        assert!(remedy(Step::MountDisk, libc::EACCES).contains("chmod 0666 /dev/fuse"));
        assert!(remedy(Step::UserNamespace, libc::ENOSPC).contains("user.max_user_namespaces"));
        assert!(remedy(Step::CloneAgent, libc::ENOSPC).contains("user.max_${kind}_namespaces"));
        assert!(remedy(Step::UserNamespace, libc::EINVAL).contains("CONFIG_USER_NS"));
        assert!(remedy(Step::Veth, libc::EOPNOTSUPP).contains("modprobe veth"));
    }
}
