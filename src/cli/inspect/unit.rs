//! `forkd doctor --systemd`: a service and its socket for systemd, to be kept and changed. systemd.service(5),
//! systemd.socket(5), systemd.exec(5).

use crate::{Error, Result};

/// Both units, each behind the name of its file.
///
/// # Errors
/// When this program does not know where it is.
pub fn page() -> Result<String> {
    let exe =
        std::env::current_exe().map_err(|cause| Error::system("find this program's own file", cause))?;
    Ok(UNITS.replace("FORKD", &exe.to_string_lossy()))
}

/// `Type=notify` and not `forking`: READY=1 comes when every worker serves. `NotifyAccess=main` since nobody but the master
/// speaks. `KillMode=mixed`: TERM is for the master, which has its workers drain; KILL is for all that is left.
const UNITS: &str = "\
# forkd doctor --systemd prints two units. Save each under the name above it, put in your directory and port, then:
#   systemctl daemon-reload && systemctl enable --now forkd.socket forkd.service
# The socket unit holds the port: clients wait in its queue while the service restarts. Without it, leave out the two lines
# about forkd.socket and listen on :8080; the service then leaves its sockets with systemd while it restarts.

# /etc/systemd/system/forkd.socket
[Unit]
Description=Sockets of forkd

[Socket]
ListenStream=8080
FileDescriptorName=http
Backlog=4096

[Install]
WantedBy=sockets.target

# /etc/systemd/system/forkd.service
[Unit]
Description=forkd, a pre-fork server
Requires=forkd.socket
After=network.target forkd.socket

[Service]
Type=notify
NotifyAccess=main
ExecStart=FORKD http /srv/www --listen systemd:http --name web --runtime-dir /run/forkd
ExecReload=FORKD reload web --runtime-dir /run/forkd
KillMode=mixed
Restart=on-failure
# Longer than --boot-timeout and --drain-timeout.
TimeoutStartSec=60
TimeoutStopSec=45
# Longer than --liveness-timeout: a worker that hangs is the master's business, a server of which all hang is systemd's.
WatchdogSec=90
FileDescriptorStoreMax=64

DynamicUser=yes
RuntimeDirectory=forkd
LimitNOFILE=65536
UMask=0027
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
";
