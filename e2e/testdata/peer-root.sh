#!/bin/sh
# Runs a mail server of others, unpacked from its package, in a root of its own, so that nothing of this machine's changes:
#   unshare -m /bin/sh peer-root.sh DIR PEERS WORLD COMMAND...
# It sees the programs of this machine, those unpacked in PEERS as /peers, and WORLD; /etc is DIR/etc, and /var and /run
# are empty. All of it ends with the server.
set -eu
dir=$1 peers=$2 world=$3
shift 3
root=$dir/root
mount -t tmpfs -o mode=755 peer "$root"
cd "$root"
mkdir -p usr/libexec peers dev proc etc run tmp var/spool var/lib/opensmtpd/empty ".$world"
chmod 1777 tmp
for part in bin sbin lib lib64 share; do
	[ -d "/usr/$part" ] || continue
	mkdir "usr/$part"
	mount --bind "/usr/$part" "usr/$part"
	ln -s "usr/$part" "$part"
done
mount --bind "$peers" peers
mount --bind peers/usr/libexec usr/libexec
mount --rbind /dev dev
mount --rbind /proc proc
mount --bind "$dir/etc" etc
mount --bind "$world" ".$world"
ln -s ../run var/run
libraries=$(echo peers/usr/lib/*-linux-gnu*)
exec chroot "$root" /usr/bin/env "LD_LIBRARY_PATH=/$libraries" "$@"
