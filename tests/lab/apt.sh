# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2154
#
# apt on other suites than the system's, with lists and state of its own: the system's package
# database is never touched. The mirror is the one that the system itself uses.

apt_keyring() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	[[ -r $keyring ]] || die "$keyring is missing: install debian-archive-keyring"
	echo "$keyring"
}

# apt expands these, not the shell.
# shellcheck disable=SC2016
list_suites() {
	apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE)' |
		awk '$1 == "Packages" { print $2, $3 }'
}

# A system whose lists were never read names none.
system_suites() {
	if [[ -z $(list_suites) ]]; then
		apt-get -q update >/dev/null 2>&1 || true
	fi
	list_suites
}

apt_uri() {
	local uri

	uri=$(system_suites | awk '$2 == "bookworm" { print $1; exit }')
	[[ -n $uri ]] || die "the system's apt sources name no mirror of bookworm"
	echo "$uri"
}

# A suite that the system's sources have may live on another mirror than the main one (security does).
suite_uri() {
	local uri

	uri=$(system_suites | awk -v suite="$1" '$2 == suite { print $1; exit }')
	if [[ -n $uri ]]; then
		echo "$uri"
	elif [[ $1 != *-security ]]; then
		apt_uri
	fi
}

apt_options() {
	printf -- '-o\n%s\n' \
		"Dir::Etc::sourcelist=$apt_state/sources.list" \
		"Dir::Etc::sourceparts=/dev/null" \
		"Dir::Etc::preferencesparts=/dev/null" \
		"Dir::State=$apt_state/state" \
		"Dir::State::Lists=$apt_state/lists" \
		"Dir::State::status=$apt_state/status" \
		"Dir::Cache=$apt_state/cache" \
		"APT::Get::List-Cleanup=false" \
		"APT::Sandbox::User=root"
}

# apt_setup NAME SUITE...: read the lists of these suites; the functions below then use them.
apt_setup() {
	local name=$1 suite uri options
	shift

	apt_state=$cache/apt/$name
	mkdir -p "$apt_state"/{state,lists/partial,cache/archives/partial}
	: >"$apt_state/status"
	: >"$apt_state/sources.list"
	for suite in "$@"; do
		uri=$(suite_uri "$suite")
		[[ -n $uri ]] || continue
		echo "${apt_source_type:-deb} [signed-by=$(apt_keyring)] $uri $suite main" \
			>>"$apt_state/sources.list"
	done
	mapfile -t options < <(apt_options)
	apt_opts=("${options[@]}")
	apt-get "${apt_opts[@]}" -q update >"$apt_state/update.log" 2>&1 ||
		die "apt could not read the lists of $*: $(grep -m 2 '^[EW]:' "$apt_state/update.log" || true)"
}

apt_cache() {
	apt-cache "${apt_opts[@]}" "$@"
}

apt_version() {
	apt_cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

apt_download() {
	apt-get "${apt_opts[@]}" -q download "$@" >"$apt_state/download.log" 2>&1 ||
		die "apt could not download $*: $(tail -n 2 "$apt_state/download.log")"
}
