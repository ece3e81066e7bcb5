#!/usr/bin/env bash
# A real Debian system on this machine: systemd as PID 1 in namespaces of its own, over an overlay of /, with the
# distribution's own units, journald, dbus, polkit, User= and sandbox keys. Nothing inside touches the machine outside;
# what is written goes into a tmpfs. Root only, Linux with overlayfs and cgroups (v1, hybrid or v2); only loopback.
#
#   box.sh DIR [HOSTDIR:MOUNTPOINT ...]     DIR: an empty directory; HOSTDIR is seen inside, below /run or /tmp
#
# Standard input has one command a line: `boot` starts the system, again over the same files after it has ended.
# Standard output has one event a line: `pid N`, the system's PID 1 as seen from outside; `ended` once it is gone.
# At the end of standard input the system is killed, and with this process the mounts go. So nothing can stay behind,
# however the process that started this one ends. The system's console goes to DIR/console.log.
set -euo pipefail

# Becomes PID 1, in the new namespaces; /proc is still the outer one.
init() {
  local root=$1 type=$2 pid from to
  read -r pid _ < /proc/self/stat
  echo "pid $pid" >&3
  exec 3>&- </dev/null
  ip link set lo up
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
  if [ "$type" = v1 ]; then
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir -p "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  fi
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir -p "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  # The kernel's own boot id is the same in every namespace.
  cat /proc/sys/kernel/random/uuid > "$root/../fs/boot_id"
  mount --bind "$root/../fs/boot_id" "$root/proc/sys/kernel/random/boot_id"
  # A unit with a /proc/sys of its own (ProtectKernelTunables=) sees the kernel's; a drop-in can bind this one there.
  cp "$root/../fs/boot_id" "$root/run/boot_id"
  for bind in "${@:3}"; do
    from=${bind%%:*} to=${bind#*:}
    mkdir -p "$root$to"
    mount --bind "$from" "$root$to"
  done
  hostname box
  exec chroot "$root" env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=multi-user.target --log-target=console --show-status=false
}

# One life of the system, in a process of its own: from the mount of its root to the end of its PID 1.
live() {
  # shellcheck disable=SC2016 # what stands in the quotes is for the bash inside
  unshare -m -- bash -c '
    set -euo pipefail
    dir=$1 group=$2 type=$3 self=$4
    mount --make-rprivate /
    mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/fs/up,workdir=$dir/fs/work" "$dir/root"
    # Only what a test enables runs inside; the machine outside may have anything enabled.
    if [ ! -e "$dir/fs/was-up" ]; then
      rm -rf "$dir"/root/etc/systemd/system/*.wants/*
      touch "$dir/fs/was-up"
    fi
    echo $$ > "$group/cgroup.procs"
    exec unshare -C -m -p -f -n -u -i --kill-child -- bash "$self" --init "$dir/root" "$type" "${@:5}"
  ' _ "$dir" "$group" "$type" "$self" "$@" 3>&1 </dev/null >> "$dir/console.log" 2>&1 || true
  echo ended
}

# Every process of the control group: the system's, and what came into it by `nsenter`.
clear_group() {
  local tries
  for tries in {1..100}; do
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | grep -vx 0 | xargs -r kill -KILL 2>/dev/null || true
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && return
    sleep 0.05
  done
  echo "box.sh: $group could not be removed ($tries tries)" >&2
}

if [ "${1:-}" = --init ]; then
  init "${@:2}"
fi
dir=$(realpath "${1:?folder}")
self=$(realpath "$0")
shift
if [ "${BOX_HOLDS:-}" != yes ]; then
  # The files live as long as this process: in a mount namespace of its own.
  BOX_HOLDS=yes exec unshare -m -- bash "$self" "$dir" "$@"
fi
mount --make-rprivate /
group=/sys/fs/cgroup/systemd type=v1
[ -d "$group" ] || group=/sys/fs/cgroup type=v2
group=$group/lastcall-box-$$
mkdir -p "$group" "$dir/fs" "$dir/root"
mount -t tmpfs -o size=3g tmpfs "$dir/fs"
mkdir "$dir/fs/up" "$dir/fs/work"
trap clear_group EXIT
while read -r word; do
  if [ "$word" = boot ]; then
    live "$@" &
  else
    echo "box.sh: no such command: $word" >&2
  fi
done
