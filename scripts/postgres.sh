#!/usr/bin/env bash
#
# Makes sure that PostgreSQL's server programs are on this machine. Silent when
# they are. Installs them as root or by `sudo -n` when they are not, without
# leaving a service behind; a user who can do neither is told the one command.

set -euo pipefail
shopt -s nullglob

say() { printf '%s\n' "$*" >&2; }

# usable: whether directory $1 has both programs, and the server one runs. Some
# packages bring a postgres without initdb, which cannot make a cluster.
usable() {
	[[ -x $1/initdb && $("$1/postgres" --version 2>/dev/null) == *'(PostgreSQL) '[0-9]* ]]
}

# found: looks where storage/localpg looks.
found() {
	local program bin
	if [[ -n ${PG_BIN:-} ]]; then
		usable "$PG_BIN"
		return
	fi
	if program=$(command -v postgres); then
		# A link on PATH may stand alone: initdb is beside what it leads to.
		program=$(readlink -f "$program" 2>/dev/null || printf '%s' "$program")
		if usable "${program%/*}"; then return 0; fi
	fi
	for bin in \
		/usr/lib/postgresql/*/bin \
		/usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql*/bin \
		/usr/local/opt/postgresql*/bin \
		/home/linuxbrew/.linuxbrew/opt/postgresql*/bin; do
		if usable "$bin"; then return 0; fi
	done
	return 1
}

as_root() {
	if ((EUID == 0)); then "$@"; else sudo -n -- "$@"; fi
}

# need_root: stops unless as_root works.
need_root() {
	if ((EUID == 0)) || sudo -n true 2>/dev/null; then return 0; fi
	local self
	self=$(printf '%q' "$0")
	say 'PostgreSQL is needed, and only root can install it here. Run:'
	if command -v sudo >/dev/null; then say "  sudo $self"; else say "  su -c $self"; fi
	exit 1
}

# quietly: runs a command whose output matters only when it fails, or to a log.
quietly() {
	local status=0
	if [[ -t 2 ]]; then
		"$@" </dev/null >"$log" 2>&1 || status=$?
		if ((status != 0)); then cat "$log" >&2; fi
	else
		"$@" </dev/null >&2 || status=$?
	fi
	return "$status"
}

apt_get() {
	quietly as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o DPkg::Lock::Timeout=120 "$@"
}

policy=/usr/sbin/policy-rc.d
dropin=/etc/postgresql-common/createcluster.d/tokenry.conf
mark='# from tokenry, scripts/postgres.sh; removed after the installation'
log=/dev/null
policy_made=
dropin_made=

cleanup() {
	if [[ -n $dropin_made ]]; then as_root rm -f "$dropin"; fi
	if [[ -n $policy_made ]]; then as_root rm -f "$policy"; fi
	if [[ $log != /dev/null ]]; then rm -f "$log"; fi
}

# put: makes file $1, with the mode $2, of stdin.
put() {
	as_root tee "$1" >/dev/null
	as_root chmod "$2" "$1"
}

# with_apt: the Debian packages make a cluster, start it and have it started at
# every boot. Both are held off while they are being installed, and the machine
# is as it was afterwards: a cluster is made at a first installation only.
with_apt() {
	need_root
	say 'installing PostgreSQL with apt-get (needs about a minute)'
	if [[ ! -e $policy ]] || grep -qF "$mark" "$policy"; then
		policy_made=yes
		printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | put "$policy" 755
	fi
	# A mirror that fails once often answers the second time, which apt-get
	# calls a success all the same; one that fails twice may not be the one that
	# has PostgreSQL.
	apt_get -o APT::Update::Error-Mode=any update || apt_get update || true
	apt_get install --no-install-recommends postgresql-common || exit 1
	as_root mkdir -p "${dropin%/*}"
	dropin_made=yes
	printf '%s\ncreate_main_cluster = false\n' "$mark" | put "$dropin" 644
	apt_get install --no-install-recommends postgresql || exit 1
}

# with_dnf: this package starts nothing and enables nothing.
with_dnf() {
	need_root
	say 'installing PostgreSQL with dnf (needs about a minute)'
	quietly as_root dnf -y -q install postgresql-server || exit 1
}

# with_brew: Homebrew refuses to run as root, and starts nothing by itself.
with_brew() {
	if ((EUID == 0)); then
		say 'PostgreSQL is needed. Run as the user that owns Homebrew:'
		say '  brew install postgresql@17'
		exit 1
	fi
	say 'installing PostgreSQL with brew (needs about a minute)'
	quietly env HOMEBREW_NO_ENV_HINTS=1 brew install postgresql@17 || exit 1
}

bring() {
	log=$(mktemp)
	if [[ $(uname -s) != Darwin ]] && command -v apt-get >/dev/null; then
		with_apt
	elif command -v dnf >/dev/null; then
		with_dnf
	elif command -v brew >/dev/null; then
		with_brew
	else
		say 'PostgreSQL is needed: install the package with the programs postgres and initdb,'
		say 'which is called postgresql or postgresql-server, with the package manager of this machine.'
		exit 1
	fi
}

if found; then exit 0; fi
if [[ -n ${PG_BIN:-} ]]; then
	say "PG_BIN is $PG_BIN, where postgres and initdb are not. Run: unset PG_BIN"
	exit 1
fi
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
bring
if ! found; then
	say 'PostgreSQL was installed, but postgres and initdb are still not to be found; set PG_BIN to their folder.'
	exit 1
fi
